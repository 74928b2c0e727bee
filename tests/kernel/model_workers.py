"""What workers do, one after another or two at once, for the machine that checks the engine against the reference."""

from __future__ import annotations

from hypothesis import strategies as st
from model_reference import LEASE, MAX_WAIT, POLL_EVERY
from model_reference import highest as highest_of

from engine import ExecuteJob, NonRetryable, Suspend
from engine.kernel.ending import Completed, Crashed, Delivery, Ending, Failed, GivenBack, Suspended
from engine.model.records import Claimed

ENDINGS = ("ok", "ok", "ok", "fail", "fatal", "give-back", "crash")


class WorkerSteps:
    def _take(self, data: st.DataObject) -> None:
        self._turn([], "w1", data.draw(st.integers(1, 3), "free"))

    def _carry_on(self, data: st.DataObject) -> None:
        """A worker as it is on most days: what it takes ends well but for one here and there, and it goes on."""
        had = self.in_hand
        self.in_hand = []
        for _ in range(data.draw(st.integers(2, 6), "turns")):
            taken, self.in_hand = self.in_hand, []
            bad = data.draw(st.sampled_from([None, None, None, *taken[:1]]), "one that fails for good")
            ended = [Delivery(one, self._fatal() if one is bad else self._good_ending(one)) for one in taken]
            self._turn(ended, "w2", data.draw(st.integers(1, 2), "free"))
        self.in_hand += had

    def _all_but_one(self, data: st.DataObject) -> None:
        """Everything that is due is done at once, and one of it fails for good."""
        had, self.in_hand = self.in_hand, []
        self._turn([], "w5", 8)
        taken, self.in_hand = self.in_hand, had
        bad = data.draw(st.integers(0, len(taken)), "which")
        endings = [self._fatal() if number == bad else self._good_ending(one) for number, one in enumerate(taken)]
        self._turn([Delivery(one, ending) for one, ending in zip(taken, endings, strict=True)], "w5", 0)

    def _keep_dying(self, data: st.DataObject) -> None:
        """Whatever takes the jobs dies of them, again and again."""
        for _ in range(data.draw(st.integers(2, 4), "times")):
            self._turn([], "w3", 3)
            self._pass(LEASE)
            self._reap(data)

    def _keep_failing(self, data: st.DataObject) -> None:
        """Whatever is tried fails, again and again."""
        for _ in range(data.draw(st.integers(2, 4), "times")):
            had, self.in_hand = self.in_hand, []
            self._turn([], "w4", 3)
            failed = [Delivery(one, Failed("not now", None, retryable=True)) for one in self.in_hand]
            self.in_hand = had
            self._turn(failed, "w4", 0)
            self._pass(LEASE)

    def _settle(self, data: st.DataObject) -> None:
        """One or more deliveries end, some of them ghosts; some are told of again later."""
        if not self.in_hand:
            return
        numbers = st.lists(st.integers(0, len(self.in_hand) - 1), min_size=1, max_size=3, unique=True)
        ended = [self.in_hand[number] for number in data.draw(numbers, "deliveries")]
        deliveries = [Delivery(one, self._ending(data, one)) for one in ended]
        if not data.draw(st.sampled_from([False, False, True]), "again later"):
            self.in_hand = [one for one in self.in_hand if one not in ended]
        self._turn(deliveries, "w1", data.draw(st.integers(0, 2), "free"))

    def _worker_dies(self, data: st.DataObject) -> None:
        if self.in_hand:
            self.in_hand.remove(data.draw(st.sampled_from(self.in_hand), "delivery"))

    def _fatal(self) -> Ending:
        return Failed("no way", None, retryable=False)

    def _good_ending(self, claimed: Claimed) -> Ending:
        if claimed.job.stage_id == "wait":
            return Suspended("{}", POLL_EVERY, MAX_WAIT, None)
        return Completed(str(next(self.numbers)))

    def _ending(self, data: st.DataObject, claimed: Claimed) -> Ending:
        kinds = ("suspend", "suspend", "ok", "fail") if claimed.job.stage_id == "wait" else ENDINGS
        match data.draw(st.sampled_from(kinds), "ending"):
            case "ok":
                return Completed(str(next(self.numbers)))
            case "suspend":
                return Suspended("{}", POLL_EVERY, MAX_WAIT, None)
            case "give-back":
                return GivenBack()
            case "crash":
                return Crashed("killed by signal 9")
            case "fatal":
                return self._fatal()
        return Failed("not now", None, retryable=True)

    def _turn(self, deliveries: list[Delivery], worker: str, free: int) -> None:
        expected, requeued = [], 0
        for delivery in deliveries:
            expected.append(self._settled(delivery))
            requeued += expected[-1] == "given-back" or (
                expected[-1] == "retrying" and isinstance(delivery.ending, Crashed)
            )
        ready, startable = self.model.ready(), self.model.startable()
        turn = self.wait(self.driver.kernel.turn(deliveries, self.driver.kernel.taker(worker, LEASE), free))
        assert [settled.verdict for settled in turn.settled] == expected
        possible = [run.priority for run, _ in ready] + [run.priority for run in startable]
        taken = [claimed.job.priority for claimed in turn.claimed]
        # What this very turn put back is not yet in the queue when it looks there.
        assert min(free, len(possible) - requeued) <= len(taken) <= min(free, len(possible))
        if not requeued:
            assert sorted(taken, reverse=True) == highest_of(possible, free)
        for claimed in turn.claimed:
            self._claimed(claimed)
        self.in_hand += turn.claimed

    def _settled(self, delivery: Delivery) -> str:
        job, ending, model = delivery.claimed.job, delivery.ending, self.model
        assert job.lease_token is not None
        run, stage = model.runs[job.run_id], model.held(job.run_id, job.stage_id, job.lease_token)
        if stage is None:
            return "ghost"
        match ending:
            case Completed():
                return model.complete(run, stage, int(ending.output))
            case Suspended():
                return model.suspend(run, stage)
            case Failed():
                return model.fail(run, stage, retryable=ending.retryable)
            case Crashed():
                return model.crash(run, stage)
            case GivenBack():
                return model.give_back(run, stage)

    def _claimed(self, claimed: Claimed) -> None:
        run = self.model.runs[claimed.job.run_id]
        if run.status == "PENDING":
            assert run in self.model.startable()
            self.model.begin(run)
        stage = run.stages[claimed.job.stage_id]
        assert (run, stage) in self.model.ready(), f"{run.id}/{stage.id} was not to be had"
        assert {one: int(text) for one, text in claimed.outputs.items()} == run.outputs()
        assert claimed.job.lease_token is not None
        self.model.claim(run, stage, claimed.job.lease_token)
        assert (claimed.job.attempt, claimed.job.tries) == (stage.attempt, stage.tries)

    def _execute(self, data: st.DataObject) -> None:
        """`job.execute` from beginning to end, with its body."""
        kind = data.draw(st.sampled_from(["ok", "fail", "fatal"]), "body")
        run = data.draw(st.sampled_from(list(self.model.runs.values())), "run")
        stage_id = data.draw(st.sampled_from([one for group in run.plan for one in group]), "stage")
        number = next(self.numbers)
        self.script = {"ok": number, "fail": RuntimeError("not now"), "fatal": NonRetryable("no way")}[kind]
        if stage_id == "wait" and kind == "ok":
            self.script = Suspend(state={}, poll_every=POLL_EVERY, max_wait=MAX_WAIT)
        stage = run.stages.get(stage_id)
        stored = run.status == "RUNNING" and run.workflow not in self.model.paused and stage is not None
        ready = (run, stage) in self.model.ready()
        result = self.send(ExecuteJob(run_id=run.id, workflow_id=run.workflow, stage_id=stage_id))
        if stage is None or not ready:
            done = stored and stage is not None and stage.status == "COMPLETED"
            assert (result.outcome, result.ghost) == (("completed", False) if done else ("failed", True))
            return
        self.model.claim(run, stage, "mine")
        if isinstance(self.script, Suspend):
            expected = self.model.suspend(run, stage)
        elif kind == "ok":
            expected = self.model.complete(run, stage, number)
        else:
            expected = self.model.fail(run, stage, retryable=kind == "fail")
        assert result.outcome == ("failed" if expected == "retrying" else expected)
        assert result.retryable == (expected == "retrying")
        assert not result.ghost
