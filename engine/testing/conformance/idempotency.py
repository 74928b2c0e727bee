"""What `engine.ports.idempotency.IdempotencyStore` promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from engine.model.records import KeyRecord
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import add_run, long_ago, soon
from engine.testing.conformance.store import PATIENCE, Refused

COMMAND = "run.create"


def record(work: UnitOfWork, key: str = "key", command: str = COMMAND, **fields: Any) -> KeyRecord:
    """A key whose command is under way."""
    return KeyRecord(key, command, "hash", None, None, work.now)._replace(**fields)


def begin(work: UnitOfWork, key: str = "key", command: str = COMMAND) -> KeyRecord | None:
    return work.keys.begin(record(work, key, command))


class IdempotencyPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_b009_the_first_takes_a_key_and_the_next_sees_its_result(self, store: Persistence) -> None:
        def first(work: UnitOfWork) -> str:
            run = add_run(work)
            assert begin(work) is None
            work.keys.complete("key", COMMAND, '{"run_id": "x"}', run.id)
            return run.id

        run_id = await store.transact(first)
        found = await store.transact(begin)
        assert found is not None
        assert (found.key, found.command_type, found.payload_hash) == ("key", COMMAND, "hash")
        assert (found.result, found.run_id, found.leased_until) == ('{"run_id": "x"}', run_id, None)

    @pytest.mark.parametrize("result", ["null", "{}", '"' + "x" * 100_000 + '"'])
    async def test_results_are_kept_letter_by_letter(self, store: Persistence, result: str) -> None:
        await store.transact(begin)
        await store.transact(lambda work: work.keys.complete("key", COMMAND, result, None))
        found = await store.transact(begin)
        assert found is not None
        assert found.result == result

    @pytest.mark.parametrize(("key", "command"), [("other", COMMAND), ("key", "run.cancel"), ("KEY", COMMAND)])
    async def test_b011_another_key_or_command_is_another_entry(
        self, store: Persistence, key: str, command: str
    ) -> None:
        await store.transact(begin)
        assert await store.transact(lambda work: begin(work, key, command)) is None

    async def test_b012_a_key_under_way_shows_no_result(self, store: Persistence) -> None:
        await store.transact(lambda work: work.keys.begin(record(work, leased_until=soon(work))))
        found = await store.transact(begin)
        assert found is not None
        assert found.result is None
        assert found.leased_until is not None

    async def test_b013_who_raises_leaves_no_key(self, store: Persistence) -> None:
        def refused(work: UnitOfWork) -> None:
            begin(work)
            raise Refused

        with pytest.raises(Refused):
            await store.transact(refused)
        assert await store.transact(begin) is None

    async def test_racing_takers_of_a_key_are_one_and_the_others_see_its_result(self, store: Persistence) -> None:
        start = threading.Barrier(6)

        def take(work: UnitOfWork) -> str | None:
            found = begin(work)
            if found is not None:
                return found.result
            work.keys.complete("key", COMMAND, '"done"', None)
            return "mine"

        def taker(_: int) -> str | None:
            start.wait(PATIENCE)
            return store.submit(take).result(PATIENCE)

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(taker, range(6)))
        assert sorted(map(str, answers)) == ['"done"'] * 5 + ["mine"]

    async def test_b014_a_key_whose_lease_ended_is_taken_over_once(self, store: Persistence) -> None:
        def reclaim(work: UnitOfWork) -> bool:
            return work.keys.reclaim(record(work, leased_until=soon(work), payload_hash="new"), work.now)

        await store.transact(lambda work: work.keys.begin(record(work, leased_until=long_ago(work))))
        assert [await store.transact(reclaim), await store.transact(reclaim)] == [True, False]
        found = await store.transact(begin)
        assert found is not None
        assert found.payload_hash == "new"

    async def test_b016_of_racing_reclaimers_one_wins(self, store: Persistence) -> None:
        await store.transact(lambda work: work.keys.begin(record(work, leased_until=long_ago(work))))
        start = threading.Barrier(4)

        def reclaimer(_: int) -> bool:
            start.wait(PATIENCE)
            return store.submit(lambda work: work.keys.reclaim(record(work, leased_until=soon(work)), work.now)).result(
                PATIENCE
            )

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(reclaimer, range(4))) == [False, False, False, True]

    async def test_b015_a_key_whose_lease_lasts_is_not_taken_over(self, store: Persistence) -> None:
        await store.transact(lambda work: work.keys.begin(record(work, leased_until=soon(work))))
        assert not await store.transact(lambda work: work.keys.reclaim(record(work), work.now))

    async def test_a_key_without_a_lease_is_not_taken_over(self, store: Persistence) -> None:
        await store.transact(begin)
        assert not await store.transact(lambda work: work.keys.reclaim(record(work), soon(work)))

    async def test_b017_a_key_with_a_result_is_never_taken_over(self, store: Persistence) -> None:
        await store.transact(lambda work: work.keys.begin(record(work, leased_until=long_ago(work))))
        await store.transact(lambda work: work.keys.complete("key", COMMAND, "1", None))
        later = timedelta(days=9999)
        assert not await store.transact(lambda work: work.keys.reclaim(record(work), work.now + later))

    async def test_a_key_that_is_not_there_is_not_taken_over(self, store: Persistence) -> None:
        assert not await store.transact(lambda work: work.keys.reclaim(record(work), work.now))

    async def test_a_released_key_is_free_and_a_finished_one_stays(self, store: Persistence) -> None:
        await store.transact(begin)
        await store.transact(lambda work: work.keys.release("key", "run.cancel"))
        assert await store.transact(begin) is not None
        await store.transact(lambda work: work.keys.release("key", COMMAND))
        assert await store.transact(begin) is None
        await store.transact(lambda work: work.keys.complete("key", COMMAND, "1", None))
        await store.transact(lambda work: work.keys.release("key", COMMAND))
        assert await store.transact(begin) is not None
