"""What `engine.ports.persistence.Persistence` promises about writing and reading."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest

from engine.errors import StoreUnavailable
from engine.model.ids import new_run_id
from engine.model.status import RunStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import WORKFLOW, add_run

R = TypeVar("R")

PATIENCE = 20
"""Seconds after which something that must happen counts as not happening."""


class Refused(Exception):
    """Raised by a transaction on purpose."""


class Gate:
    """A transaction that stays open until it is told to end: what is submitted meanwhile waits together."""

    def __init__(self, store: Persistence) -> None:
        self.entered = threading.Event()
        self._leave = threading.Event()
        self._future = store.submit(self.hold)

    def hold(self, _: UnitOfWork) -> None:
        self.entered.set()
        assert self._leave.wait(PATIENCE)

    def __enter__(self) -> Gate:
        assert self.entered.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._future.result(PATIENCE)


def submit_together(store: Persistence, *fns: Callable[[UnitOfWork], R]) -> list[Future[R]]:
    """Submitted while the store is busy, so that they wait for it together; all of them have ended."""
    with Gate(store):
        futures = [store.submit(fn) for fn in fns]
    for future in futures:
        future.exception(PATIENCE)
    return futures


def adding(run_id: str) -> Callable[[UnitOfWork], str]:
    """A transaction that adds a run."""
    return lambda work: add_run(work, run_id).id


async def present(store: Persistence, *run_ids: str) -> list[bool]:
    """Which of these runs a reader sees."""
    return await store.read(lambda reads: [reads.exists(run_id) for run_id in run_ids])


class StorePromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_what_was_committed_is_there_for_readers_and_writers(self, store: Persistence) -> None:
        run_id = await store.transact(adding(new_run_id()))
        found = await store.transact(lambda work: work.runs.get(run_id))
        assert found is not None
        assert found.status is RunStatus.PENDING
        assert await present(store, run_id) == [True]

    async def test_one_that_raises_is_rolled_back_alone_and_only_its_caller_hears(self, store: Persistence) -> None:
        before, bad, after = new_run_id(), new_run_id(), new_run_id()

        def refusing(work: UnitOfWork) -> str:
            add_run(work, bad)
            raise Refused

        first, second, third = submit_together(store, adding(before), refusing, adding(after))
        assert (first.result(), third.result()) == (before, after)
        assert isinstance(second.exception(), Refused)
        assert await present(store, before, bad, after) == [True, False, True]

    async def test_a_single_one_that_raises_leaves_nothing(self, store: Persistence) -> None:
        run_id = new_run_id()

        def refusing(work: UnitOfWork) -> None:
            add_run(work, run_id)
            raise Refused

        with pytest.raises(Refused):
            await store.transact(refusing)
        assert await present(store, run_id) == [False]
        assert await store.transact(adding(run_id)) == run_id

    async def test_a_failed_statement_names_the_database_and_spoils_nothing_else(self, store: Persistence) -> None:
        run_id, other = new_run_id(), new_run_id()
        first, twice, third = submit_together(store, adding(run_id), adding(run_id), adding(other))
        assert (first.result(), third.result()) == (run_id, other)
        error = twice.exception()
        assert isinstance(error, StoreUnavailable)
        assert "\n" not in str(error)
        assert await present(store, run_id, other) == [True, True]

    async def test_they_run_in_the_order_they_came(self, store: Persistence) -> None:
        seen: list[int] = []
        submit_together(store, *(lambda _, number=number: seen.append(number) for number in range(50)))
        assert seen == list(range(50))

    async def test_an_urgent_one_goes_before_those_that_wait(self, store: Persistence) -> None:
        seen: list[str] = []
        with Gate(store):
            ordinary = store.submit(lambda _: seen.append("ordinary"))
            urgent = store.submit(lambda _: seen.append("urgent"), urgent=True)
        ordinary.result(PATIENCE)
        urgent.result(PATIENCE)
        assert seen == ["urgent", "ordinary"]

    async def test_b182_b183_a_run_saved_from_an_old_version_is_refused(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: work.runs.save([run._replace(hand_offs=1)]))
        with pytest.raises(RuntimeError, match="changed"):
            await store.transact(lambda work: work.runs.save([run._replace(hand_offs=2)]))
        stored = await store.transact(lambda work: work.runs.get(run.id))
        assert stored is not None
        assert (stored.hand_offs, stored.version) == (1, 2)

    async def test_any_thread_and_any_loop_may_use_it(self, store: Persistence) -> None:
        async def user() -> list[str]:
            run_ids = [await store.transact(adding(new_run_id())) for _ in range(10)]
            assert all(await present(store, *run_ids))
            return run_ids

        with ThreadPoolExecutor(8) as pool:
            loops = [asyncio.get_running_loop().run_in_executor(pool, asyncio.run, user()) for _ in range(8)]
            made = [run_id for one in await asyncio.gather(*loops) for run_id in one]
        assert len(set(made)) == 80
        assert all(await present(store, *made))

    async def test_cancelling_the_awaiter_does_not_cancel_the_transaction(self, store: Persistence) -> None:
        run_id = new_run_id()
        with Gate(store):
            waiting = asyncio.create_task(store.transact(adding(run_id)))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await store.transact(lambda work: work.runs.get(run_id)) is not None

    async def test_close_ends_what_was_submitted_and_refuses_the_rest(self, store: Persistence) -> None:
        futures = [store.submit(adding(new_run_id())) for _ in range(20)]
        await store.close()
        assert all(future.done() and future.exception() is None for future in futures)
        with pytest.raises(StoreUnavailable):
            store.submit(adding(new_run_id()))
        with pytest.raises(StoreUnavailable):
            await store.transact(adding(new_run_id()))
        with pytest.raises(StoreUnavailable):
            await present(store, new_run_id())
        await store.close()

    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_the_rollup_counts_what_is_there(self, store: Persistence, seed: int) -> None:
        draw = random.Random(seed)  # noqa: S311
        statuses = list(RunStatus)
        run_ids: list[str] = []

        def step(work: UnitOfWork) -> str:
            """Some runs change in one transaction; now and then it comes to nothing."""
            created = new_run_id()
            add_run(work, created, workflow_id=draw.choice(["flow", "other"]))
            for run in work.runs.lock(draw.sample(run_ids, min(3, len(run_ids)))).values():
                status = draw.choice(statuses)
                work.runs.save([run._replace(status=status)])
                work.runs.add_counts({(run.workflow_id, run.status): -1})
                work.runs.add_counts({(run.workflow_id, status): 1})
            if draw.random() < 0.2:
                raise Refused
            return created

        for _ in range(15):
            futures = submit_together(store, *[step] * 4)
            run_ids += [future.result() for future in futures if future.exception() is None]

        def truth(work: UnitOfWork) -> Counter[tuple[str, str]]:
            return Counter((run.workflow_id, run.status) for run in work.runs.lock(run_ids).values())

        expected = await store.transact(truth)
        rollup = await store.read(lambda reads: reads.counts())
        assert {(one.workflow_id, one.status): one.count for one in rollup if one.count} == dict(expected)

    async def test_pending_runs_are_claimed_by_priority_then_age(self, store: Persistence) -> None:
        def prepare(work: UnitOfWork) -> list[str]:
            old, new = work.now.replace(year=2000), work.now.replace(year=2001)
            runs = [
                add_run(work, priority=1, created_at=old),
                add_run(work, priority=9, created_at=new),
                add_run(work, priority=9, created_at=old),
                add_run(work, priority=10, delayed=True, start_at=work.now.replace(year=2999)),
                add_run(work, priority=10, workflow_id="unknown"),
                add_run(work, priority=10, status=RunStatus.COMPLETED),
            ]
            return [run.id for run in runs]

        low, young, old, *_ = await store.transact(prepare)
        claimed = await store.transact(lambda work: [run.id for run in work.runs.claim_pending([WORKFLOW], 10)])
        assert claimed == [old, young, low]
        two = await store.transact(lambda work: [run.id for run in work.runs.claim_pending([WORKFLOW], 2)])
        assert two == [old, young]
        assert await store.transact(lambda work: work.runs.pending_priorities([WORKFLOW], 10)) == [9, 9, 1]

    async def test_a_delayed_run_becomes_claimable_when_its_time_has_come(self, store: Persistence) -> None:
        def prepare(work: UnitOfWork) -> list[str]:
            due = add_run(work, delayed=True, start_at=work.now)
            later = add_run(work, delayed=True, start_at=work.now.replace(year=2999))
            return [due.id, later.id]

        due, _ = await store.transact(prepare)
        assert await store.transact(lambda work: work.runs.claim_pending([WORKFLOW], 10)) == []
        assert await store.transact(lambda work: work.runs.promote_delayed()) == 1
        assert await store.transact(lambda work: [run.id for run in work.runs.claim_pending([WORKFLOW], 10)]) == [due]
