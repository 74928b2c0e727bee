"""What `engine.ports.logs.LogStore` promises."""

from __future__ import annotations

from functools import partial

import pytest

from engine.model.criteria import AnnotationFilter, PageRequest
from engine.model.records import AnnotationRecord, LogRecord, RunRecord
from engine.model.status import LogLevel, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, add_lines, add_run, add_stage, another

NOT_RUNNING = [status for status in StageStatus if status is not StageStatus.RUNNING]


async def lines(store: Persistence, run_id: str) -> list[LogRecord]:
    return await store.read(lambda reads: reads.tail(run_id, None, 100))


async def noted(store: Persistence, run_id: str) -> list[AnnotationRecord]:
    found = await store.read(lambda reads: reads.annotations(run_id, PageRequest(), AnnotationFilter()))
    return [row.record for row in found.items]


def add_pair(work: UnitOfWork, run: RunRecord, number: int) -> None:
    add_lines(work, run, f"{number}a", f"{number}b")


class LogPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("level", LogLevel)
    async def test_lines_of_every_level_are_kept(self, store: Persistence, level: LogLevel) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: add_lines(work, run, "said", level=level))
        assert [line.level for line in await lines(store, run.id)] == [level]

    @pytest.mark.parametrize("field", ["stage_id", "attempt", "level", "message", "fields", "created_at"])
    async def test_a_line_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        value = another(LogRecord, field)
        run = await store.transact(lambda work: add_run(work))
        line = LogRecord(run.id, None, None, LogLevel.DEBUG, "m", "{}", NOON.replace(year=2000))._replace(
            **{field: value}
        )
        await store.transact(lambda work: work.logs.append([line]))
        (kept,) = await lines(store, run.id)
        assert kept == line._replace(seq=kept.seq)

    async def test_lines_are_numbered_as_they_are_written(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        for number in range(5):
            await store.transact(partial(add_pair, run=run, number=number))
        await store.transact(lambda work: work.logs.append([]))
        found = await lines(store, run.id)
        assert [line.message for line in found] == [f"{n}{half}" for n in range(5) for half in "ab"]
        numbers = [line.seq for line in found]
        assert numbers == sorted(set(numbers))

    async def test_progress_is_written_while_its_attempt_runs(self, store: Persistence) -> None:
        def say(work: UnitOfWork) -> None:
            stage = add_stage(work, add_run(work), status=StageStatus.RUNNING, attempt=2)
            work.logs.progress([(stage.id, 2, 0.25, "a quarter"), (stage.id, 1, 0.9, "a ghost")])
            work.logs.progress([])
            found = work.stages.get([stage.id])[stage.id]
            assert (found.progress, found.progress_message) == (0.25, "a quarter")
            work.logs.progress([(stage.id, 2, 1.0, "all")])
            assert work.stages.get([stage.id])[stage.id].progress == 1.0

        await store.transact(say)

    @pytest.mark.parametrize("status", NOT_RUNNING)
    async def test_progress_of_what_does_not_run_is_dropped(self, store: Persistence, status: StageStatus) -> None:
        def say(work: UnitOfWork) -> None:
            stage = add_stage(work, add_run(work), status=status, attempt=1)
            work.logs.progress([(stage.id, 1, 0.5, "half")])
            assert work.stages.get([stage.id])[stage.id] == stage

        await store.transact(say)

    @pytest.mark.parametrize("field", [name for name in AnnotationRecord._fields if name != "run_id"])
    async def test_an_annotation_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        run = await store.transact(lambda work: add_run(work))
        note = AnnotationRecord(run.id, "key", "1", NOON)._replace(**{field: another(AnnotationRecord, field)})
        assert await store.transact(lambda work: work.logs.annotate([note])) == 1
        assert await noted(store, run.id) == [note]

    async def test_b168_with_an_idempotency_key_an_annotation_is_written_once(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        note = AnnotationRecord(run.id, "key", "1", NOON, idempotency_key="once")
        assert await store.transact(lambda work: work.logs.annotate([note, note._replace(key="other")])) == 2
        again = [note._replace(value="2"), note._replace(idempotency_key="twice")]
        assert await store.transact(lambda work: work.logs.annotate(again)) == 1
        assert [one.value for one in await noted(store, run.id)] == ["1", "1", "1"]

    async def test_b169_without_one_every_annotation_is_kept_in_order(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        notes = [AnnotationRecord(run.id, "key", str(number), NOON) for number in range(3)]
        assert await store.transact(lambda work: work.logs.annotate(notes)) == 3
        assert await store.transact(lambda work: work.logs.annotate([])) == 0
        assert await noted(store, run.id) == notes
