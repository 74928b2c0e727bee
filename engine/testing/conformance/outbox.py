"""What `engine.ports.outbox.Outbox` promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from engine.errors import StoreUnavailable
from engine.model.records import EventRecord, SinkDeliveryRecord, SinkRecord
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import add_events, add_run, another, long_ago, soon
from engine.testing.conformance.store import PATIENCE

TOKEN = "flusher"  # noqa: S105 - of a claim
OTHER = "another"


def add_run_with_events(work: UnitOfWork, events: int = 2) -> str:
    run = add_run(work)
    add_events(work, run, *range(1, events + 1))
    return run.id


def claim(work: UnitOfWork, limit: int = 10, token: str = TOKEN) -> list[str]:
    """Take runs to deliver for an hour."""
    return work.outbox.claim_runs(token, soon(work), limit)


def deliver(work: UnitOfWork, run_id: str, limit: int = 100) -> list[int]:
    """Mark events as published; their sequences."""
    events = work.outbox.undelivered(run_id, limit)
    work.outbox.save([event._replace(published_at=work.now) for event in events])
    return [event.sequence for event in events]


def kill(work: UnitOfWork, events: list[EventRecord]) -> None:
    """Give these events up, each a moment after the one before."""
    dead_at = [work.now + timedelta(microseconds=number) for number in range(len(events))]
    work.outbox.save([event._replace(dead_at=at, last_error="no") for event, at in zip(events, dead_at, strict=True)])


class OutboxPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_a_run_is_delivered_by_one_at_a_time_in_sequence(self, store: Persistence) -> None:
        def append_out_of_order(work: UnitOfWork) -> str:
            run = add_run(work)
            add_events(work, run, 2, 3)
            add_events(work, run, 1)
            return run.id

        run_id = await store.transact(append_out_of_order)
        assert await store.transact(claim) == [run_id]
        assert await store.transact(lambda work: claim(work, token=OTHER)) == []
        assert await store.transact(lambda work: deliver(work, run_id, 2)) == [1, 2]
        assert await store.transact(lambda work: work.outbox.release_run(run_id, TOKEN, None))
        assert await store.transact(lambda work: claim(work, token=OTHER)) == [run_id]
        assert await store.transact(lambda work: deliver(work, run_id)) == [3]
        assert await store.transact(lambda work: work.outbox.release_run(run_id, OTHER, None))
        assert await store.transact(claim) == []

    async def test_a_claim_that_ran_out_is_open_to_all_and_its_holder_has_lost_it(self, store: Persistence) -> None:
        run_id = await store.transact(add_run_with_events)
        await store.transact(lambda work: work.outbox.claim_runs(TOKEN, long_ago(work), 10))
        assert await store.transact(lambda work: claim(work, token=OTHER)) == [run_id]
        assert not await store.transact(lambda work: work.outbox.release_run(run_id, TOKEN, None))
        assert await store.transact(claim) == []

    async def test_the_oldest_comes_first_and_one_that_waits_starves_nobody(self, store: Persistence) -> None:
        first = await store.transact(add_run_with_events)
        second = await store.transact(add_run_with_events)
        assert await store.transact(lambda work: claim(work, 1)) == [first]
        assert await store.transact(lambda work: work.outbox.release_run(first, TOKEN, soon(work)))
        assert await store.transact(lambda work: claim(work, 1)) == [second]
        await store.transact(lambda work: work.outbox.release_run(second, TOKEN, None))
        await store.transact(lambda work: work.outbox.wake([first]))
        assert sorted(await store.transact(claim)) == sorted([first, second])

    async def test_an_event_that_comes_during_a_backoff_does_not_end_it(self, store: Persistence) -> None:
        run_id = await store.transact(add_run_with_events)
        await store.transact(claim)
        await store.transact(lambda work: work.outbox.release_run(run_id, TOKEN, soon(work)))

        def another(work: UnitOfWork) -> None:
            run = work.runs.get(run_id)
            assert run is not None
            add_events(work, run, 3)

        await store.transact(another)
        assert await store.transact(claim) == []
        assert await store.transact(lambda work: work.next_upkeep_due([], events=False)) is None
        assert await store.transact(lambda work: work.next_upkeep_due([], events=True)) is not None

    async def test_an_event_that_comes_during_a_delivery_is_delivered_next(self, store: Persistence) -> None:
        run_id = await store.transact(lambda work: add_run_with_events(work, 1))
        await store.transact(claim)
        await store.transact(lambda work: deliver(work, run_id))

        def another(work: UnitOfWork) -> None:
            run = work.runs.get(run_id)
            assert run is not None
            add_events(work, run, 2)

        await store.transact(another)
        assert await store.transact(lambda work: work.outbox.release_run(run_id, TOKEN, None))
        assert await store.transact(claim) == [run_id]
        assert await store.transact(lambda work: deliver(work, run_id)) == [2]

    async def test_dead_letters_are_out_of_the_way_and_listed_oldest_first(self, store: Persistence) -> None:
        run_id = await store.transact(lambda work: add_run_with_events(work, 3))
        other_id = await store.transact(lambda work: add_run_with_events(work, 1))

        def give_up(work: UnitOfWork) -> None:
            events = work.outbox.undelivered(run_id, 10)
            others = work.outbox.undelivered(other_id, 10)
            kill(work, [others[0], events[2], events[0]])
            left = work.outbox.undelivered(run_id, 10)
            assert [event.sequence for event in left] == [2]
            dead = [others[0].id, events[2].id, events[0].id]
            assert [event.id for event in work.outbox.dead(10, None, None)] == dead
            assert [event.id for event in work.outbox.dead(2, None, None)] == dead[:2]
            assert [event.id for event in work.outbox.dead(10, None, run_id)] == dead[1:]
            named = work.outbox.dead(10, [events[0].id, events[1].id], None)
            assert [(event.id, event.last_error) for event in named] == [(events[0].id, "no")]

        await store.transact(give_up)

    async def test_only_what_is_dead_is_discarded_and_only_once(self, store: Persistence) -> None:
        run_id = await store.transact(lambda work: add_run_with_events(work, 2))

        def discard(work: UnitOfWork) -> list[int]:
            first, second = work.outbox.undelivered(run_id, 10)
            kill(work, [first])
            ids = [first.id, second.id, "0" * 20]
            return [
                work.outbox.close(ids, "seen"),
                work.outbox.close(ids, "again"),
                len(work.outbox.dead(9, None, None)),
            ]

        assert await store.transact(discard) == [1, 0, 0]
        assert await store.transact(lambda work: deliver(work, run_id)) == [2]

    async def test_saving_writes_what_delivery_did_and_nothing_else(self, store: Persistence) -> None:
        def deliver_one(work: UnitOfWork) -> tuple[EventRecord, EventRecord]:
            (event,) = add_events(work, add_run(work), 1)
            done = event._replace(
                retry_count=2, next_attempt_at=soon(work), last_error="no", sink="hook", fingerprint="f1"
            )
            work.outbox.save([done._replace(payload="changed", type="changed", causation_id="changed")])
            work.outbox.save([])
            return done, work.outbox.undelivered(event.run_id, 1)[0]

        expected, found = await store.transact(deliver_one)
        assert found == expected

    async def test_only_so_many_undelivered_are_given(self, store: Persistence) -> None:
        run_id = await store.transact(lambda work: add_run_with_events(work, 5))
        assert await store.transact(lambda work: deliver(work, run_id, 2)) == [1, 2]
        assert await store.transact(lambda work: deliver(work, run_id, 9)) == [3, 4, 5]

    async def test_racing_flushers_get_each_run_once(self, store: Persistence) -> None:
        made = await store.transact(lambda work: [add_run_with_events(work, 1) for _ in range(40)])
        start = threading.Barrier(4)

        def flusher(number: int) -> list[str]:
            mine: list[str] = []
            start.wait(PATIENCE)
            while got := store.submit(lambda work: claim(work, 3, f"t{number}")).result(PATIENCE):
                mine += got
            return mine

        with ThreadPoolExecutor(4) as threads:
            taken = [run_id for mine in threads.map(flusher, range(4)) for run_id in mine]
        assert sorted(taken) == sorted(made)

    async def test_a_sequence_is_given_once_in_a_run(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: add_events(work, run, 1))
        with pytest.raises(StoreUnavailable):
            await store.transact(lambda work: add_events(work, run, 1))
        await store.transact(lambda work: work.outbox.append([]))

    async def test_a_run_that_is_delivered_now_is_not_woken(self, store: Persistence) -> None:
        run_id = await store.transact(add_run_with_events)
        await store.transact(claim)
        await store.transact(lambda work: work.outbox.wake([run_id]))
        await store.transact(lambda work: work.outbox.wake([]))
        assert await store.transact(lambda work: claim(work, token=OTHER)) == []

    # --- several sinks ---

    @pytest.mark.parametrize("field", [name for name in SinkDeliveryRecord._fields if name not in ("event_id", "sink")])
    async def test_a_state_is_kept_with_every_field_and_replaced(self, store: Persistence, field: str) -> None:
        def check(work: UnitOfWork) -> None:
            (event,) = add_events(work, add_run(work), 1)
            plain = SinkDeliveryRecord(event.id, "hook")
            state = plain._replace(**{field: another(SinkDeliveryRecord, field)})
            work.outbox.save_states([plain, plain._replace(sink="log")], [])
            work.outbox.save_states([state], [])
            assert sorted(work.outbox.states([event.id, "0" * 20]), key=lambda one: one.sink) == [
                state,
                plain._replace(sink="log"),
            ]

        await store.transact(check)

    async def test_states_of_events_that_are_done_are_forgotten(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            one, other = add_events(work, add_run(work), 1, 2)
            states = [SinkDeliveryRecord(event.id, "hook") for event in (one, other)]
            work.outbox.save_states(states, [])
            work.outbox.save_states([], [one.id])
            assert work.outbox.states([one.id, other.id]) == states[1:]
            assert work.outbox.states([]) == []

        await store.transact(check)

    async def test_sinks_that_gave_up_get_an_event_again_and_the_others_do_not(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            (event,) = add_events(work, add_run(work), 1)
            took = SinkDeliveryRecord(event.id, "took", published_at=work.now)
            work.outbox.save_states([took, SinkDeliveryRecord(event.id, "gave up", dead_at=work.now)], [])
            work.outbox.forget_failures([event.id])
            assert work.outbox.states([event.id]) == [took]

        await store.transact(check)

    async def test_a_sink_is_noted_and_when_it_was_well_is_remembered(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            work.outbox.note_sinks([SinkRecord("hook", "there", work.now)])
            work.outbox.note_sinks([SinkRecord("hook", "there", None, work.now, "refused")])
            work.outbox.note_sinks([])

        await store.transact(check)
        (found,) = await store.read(lambda reads: reads.sinks())
        assert found.sink.ok_at is not None
        assert (found.sink.target, found.sink.last_error) == ("there", "refused")
