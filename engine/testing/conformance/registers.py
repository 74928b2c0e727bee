"""What the ports promise of definitions, workers, pauses, the audit log, and blobs kept as rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.model.criteria import PageRequest
from engine.model.records import AuditRecord, DefinitionRecord, PauseRecord, WorkerRecord
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, another, long_ago, soon
from engine.testing.conformance.store import Refused

WORKER = WorkerRecord("w", "host", 1, NOON, NOON, NOON, 8, 0, "{}")
PAUSE = PauseRecord("flow", NOON, "ann", "too dear")
AUDIT = AuditRecord(NOON, "ann", "run.cancel", "r" * 20, "r" * 20, None, None, None)


def put_all(work: UnitOfWork, *keys: str) -> None:
    for key in keys:
        work.blobs.put(key, b"x")


class DefinitionPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_a_definition_is_kept_letter_by_letter(self, store: Persistence) -> None:
        plan = '{"b": 1, "a": "ä\\n"}'
        await store.transact(lambda work: work.definitions.put(DefinitionRecord("flow", "f1", plan, NOON)))
        assert await store.transact(lambda work: work.definitions.get("flow", "f1")) == plan
        assert await store.read(lambda reads: reads.plans([("flow", "f1"), ("flow", "f2")])) == {("flow", "f1"): plan}

    @pytest.mark.parametrize(("workflow_id", "fingerprint"), [("flow", "f2"), ("other", "f1"), ("FLOW", "f1")])
    async def test_another_definition_is_not_there(
        self, store: Persistence, workflow_id: str, fingerprint: str
    ) -> None:
        await store.transact(lambda work: work.definitions.put(DefinitionRecord("flow", "f1", "{}", NOON)))
        assert await store.transact(lambda work: work.definitions.get(workflow_id, fingerprint)) is None

    async def test_the_same_fingerprint_twice_is_the_first(self, store: Persistence) -> None:
        first = DefinitionRecord("flow", "f1", "1", NOON)
        await store.transact(lambda work: work.definitions.put(first))
        await store.transact(lambda work: work.definitions.put(first._replace(plan="2")))
        assert await store.transact(lambda work: work.definitions.get("flow", "f1")) == "1"
        assert len(await store.read(lambda reads: reads.definitions())) == 1

    async def test_whether_a_workflow_was_ever_kept_is_known(self, store: Persistence) -> None:
        assert not await store.transact(lambda work: work.definitions.known("flow"))
        await store.transact(lambda work: work.definitions.put(DefinitionRecord("flow", "f1", "{}", NOON)))
        assert await store.transact(lambda work: work.definitions.known("flow"))
        assert not await store.transact(lambda work: work.definitions.known("flo"))

    async def test_the_newest_of_each_workflow_is_listed_by_id(self, store: Persistence) -> None:
        def put(work: UnitOfWork) -> None:
            for workflow, fingerprint, day in (("b", "old", 1), ("b", "new", 3), ("b", "mid", 2), ("a", "one", 1)):
                work.definitions.put(DefinitionRecord(workflow, fingerprint, "{}", NOON.replace(day=day)))

        await store.transact(put)
        listed = await store.read(lambda reads: reads.definitions())
        assert [(one.workflow_id, one.fingerprint) for one in listed] == [("a", "one"), ("b", "new")]


class WorkerPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("field", WorkerRecord._fields)
    async def test_a_worker_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        worker = WORKER._replace(**{field: another(WorkerRecord, field)})
        await store.transact(lambda work: work.workers.put(worker))
        assert await store.read(lambda reads: reads.workers()) == [worker]

    async def test_a_second_put_refreshes_the_row_and_keeps_its_start(self, store: Persistence) -> None:
        later = NOON + timedelta(minutes=1)
        await store.transact(lambda work: work.workers.put(WORKER))
        fresh = WORKER._replace(started_at=later, last_seen_at=later, alive_until=later, running=3)
        await store.transact(lambda work: work.workers.put(fresh))
        assert await store.read(lambda reads: reads.workers()) == [fresh._replace(started_at=NOON)]

    async def test_who_leaves_is_gone_and_the_others_are_listed_by_id(self, store: Persistence) -> None:
        def register(work: UnitOfWork) -> None:
            for name in ("c", "a", "b"):
                work.workers.put(WORKER._replace(id=name))

        await store.transact(register)
        await store.transact(lambda work: work.workers.leave("a"))
        await store.transact(lambda work: work.workers.leave("nobody"))
        assert [one.id for one in await store.read(lambda reads: reads.workers())] == ["b", "c"]

    async def test_those_long_dead_are_forgotten(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> list[int]:
            work.workers.put(WORKER._replace(id="dead", alive_until=long_ago(work)))
            work.workers.put(WORKER._replace(id="alive", alive_until=soon(work)))
            return [work.workers.forget(work.now), work.workers.forget(work.now)]

        assert await store.transact(check) == [1, 0]
        assert [one.id for one in await store.read(lambda reads: reads.workers())] == ["alive"]


class PausePromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("field", PauseRecord._fields)
    async def test_a_pause_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        pause = PAUSE._replace(**{field: another(PauseRecord, field)})
        await store.transact(lambda work: work.pauses.put(pause))
        assert await store.transact(lambda work: work.pauses.get(pause.workflow_id)) == pause
        assert await store.transact(lambda work: work.pauses.paused()) == {pause.workflow_id}
        assert await store.read(lambda reads: reads.pauses()) == [pause]

    async def test_what_is_not_paused_is_none(self, store: Persistence) -> None:
        assert await store.transact(lambda work: work.pauses.get("flow")) is None
        assert await store.transact(lambda work: work.pauses.paused()) == frozenset()

    async def test_a_second_pause_gives_the_latest_reason_and_keeps_its_beginning(self, store: Persistence) -> None:
        await store.transact(lambda work: work.pauses.put(PAUSE))
        again = PAUSE._replace(paused_at=NOON + timedelta(days=1), actor="bob", reason="still")
        await store.transact(lambda work: work.pauses.put(again))
        assert await store.transact(lambda work: work.pauses.get("flow")) == again._replace(paused_at=NOON)

    async def test_removing_says_whether_it_was_paused(self, store: Persistence) -> None:
        await store.transact(lambda work: work.pauses.put(PAUSE))
        removed = [await store.transact(lambda work: work.pauses.remove("flow")) for _ in range(2)]
        assert removed == [True, False]
        assert await store.transact(lambda work: work.pauses.paused()) == frozenset()

    async def test_a_transaction_sees_its_own_pause(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            assert work.pauses.paused() == frozenset()
            work.pauses.put(PAUSE)
            assert work.pauses.paused() == {"flow"}
            work.pauses.remove("flow")
            assert work.pauses.paused() == frozenset()

        await store.transact(check)

    async def test_the_paused_are_listed_by_id(self, store: Persistence) -> None:
        def pause(work: UnitOfWork) -> None:
            for name in ("c", "a", "b"):
                work.pauses.put(PAUSE._replace(workflow_id=name))

        await store.transact(pause)
        assert [one.workflow_id for one in await store.read(lambda reads: reads.pauses())] == ["a", "b", "c"]


class AuditPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("field", [name for name in AuditRecord._fields if name != "seq"])
    async def test_a_row_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        row = AUDIT._replace(**{field: another(AuditRecord, field)})
        await store.transact(lambda work: work.audit.append([row]))
        (kept,) = (await store.read(lambda reads: reads.audit(PageRequest()))).items
        assert kept == row._replace(seq=kept.seq)

    async def test_rows_are_numbered_as_they_are_written_and_listed_the_newest_first(self, store: Persistence) -> None:
        await store.transact(lambda work: work.audit.append([AUDIT._replace(target=one) for one in "ab"]))
        await store.transact(lambda work: work.audit.append([AUDIT._replace(target="c", created_at=NOON)]))
        await store.transact(lambda work: work.audit.append([]))
        first = await store.read(lambda reads: reads.audit(PageRequest(limit=2)))
        assert [one.target for one in first.items] == ["c", "b"]
        rest = await store.read(lambda reads: reads.audit(PageRequest(limit=2, cursor=first.next_cursor)))
        assert [one.target for one in rest.items] == ["a"]
        assert rest.next_cursor is None

    async def test_what_was_rolled_back_was_not_done(self, store: Persistence) -> None:
        def refused(work: UnitOfWork) -> None:
            work.audit.append([AUDIT])
            raise Refused

        with pytest.raises(Refused):
            await store.transact(refused)
        assert (await store.read(lambda reads: reads.audit(PageRequest()))).items == []

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({"run_id": "one"}, "a"),
            ({"run_id": "on"}, ""),
            ({"actor": "bob"}, "b"),
            ({"actor": "BOB"}, ""),
            ({"command": "run.cancel"}, "ca"),
            ({"command": "run.retryFailed"}, "b"),
            ({"since": NOON}, "c"),
            ({"until": NOON}, "ba"),
            ({"actor": "ann", "until": NOON}, "a"),
        ],
    )
    async def test_rows_are_found_by_what_is_asked(self, store: Persistence, asked: dict[str, Any], found: str) -> None:
        rows = [
            AUDIT._replace(target="a", run_id="one", created_at=NOON - timedelta(hours=2)),
            AUDIT._replace(target="b", actor="bob", command="run.retryFailed", created_at=NOON - timedelta(hours=1)),
            AUDIT._replace(target="c", run_id=None, created_at=NOON),
        ]
        await store.transact(lambda work: work.audit.append(rows))
        listed = await store.read(lambda reads: reads.audit(PageRequest(), **asked))
        assert "".join(one.target for one in listed.items) == found


class BlobRowPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("content", [b"", bytes(range(256)), b"x" * 2_000_000], ids=["empty", "bytes", "large"])
    async def test_what_was_put_is_read_byte_by_byte(self, store: Persistence, content: bytes) -> None:
        await store.transact(lambda work: work.blobs.put("runs/a", content))
        assert await store.read(lambda reads: reads.blob("runs/a")) == content
        assert await store.read(lambda reads: reads.has_blob("runs/a"))

    async def test_the_last_put_wins(self, store: Persistence) -> None:
        await store.transact(lambda work: work.blobs.put("key", b"first"))
        await store.transact(lambda work: work.blobs.put("key", b"2"))
        assert await store.read(lambda reads: reads.blob("key")) == b"2"

    async def test_what_is_not_there_is_none(self, store: Persistence) -> None:
        assert await store.read(lambda reads: (reads.blob("key"), reads.has_blob("key"))) == (None, False)

    async def test_deleting_says_how_many_there_were(self, store: Persistence) -> None:
        await store.transact(lambda work: put_all(work, "a", "b", "c"))
        assert await store.transact(lambda work: work.blobs.delete(["a", "b", "z"])) == 2
        assert await store.transact(lambda work: work.blobs.delete([])) == 0
        assert await store.read(lambda reads: reads.blob_keys("")) == ["c"]

    @pytest.mark.parametrize("prefix", ["", "a", "a/", "a_", "A", "%", "a/b/c"])
    async def test_keys_are_listed_sorted_by_any_prefix(self, store: Persistence, prefix: str) -> None:
        keys = ["a/c", "a/b", "a_b", "axb", "A/b", "b"]
        await store.transact(lambda work: put_all(work, *keys))
        expected = sorted(key for key in keys if key.startswith(prefix))
        assert await store.read(lambda reads: reads.blob_keys(prefix)) == expected

    async def test_a_blob_that_was_rolled_back_is_not_there(self, store: Persistence) -> None:
        def refused(work: UnitOfWork) -> None:
            work.blobs.put("key", b"x")
            raise Refused

        with pytest.raises(Refused):
            await store.transact(refused)
        assert not await store.read(lambda reads: reads.has_blob("key"))
