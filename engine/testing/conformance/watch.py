"""What `engine.ports.persistence.Watch` promises: no commit goes unnoticed."""

from __future__ import annotations

import asyncio
import threading

from engine.ports.persistence import Persistence, Watch
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import add_run
from engine.testing.conformance.store import PATIENCE, Refused


def announcing(work: UnitOfWork) -> None:
    add_run(work)
    work.announce()


async def quiet(watch: Watch) -> None:
    """Until the watch has nothing more to tell."""
    while await watch.wait(0.1):
        pass


class WatchPromises:
    """Needs the fixture `store`: an empty `Persistence`. `exact`: it never wakes for nothing."""

    exact = True

    async def test_a_commit_between_the_look_and_the_wait_is_not_missed(self, store: Persistence) -> None:
        watch = store.watch()
        await quiet(watch)
        for _ in range(5):
            await store.transact(announcing)
            assert await watch.wait(PATIENCE)
            await quiet(watch)
        watch.close()

    async def test_several_commits_may_be_one_wake_up_and_then_it_is_quiet(self, store: Persistence) -> None:
        watch = store.watch()
        for _ in range(5):
            await store.transact(announcing)
        assert await watch.wait(PATIENCE)
        await quiet(watch)
        assert not await watch.wait(0)
        watch.close()

    async def test_a_commit_wakes_who_waits_already_and_everybody(self, store: Persistence) -> None:
        watches = [store.watch() for _ in range(3)]
        for watch in watches:
            await quiet(watch)
        waits = [asyncio.create_task(watch.wait(PATIENCE)) for watch in watches]
        await asyncio.sleep(0)
        await store.transact(announcing)
        assert await asyncio.gather(*waits) == [True, True, True]
        for watch in watches:
            watch.close()

    async def test_what_is_rolled_back_wakes_nobody(self, store: Persistence) -> None:
        watch = store.watch()
        await quiet(watch)

        def refused(work: UnitOfWork) -> None:
            announcing(work)
            raise Refused

        await asyncio.gather(store.transact(refused), return_exceptions=True)
        assert not (await watch.wait(0.1) and self.exact)
        watch.close()

    async def test_any_thread_may_end_the_wait(self, store: Persistence) -> None:
        watch = store.watch()
        await quiet(watch)
        waiting = asyncio.create_task(watch.wait(PATIENCE))
        thread = threading.Thread(target=watch.wake)
        thread.start()
        assert await waiting
        thread.join()
        watch.close()

    async def test_a_loop_that_ended_without_closing_its_watch_harms_nobody(self, store: Persistence) -> None:
        async def leave_a_watch() -> None:
            store.watch()

        await asyncio.to_thread(lambda: asyncio.run(leave_a_watch()))
        watch = store.watch()
        await quiet(watch)
        await store.transact(announcing)
        assert await watch.wait(PATIENCE)
        watch.close()
