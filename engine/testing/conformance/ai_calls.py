"""What `engine.ports.ai_calls.CallStore` promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.model.records import AICallRecord, RunRecord, StageRecord
from engine.model.status import RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, a_call, add_call, add_run, add_stage, another
from engine.testing.conformance.store import PATIENCE, Refused

QUARTER = Decimal("0.25")
HOUR = timedelta(hours=1)
OWN = ("id", "run_id", "status")
"""Which call it is, of which run, and how it stands."""
DETAILS = [name for name in AICallRecord._fields if name not in OWN]
ENDED: list[dict[str, Any]] = [
    {"status": "ok", "cost": QUARTER, "input_tokens": 10, "output_tokens": 5},
    {"status": "error", "cost": QUARTER, "input_tokens": 10, "output_tokens": 5, "error": "no"},
]
OLD = NOON - HOUR
NAMES = "abcdefgh"


def add_open(work: UnitOfWork) -> tuple[RunRecord, RunRecord]:
    """Calls `a` to `h`: all under way but the last; the first five of one run, one of another, two of nobody."""
    one, other = add_run(work), add_run(work)
    work.ai_calls.open(
        [
            a_call(one, id="a"),
            a_call(one, id="b", attempt=2),
            a_call(one, id="c", stage_id="other"),
            a_call(one, id="d", stage_id=None, attempt=None),
            a_call(other, id="e"),
            a_call(None, id="f", created_at=OLD),
            a_call(None, id="g"),
        ]
    )
    work.ai_calls.close([a_call(one, id="h", status="ok", created_at=OLD)])
    return one, other


async def kept(store: Persistence, *ids: str) -> list[AICallRecord]:
    found = await store.read(lambda reads: [reads.ai_call(one) for one in ids])
    return [call for call in found if call is not None]


async def interrupted(store: Persistence) -> str:
    return "".join(call.id for call in await kept(store, *NAMES) if call.status == "interrupted")


async def added_up(store: Persistence, run: RunRecord) -> tuple[Decimal | None, int]:
    """What the calls of a run cost, and their tokens."""
    found = await store.transact(lambda work: work.runs.get(run.id))
    assert found is not None
    return found.total_cost, found.total_tokens


class CallPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    # --- a row for each call ---

    async def test_a_call_is_kept_with_every_field(self, store: Persistence) -> None:
        def begin(work: UnitOfWork) -> list[AICallRecord]:
            run = add_run(work)
            calls = [a_call(run, **{field: another(AICallRecord, field)}) for field in DETAILS]
            work.ai_calls.open(calls)
            return calls

        calls = await store.transact(begin)
        assert await kept(store, *(call.id for call in calls)) == calls

    async def test_one_that_ends_takes_the_place_of_the_open_one_with_every_field(self, store: Persistence) -> None:
        def end(work: UnitOfWork) -> list[AICallRecord]:
            run = add_run(work)
            calls = [a_call(run, status="ok", **{field: another(AICallRecord, field)}) for field in DETAILS]
            work.ai_calls.open([a_call(run, id=call.id) for call in calls])
            work.ai_calls.close(calls)
            return calls

        calls = await store.transact(end)
        assert await kept(store, *(call.id for call in calls)) == calls

    @pytest.mark.parametrize("status", ["open", "ok", "interrupted"])
    async def test_one_that_is_there_is_not_opened_again(self, store: Persistence, status: str) -> None:
        def check(work: UnitOfWork) -> AICallRecord:
            call = add_call(work, add_run(work), status=status)
            work.ai_calls.open([a_call(None, id=call.id, model="other/model")])
            return call

        call = await store.transact(check)
        assert await kept(store, call.id) == [call]

    async def test_one_that_was_never_opened_is_added_at_its_end(self, store: Persistence) -> None:
        call = await store.transact(lambda work: add_call(work, add_run(work)))
        assert await kept(store, call.id) == [call]

    @pytest.mark.parametrize("first", ENDED)
    @pytest.mark.parametrize("second", ENDED)
    async def test_one_that_ended_stays_as_it_is_and_is_paid_once(
        self, store: Persistence, first: dict[str, Any], second: dict[str, Any]
    ) -> None:
        run = await store.transact(lambda work: add_run(work))
        call = a_call(run, **first)
        again = call._replace(**{**second, "response": "again"})
        await store.transact(lambda work: work.ai_calls.close([call, again]))
        await store.transact(lambda work: work.ai_calls.close([again]))
        assert await kept(store, call.id) == [call]
        assert await added_up(store, run) == (QUARTER, 15)

    async def test_the_late_end_of_an_interrupted_call_counts(self, store: Persistence) -> None:
        def interrupt(work: UnitOfWork) -> RunRecord:
            run = add_run(work)
            work.ai_calls.open([a_call(run, id="a")])
            work.ai_calls.interrupt(["a"])
            return run

        run = await store.transact(interrupt)
        call = a_call(run, id="a", **ENDED[0])
        await store.transact(lambda work: work.ai_calls.close([call]))
        assert await kept(store, "a") == [call]
        assert await added_up(store, run) == (QUARTER, 15)

    async def test_racing_closers_count_it_once(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        call = a_call(run, **ENDED[0])
        start = threading.Barrier(4)

        def close(work: UnitOfWork) -> None:
            work.runs.lock([run.id])
            work.ai_calls.close([call])

        def closer(_: int) -> None:
            start.wait(PATIENCE)
            store.submit(close).result(PATIENCE)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(closer, range(4)))
        assert await added_up(store, run) == (QUARTER, 15)

    async def test_what_was_rolled_back_was_not_called(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))

        def refused(work: UnitOfWork) -> None:
            add_call(work, run, id="a")
            raise Refused

        with pytest.raises(Refused):
            await store.transact(refused)
        assert await kept(store, "a") == []
        assert await added_up(store, run) == (None, 0)

    async def test_nothing_to_do_is_done(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> dict[Any, Any]:
            work.ai_calls.open([])
            work.ai_calls.close([])
            work.ai_calls.interrupt([])
            work.ai_calls.interrupt_attempts([])
            work.ai_calls.interrupt_runs([])
            return work.ai_calls.limits([])

        assert await store.transact(check) == {}

    # --- what they add up to ---

    async def test_what_it_cost_is_added_to_its_run_and_to_its_attempt(self, store: Persistence) -> None:
        def spend(work: UnitOfWork) -> tuple[RunRecord, StageRecord, StageRecord]:
            run, other = add_run(work), add_run(work)
            first = add_stage(work, run, attempt=1)
            untouched = add_stage(work, run, "other", attempt=2)
            work.stages.archive([first])
            second = first._replace(attempt=2)
            work.stages.save([second])
            calls = [a_call(run, **ENDED[0]), *(a_call(run, attempt=2, **one) for one in ENDED)]
            work.ai_calls.close([*calls, a_call(run, stage_id=None, attempt=None, **ENDED[0])])
            work.ai_calls.close([a_call(other, **ENDED[0]), a_call(None, **ENDED[0])])
            return run, second, untouched

        run, stage, untouched = await store.transact(spend)
        assert await added_up(store, run) == (4 * QUARTER, 60)
        rows = await store.transact(lambda work: work.stages.get([stage.id, untouched.id]))
        assert (rows[stage.id].cost, rows[stage.id].tokens) == (2 * QUARTER, 30)
        assert (rows[untouched.id].cost, rows[untouched.id].tokens) == (None, 0)
        (archived,) = await store.read(lambda reads: reads.attempts(run.id))
        assert archived.cost == QUARTER

    async def test_an_unknown_price_is_told_from_none_at_all(self, store: Persistence) -> None:
        def spend(work: UnitOfWork) -> dict[str, str]:
            runs = {name: add_run(work) for name in ("unpriced", "free", "open", "interrupted", "nobody's")}
            add_call(work, runs["unpriced"], cost=None)
            add_call(work, runs["unpriced"], attempt=2)
            add_call(work, runs["unpriced"], cost=None, stage_id=None, attempt=None)
            add_call(work, runs["free"], cost=Decimal(0))
            add_call(work, runs["open"], status="open", cost=None)
            cut_off = add_call(work, runs["interrupted"], status="open", cost=None)
            work.ai_calls.interrupt([cut_off.id])
            add_call(work, None, cost=None)
            return {run.id: name for name, run in runs.items()}

        runs = await store.transact(spend)
        found = await store.read(lambda reads: reads.unpriced_runs(list(runs)))
        assert sorted(runs[one] for one in found) == ["interrupted", "unpriced"]
        attempts = await store.read(lambda reads: {runs[one]: reads.unpriced_attempts(one) for one in runs})
        found_in = {name: found for name, found in attempts.items() if found}
        assert found_in == {"unpriced": {("step", 1)}, "interrupted": {("step", 1)}}

    async def test_what_a_stage_spent_is_of_all_its_attempts(self, store: Persistence) -> None:
        def spend(work: UnitOfWork) -> tuple[RunRecord, list[Decimal]]:
            run = add_run(work)
            stage = add_stage(work, run, attempt=1)
            spent = [work.ai_calls.spent_by_stage(run.id, "step")]
            add_call(work, run)
            spent.append(work.ai_calls.spent_by_stage(run.id, "step"))
            work.stages.archive([stage])
            spent.append(work.ai_calls.spent_by_stage(run.id, "step"))
            work.stages.save([stage._replace(attempt=2)])
            add_call(work, run, attempt=2)
            add_call(work, run, attempt=2, cost=None)
            add_call(work, run, stage_id="other")
            spent.append(work.ai_calls.spent_by_stage(run.id, "step"))
            work.stages.archive([stage._replace(attempt=2)])
            work.stages.delete([stage.id])
            return run, [*spent, work.ai_calls.spent_by_stage(run.id, "step")]

        run, spent = await store.transact(spend)
        assert spent == [0, QUARTER, QUARTER, 2 * QUARTER, 2 * QUARTER]
        assert await store.transact(lambda work: work.ai_calls.spent_by_stage(run.id, "nothing")) == 0

    async def test_what_was_spent_since_is_of_a_workflow_or_of_everybody(self, store: Persistence) -> None:
        def spend(work: UnitOfWork) -> list[Decimal]:
            empty = work.ai_calls.spent_since(OLD, None)
            add_call(work, add_run(work), created_at=NOON)
            add_call(work, add_run(work), created_at=NOON - timedelta(microseconds=1))
            add_call(work, add_run(work, workflow_id="other"))
            add_call(work, add_run(work, workflow_id="other"), cost=None)
            add_call(work, None)
            asked = [(NOON, None), (NOON, "flow"), (OLD, "flow"), (NOON, "other"), (NOON, "FLOW"), (NOON + HOUR, None)]
            return [empty, *(work.ai_calls.spent_since(since, workflow) for since, workflow in asked)]

        assert await store.transact(spend) == [one * QUARTER for one in (0, 3, 1, 2, 1, 0, 0)]

    # --- calls that never end ---

    async def test_calls_are_interrupted_by_id_while_they_are_open(self, store: Persistence) -> None:
        await store.transact(add_open)
        await store.transact(lambda work: work.ai_calls.interrupt(["a", "f", "h", "nothing"]))
        assert await interrupted(store) == "af"

    async def test_calls_of_attempts_are_interrupted(self, store: Persistence) -> None:
        one, other = await store.transact(add_open)
        named = [(one.id, "step", 2), (one.id, "other", 1), (one.id, "other", 2), (other.id, "other", 1)]
        await store.transact(lambda work: work.ai_calls.interrupt_attempts(named))
        assert await interrupted(store) == "bc"

    async def test_calls_of_runs_are_interrupted(self, store: Persistence) -> None:
        one, _ = await store.transact(add_open)
        await store.transact(lambda work: work.ai_calls.interrupt_runs([one.id, "0" * 20]))
        assert await interrupted(store) == "abcd"

    async def test_calls_of_nobody_are_interrupted_once_they_are_old(self, store: Persistence) -> None:
        await store.transact(add_open)
        assert await store.transact(lambda work: work.ai_calls.interrupt_orphans(OLD)) == 0
        assert await store.transact(lambda work: work.ai_calls.interrupt_orphans(NOON)) == 1
        assert await store.transact(lambda work: work.ai_calls.interrupt_orphans(NOON)) == 0
        assert await interrupted(store) == "f"

    # --- what may be spent ---

    async def test_the_last_word_on_a_run_or_stage_holds(self, store: Persistence) -> None:
        def allow(work: UnitOfWork) -> tuple[RunRecord, RunRecord]:
            run, other, third = add_run(work), add_run(work), add_run(work)
            work.ai_calls.allow(run.id, "", Decimal(1))
            work.ai_calls.allow(run.id, "step", None)
            work.ai_calls.allow(run.id, "", Decimal("2.000000005"))
            work.ai_calls.allow(other.id, "", None)
            work.ai_calls.allow(third.id, "", QUARTER)
            return run, other

        run, other = await store.transact(allow)
        expected: dict[tuple[str, str], Decimal | None] = {
            (run.id, ""): Decimal("2.000000005"),
            (run.id, "step"): None,
            (other.id, ""): None,
        }
        assert await store.transact(lambda work: work.ai_calls.limits([run.id, other.id, "0" * 20])) == expected
        found = await store.read(lambda reads: [reads.limits(one) for one in (run.id, other.id, "0" * 20)])
        assert found == [{"": Decimal("2.000000005"), "step": None}, {"": None}, {}]

    async def test_a_situation_tells_what_is_called_and_what_may_be_spent(self, store: Persistence) -> None:
        def call(work: UnitOfWork) -> str:
            run = add_run(work, status=RunStatus.RUNNING, group_no=1)
            add_stage(work, run, status=StageStatus.RUNNING)
            work.ai_calls.open([a_call(run, id="late"), a_call(run, id="early", created_at=OLD)])
            add_call(work, run)
            work.ai_calls.allow(run.id, "step", QUARTER)
            return run.id

        run_id = await store.transact(call)
        found = await store.read(lambda reads: reads.situation(run_id))
        assert found is not None
        assert [one.id for one in found.open_calls] == ["early", "late"]
        assert found.limits == {"step": QUARTER}

    # --- words ---

    async def test_words_are_forgotten_the_oldest_first(self, store: Persistence) -> None:
        words = [{"prompt": "why?"}, {"response": "so"}, {"answer": '"so"'}, {}, {"prompt": "new"}]

        def say(work: UnitOfWork) -> list[AICallRecord]:
            run = add_run(work)
            hours = (3, 1, 2, 4, 0)
            return [
                add_call(work, run, id=name, created_at=NOON - hour * HOUR, **said)
                for name, hour, said in zip("abcde", hours, words, strict=True)
            ]

        async def worded() -> str:
            found = await kept(store, *"abcde")
            return "".join(call.id for call in found if call.prompt or call.response or call.answer)

        calls = await store.transact(say)
        assert await store.transact(lambda work: work.ai_calls.forget_texts(NOON, 2)) == 2
        assert await worded() == "be"
        assert await store.transact(lambda work: work.ai_calls.forget_texts(NOON, 9)) == 1
        assert await store.transact(lambda work: work.ai_calls.forget_texts(NOON, 9)) == 0
        assert await worded() == "e"
        mute = [call._replace(prompt=None, response=None, answer=None) for call in calls]
        assert await kept(store, *"abcd") == mute[:4]
