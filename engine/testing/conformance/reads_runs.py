"""What `engine.ports.reads.ReadStore` promises about runs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import InvalidInput
from engine.model.criteria import PageRequest, RunFilter
from engine.model.ids import new_run_id
from engine.model.read_records import RunRow, Slice
from engine.model.records import AuditRecord, RunRecord, StageRecord
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import (
    NOON,
    add_job,
    add_run,
    add_stage,
    another,
    long_ago,
    soon,
)

RUN_ID = "0123456789abcdefghjk"
OTHER_ID = "0123456789abcdefghjm"
HOUR = timedelta(hours=1)

SORTS: dict[str, list[Any]] = {
    "created_at": [NOON, NOON + HOUR, NOON + 2 * HOUR],
    "updated_at": [NOON, NOON + HOUR, NOON + 2 * HOUR],
    "started_at": [NOON, NOON + HOUR, NOON + 2 * HOUR],
    "completed_at": [NOON, NOON + HOUR, NOON + 2 * HOUR],
    "priority": [1, 5, 9],
    "total_cost": [Decimal("0.1"), Decimal("0.25"), Decimal(3)],
    "total_tokens": [0, 10, 2**40],
    "workflow_id": ["a", "b", "c"],
    "status": [RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.RUNNING],
    "error_code": ["A", "B", "C"],
}
NULLABLE = ["started_at", "completed_at", "total_cost", "error_code"]

MATCHES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"status": ("FAILED",)}, {"status": RunStatus.FAILED}, {"status": RunStatus.COMPLETED}),
    ({"status": ("failed", "RUNNING")}, {"status": RunStatus.RUNNING}, {"status": RunStatus.PENDING}),
    ({"not_status": ("FAILED",)}, {"status": RunStatus.COMPLETED}, {"status": RunStatus.FAILED}),
    ({"workflow_id": ("one",)}, {"workflow_id": "one"}, {"workflow_id": "ONE"}),
    ({"workflow_id": ("one", "two")}, {"workflow_id": "two"}, {"workflow_id": "three"}),
    ({"not_workflow_id": ("one",)}, {"workflow_id": "two"}, {"workflow_id": "one"}),
    ({"since": NOON}, {"created_at": NOON}, {"created_at": NOON - timedelta(microseconds=1)}),
    ({"until": NOON}, {"created_at": NOON - timedelta(microseconds=1)}, {"created_at": NOON}),
    ({"ended_since": NOON}, {"completed_at": NOON}, {"completed_at": NOON - timedelta(microseconds=1)}),
    ({"ended_since": NOON}, {"completed_at": NOON}, {"completed_at": None}),
    ({"text": ("row 1",)}, {"error": "ValueError: ROW 13"}, {"error": "row 2"}),
    ({"text": (RUN_ID[3:9],)}, {}, {}),
    ({"text": ("order-7",)}, {"idempotency_key": "Order-77"}, {"idempotency_key": "order_7"}),
    ({"text": ("50%",)}, {"error": "at 50% of it"}, {"error": "at 500 of it"}),
    ({"text": ("a_b",)}, {"error": "a_b"}, {"error": "axb"}),
    ({"text": ("one", "two")}, {"error": "two and one"}, {"error": "two"}),
    ({"not_text": ("one",)}, {"error": "two"}, {"error": "One"}),
    ({"not_text": ("one",)}, {"error": None}, {"error": "one"}),
    ({"error": ("one", "two")}, {"error": "just TWO"}, {"error": "three", "idempotency_key": "one"}),
    ({"code": ("STUCK_RUN",)}, {"error_code": "STUCK_RUN"}, {"error_code": "STUCK"}),
    ({"fingerprint": ("f1",)}, {"error_fingerprint": "f1"}, {"error_fingerprint": None}),
    ({"key": ("k",)}, {"idempotency_key": "k"}, {"idempotency_key": "k2"}),
    ({"ids": (RUN_ID,)}, {}, {}),
    ({"ids": (RUN_ID.upper(),)}, {}, {}),
    ({"min_cost": Decimal("0.5")}, {"total_cost": Decimal("0.5")}, {"total_cost": Decimal("0.499999999")}),
    ({"min_cost": Decimal("0.5")}, {"total_cost": Decimal(1)}, {"total_cost": None}),
    ({"max_cost": Decimal("0.5")}, {"total_cost": None}, {"total_cost": Decimal("0.6")}),
    (
        {"min_duration": HOUR},
        {"started_at": NOON, "completed_at": NOON + HOUR},
        {"started_at": NOON, "completed_at": NOON + HOUR / 2},
    ),
    (
        {"max_duration": HOUR},
        {"started_at": NOON, "completed_at": NOON + HOUR},
        {"started_at": NOON, "completed_at": NOON + 2 * HOUR},
    ),
    (
        {"status": ("FAILED",), "workflow_id": ("one",)},
        {"status": RunStatus.FAILED, "workflow_id": "one"},
        {"status": RunStatus.FAILED},
    ),
]


async def listed(store: Persistence, criteria: RunFilter, page: PageRequest | None = None) -> list[str]:
    found = await store.read(lambda reads: reads.runs(criteria, page or PageRequest()))
    return [row.id for row in found.items]


async def every_page(store: Persistence, sort: str, limit: int) -> list[str]:
    """The ids of all runs, a page read after the other."""

    async def turn(page: PageRequest) -> Slice[RunRow]:
        return await store.read(lambda reads: reads.runs(RunFilter(), page))

    answer = await turn(PageRequest(sort=sort, limit=limit))
    found = [row.id for row in answer.items]
    while answer.next_cursor is not None:
        answer = await turn(PageRequest(sort=sort, limit=limit, cursor=answer.next_cursor))
        found += [row.id for row in answer.items]
    return found


class RunReadPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize(("criteria", "yes", "no"), MATCHES)
    async def test_a_filter_finds_what_matches_and_only_that(
        self, store: Persistence, criteria: dict[str, Any], yes: dict[str, Any], no: dict[str, Any]
    ) -> None:
        await store.transact(lambda work: add_run(work, RUN_ID, **yes))
        await store.transact(lambda work: add_run(work, OTHER_ID[::-1], **no))
        assert await listed(store, RunFilter(**criteria)) == [RUN_ID]

    async def test_without_a_filter_the_newest_come_first(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[str]:
            runs = [add_run(work, created_at=NOON + HOUR * number) for number in (1, 3, 2)]
            return [runs[1].id, runs[2].id, runs[0].id]

        expected = await store.transact(add)
        assert await listed(store, RunFilter()) == expected

    @pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
    async def test_pages_are_sorted_complete_and_without_repeats(self, store: Persistence, sort: str) -> None:
        name, values = sort.removeprefix("-"), SORTS[sort.removeprefix("-")]

        def add(work: UnitOfWork) -> list[RunRecord]:
            return [add_run(work, **{name: value}) for value in (*values, *values, values[1])]

        runs = await store.transact(add)
        expected = sorted(runs, key=lambda run: (getattr(run, name), run.id), reverse=sort.startswith("-"))
        assert await every_page(store, sort, 2) == [run.id for run in expected]
        assert await every_page(store, sort, 7) == [run.id for run in expected]

    @pytest.mark.parametrize("sort", [*NULLABLE, *(f"-{name}" for name in NULLABLE)])
    async def test_runs_without_the_sort_value_come_last(self, store: Persistence, sort: str) -> None:
        name, values = sort.removeprefix("-"), SORTS[sort.removeprefix("-")]

        def add(work: UnitOfWork) -> tuple[set[str], set[str]]:
            there = {add_run(work, **{name: value}).id for value in values}
            empty: dict[str, Any] = {name: None}
            return there, {add_run(work, **empty).id for _ in range(3)}

        there, without = await store.transact(add)
        found = await every_page(store, sort, 2)
        assert (set(found[:3]), set(found[3:])) == (there, without)
        assert found[3:] == sorted(without, reverse=sort.startswith("-"))

    @pytest.mark.parametrize("sort", ["nothing", "", "-", "id; DROP TABLE runs", "input"])
    async def test_a_wrong_sort_field_is_said(self, store: Persistence, sort: str) -> None:
        with pytest.raises(InvalidInput, match="sort"):
            await listed(store, RunFilter(), PageRequest(sort=sort))

    @pytest.mark.parametrize("cursor", ["x", "", "W10", "bnVsbA", "ä"])
    async def test_a_wrong_cursor_is_said(self, store: Persistence, cursor: str) -> None:
        page = PageRequest(cursor=cursor)
        if cursor:
            with pytest.raises(InvalidInput, match="cursor"):
                await listed(store, RunFilter(), page)
        else:
            assert await listed(store, RunFilter(), page) == []

    @pytest.mark.parametrize(
        ("criteria", "said"),
        [({"status": ("NOTHING",)}, "status"), ({"text": ("x" * 1001,)}, "1000"), ({"error": ("x" * 1001,)}, "1000")],
    )
    async def test_what_can_not_be_asked_is_said(self, store: Persistence, criteria: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidInput, match=said):
            await listed(store, RunFilter(**criteria))

    @pytest.mark.parametrize("hostile", ["' OR 1=1 --", "\\", "%", "_", '"', "\x00", "\ud800", "🙂", ":b_id", "%s"])
    async def test_a_text_is_searched_for_letter_by_letter(self, store: Persistence, hostile: str) -> None:
        await store.transact(lambda work: add_run(work, error="an ordinary error"))
        assert await listed(store, RunFilter(text=(hostile,))) == []
        assert await listed(store, RunFilter(workflow_id=(hostile,))) == []
        assert await listed(store, RunFilter(key=(hostile,))) == []

    @pytest.mark.parametrize(
        ("word", "stage"),
        [
            ("WAITING", {"status": StageStatus.SUSPENDED}),
            ("RETRYING", {"status": StageStatus.PENDING, "retry_at": NOON}),
        ],
    )
    async def test_derived_words_look_at_the_stages(self, store: Persistence, word: str, stage: dict[str, Any]) -> None:
        def add(work: UnitOfWork) -> str:
            run = add_run(work, status=RunStatus.RUNNING)
            add_stage(work, run, **stage)
            add_stage(work, add_run(work, status=RunStatus.RUNNING), status=StageStatus.RUNNING)
            return run.id

        run_id = await store.transact(add)
        assert await listed(store, RunFilter(status=(word,))) == [run_id]

    async def test_runs_are_found_by_the_stage_they_are_at(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> str:
            run, other = add_run(work), add_run(work)
            add_stage(work, run, "step", status=StageStatus.RUNNING)
            add_stage(work, other, "step", status=StageStatus.COMPLETED)
            return run.id

        run_id = await store.transact(add)
        assert await listed(store, RunFilter(stage_id=("step",))) == [run_id]

    async def test_runs_are_found_by_the_bulk_action_that_changed_them(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> str:
            run = add_run(work)
            add_run(work)
            work.audit.append([AuditRecord(NOON, "ann", "run.cancel", run.id, run.id, None, None, None, bulk="b1")])
            return run.id

        run_id = await store.transact(add)
        assert await listed(store, RunFilter(bulk=("b1",))) == [run_id]
        assert await listed(store, RunFilter(bulk=("b2",))) == []

    @pytest.mark.parametrize("ids", [(), ("nosuchid",), (RUN_ID[:4] + "z",)])
    async def test_ids_that_match_nothing_find_nothing(self, store: Persistence, ids: tuple[str, ...]) -> None:
        await store.transact(lambda work: add_run(work, RUN_ID))
        assert await listed(store, RunFilter(ids=ids)) == []

    # --- one run ---

    async def test_a_run_is_read_whole(self, store: Persistence) -> None:
        run = await store.transact(
            lambda work: add_run(work, input_text="[1]", config='{"a":1}', metadata='{"m":1}', output='"o"')
        )
        whole = await store.read(lambda reads: reads.run(run.id))
        assert whole is not None
        assert (whole.input, whole.config, whole.metadata, whole.output) == ("[1]", '{"a":1}', '{"m":1}', '"o"')
        assert whole.row == type(whole.row)(*(getattr(run, name) for name in whole.row._fields))

    async def test_a_run_that_is_not_there(self, store: Persistence) -> None:
        run_id = new_run_id()
        assert await store.read(lambda reads: reads.run(run_id)) is None
        assert await store.read(lambda reads: reads.situation(run_id)) is None
        assert not await store.read(lambda reads: reads.exists(run_id))
        assert await store.read(lambda reads: reads.stages(run_id)) == []

    @pytest.mark.parametrize("prefix", ["0", RUN_ID[:8], RUN_ID[:8].upper(), RUN_ID[:-1], RUN_ID])
    async def test_a_shortened_id_gives_those_that_begin_so_in_order(self, store: Persistence, prefix: str) -> None:
        await store.transact(lambda work: [add_run(work, run_id).id for run_id in (OTHER_ID, RUN_ID, "z" * 20)])
        expected = [one for one in (RUN_ID, OTHER_ID) if one.startswith(prefix.lower())]
        assert await store.read(lambda reads: reads.resolve(prefix, 10)) == expected
        assert await store.read(lambda reads: reads.resolve(prefix, 1)) == expected[:1]

    @pytest.mark.parametrize("prefix", ["", "%", "_", "ä", "x" * 21, "'"])
    async def test_what_is_no_beginning_of_an_id_gives_none(self, store: Persistence, prefix: str) -> None:
        await store.transact(lambda work: add_run(work, RUN_ID))
        assert await store.read(lambda reads: reads.resolve(prefix, 10)) == []

    async def test_the_stages_of_a_run_come_with_their_inputs_in_order(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[tuple[StageRecord, str | None]]:
            run = add_run(work)
            second = add_stage(work, run, "b", group_no=2, input_text="[2]")
            first = add_stage(work, run, "a", group_no=1)
            return [(first, None), (second, "[2]")]

        expected = await store.transact(add)
        assert await store.read(lambda reads: reads.stages(expected[0][0].run_id)) == expected

    async def test_reached_are_the_stages_of_the_group_a_run_is_at(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[str]:
            runs = sorted((add_run(work, group_no=2) for _ in range(2)), key=lambda run: run.id)
            for run in runs:
                for group, number, name in ((2, 2, "y"), (2, 1, "x"), (1, 1, "w")):
                    add_stage(work, run, name, group_no=group, number=number)
            return [run.id for run in runs]

        first, second = await store.transact(add)
        found = await store.read(lambda reads: reads.reached([second, first, new_run_id()]))
        expected = [(first, "x"), (first, "y"), (second, "x"), (second, "y")]
        assert [(row.run_id, row.stage_id) for row in found] == expected
        assert await store.read(lambda reads: reads.reached([])) == []

    async def test_a_situation_tells_what_goes_before(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> tuple[str, str, str]:
            add_run(work, priority=9)
            add_run(work, priority=5, created_at=long_ago(work))
            run = add_run(work, priority=5)
            add_run(work, priority=1)
            add_run(work, priority=9, delayed=True, start_at=soon(work))
            running = add_run(work, status=RunStatus.RUNNING, group_no=1)
            add_stage(work, running)
            add_job(work, running, priority=9)
            job = add_job(work, running, stage_id="other")
            add_job(work, running, status=JobStatus.COMPLETED)
            return run.id, running.id, job.id

        waiting, running, job_id = await store.transact(add)
        first = await store.read(lambda reads: reads.situation(waiting))
        assert first is not None
        assert (first.run.id, dict(first.ahead), first.pause) == (waiting, {waiting: 2}, None)
        second = await store.read(lambda reads: reads.situation(running))
        assert second is not None
        assert [stage.stage_id for stage in second.stages] == ["step"]
        assert len(second.jobs) == 2
        assert second.ahead[job_id] == 1

    @pytest.mark.parametrize("field", ["attempt", "tries", "retry_at", "progress", "next_poll_at", "polls", "error"])
    async def test_a_list_of_stages_shows_their_state(self, store: Persistence, field: str) -> None:
        value = another(StageRecord, field)
        run_id = await store.transact(lambda work: add_stage(work, add_run(work, group_no=1), **{field: value}).run_id)
        (row,) = await store.read(lambda reads: reads.reached([run_id]))
        assert getattr(row, field) == value
