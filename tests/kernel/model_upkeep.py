"""Time, upkeep and the delivery of events, for the machine that checks the engine against the reference."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from model_reference import LEASE, MAX_WAIT, PLANS, POLL_EVERY, POLL_LEASE

from engine import DiscardDeadLetters, FlushOutbox, PollSuspendedStages, ReapStuckRuns, ReplayDeadLetters

ANSWERS = ("ready", "waiting", "failed", "broken", "broken")
MOVES = (timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1), LEASE, MAX_WAIT)


class UpkeepSteps:
    def _time_passes(self, data: st.DataObject) -> None:
        self._pass(data.draw(st.sampled_from(MOVES), "by"))

    def _pass(self, time: timedelta) -> None:
        self.clock.advance(time)
        self.model.now = self.clock.now()

    def _reap(self, data: st.DataObject) -> None:
        expected = self.model.reap()
        result = self.wait(self.driver.reap(LEASE))
        assert (result.released, result.failed) == expected

    def _reap_stuck(self, data: st.DataObject) -> None:
        """As a host does it: leases first. Then no run can be stuck."""
        self._reap(data)
        result = self.send(ReapStuckRuns(stuck_threshold=3 * LEASE))
        assert (result.transitioned, result.failed) == (0, 0)

    def _poll(self, data: st.DataObject) -> None:
        self._ask({run.id: data.draw(st.sampled_from(ANSWERS), "answer") for run, _ in self.model.pollable()})

    def _keep_polling(self, data: st.DataObject) -> None:
        """The same answer again and again, each when it is asked for."""
        answer = data.draw(st.sampled_from(ANSWERS), "answer")
        for _ in range(data.draw(st.integers(2, 6), "times")):
            self._pass(POLL_EVERY)
            self._ask({run.id: answer for run, _ in self.model.pollable()})

    def _ask(self, answers: dict[str, str]) -> None:
        self.answers, due = answers, self.model.pollable()
        result = self.send(PollSuspendedStages())
        rows = self.rows()
        answered = [
            self.model.poll(run, stage, self.answers[run.id], rows.output(run.id, stage.id)) for run, stage in due
        ]
        for run, stage in due:
            if stage.status == "SUSPENDED" and stage.next_poll_at is None:
                stage.next_poll_at = rows.next_poll_at(run.id, stage.id)
                assert self.model.now <= stage.next_poll_at <= self.model.now + timedelta(minutes=5)
        assert (result.checked, result.resumed) == (len(due), answered.count("resumed"))
        assert result.failed == answered.count("failed")

    def _poller_dies(self, data: st.DataObject) -> None:
        """Polls are claimed, and whoever claimed them is never heard of again."""
        due = self.model.pollable()
        known = [one for one in PLANS if one not in self.model.paused]
        persistence = self.driver.kernel.persistence
        claimed = self.wait(
            persistence.transact(
                lambda work: work.stages.claim_polls(known, f"t{next(self.numbers)}", work.now + POLL_LEASE, 50)
            )
        )
        assert len(claimed) == len(due)
        for _, stage in due:
            stage.being_polled, stage.next_poll_at = True, self.model.now + POLL_LEASE

    def _restart(self, data: st.DataObject) -> None:
        self.wait(self.driver.close())
        self.driver = self._open()

    def _sink_down(self, data: st.DataObject) -> None:
        """For so long that letters die."""
        for _ in range(self.sink.max_retries):
            self._flush_with(100, 20)
            self._pass(timedelta(minutes=1))

    def _flush(self, data: st.DataObject) -> None:
        self._flush_with(data.draw(st.integers(0, 4), "failures"), data.draw(st.integers(1, 20), "most"))

    def _flush_with(self, failures: int, most: int) -> None:
        before, had = self.outbox(), len(self.sink.events)
        self.sink.failures = [RuntimeError("the sink is down") for _ in range(failures)]
        result = self.send(FlushOutbox(max_events=most))
        after, received = self.outbox(), self.sink.events[had:]
        assert result.published == len(received) <= most
        assert result.failed == failures - len(self.sink.failures)
        for event in received:
            earliest = after.first_pending(event.run_id)
            assert earliest is None or event.sequence < earliest, "an event overtook another of its run"
        dead = after.dead - before.dead
        assert result.dead_lettered == len(dead | (after.discarded - before.discarded))
        assert all(after.retries[event_id] == self.sink.max_retries for event_id in dead)
        for event_id in dead:
            self.model.runs[after.run_of[event_id]].events["event:deadLettered"] += 1
        self.sink.failures = []

    def _replay(self, data: st.DataObject) -> None:
        dead = self.outbox().dead
        assert self.send(ReplayDeadLetters()).replayed == len(dead)
        self.replayed |= dead
        after = self.outbox()
        assert not after.dead
        assert all(after.retries[event_id] == 0 for event_id in dead)

    def _discard(self, data: st.DataObject) -> None:
        dead = sorted(self.outbox().dead)[:2]
        if dead:
            assert self.send(DiscardDeadLetters(event_ids=dead, reason="old")).discarded == len(dead)

    def _deliver_the_rest(self) -> None:
        """With a sink that works and time, everything that is not given up arrives."""
        self.clock.advance(timedelta(minutes=2))
        for _ in range(10):
            if not self.send(FlushOutbox(max_events=200)).published:
                break
        assert not self.outbox().pending
