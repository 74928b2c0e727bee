"""What `engine.ports.reads.ReadStore` promises about what was said and what happened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.errors import InvalidInput
from engine.model.criteria import AnnotationFilter, PageRequest
from engine.model.ids import new_run_id
from engine.model.records import AnnotationRecord, EventRecord, LogRecord
from engine.model.status import LogLevel
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, add_events, add_lines, add_run, another

GRAVER = {"DEBUG": "diwe", "INFO": "iwe", "WARN": "we", "ERROR": "e"}
NOTE = AnnotationRecord("", "key", "1", NOON)
NOTES = [
    NOTE._replace(key="a_x", value="0", actor="ann", attempt=1),
    NOTE._replace(key="a_y", value="1", scope="stage", scope_id="step", created_at=NOON + timedelta(hours=1)),
    NOTE._replace(key="abx", value="2", actor_kind="human", attempt=2, created_at=NOON + timedelta(hours=2)),
]


def add_levels(work: UnitOfWork) -> str:
    """A line of each level, an hour apart."""
    run = add_run(work)
    for number, level in enumerate(LogLevel):
        add_lines(work, run, level.value[0].lower(), level=level, created_at=NOON + timedelta(hours=number))
    return run.id


async def said(store: Persistence, **asked: Any) -> str:
    found = await store.read(lambda reads: reads.logs(PageRequest(), **asked))
    return "".join(line.message for line in found.items)


class HistoryPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    # --- log lines ---

    async def test_the_newest_lines_come_first_page_by_page(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: add_lines(work, run, *"abcde"))
        found, page = "", PageRequest(limit=2)
        for _ in range(3):
            asked = page
            answer = await store.read(lambda reads: reads.logs(asked))  # noqa: B023 - awaited here
            found += "".join(line.message for line in answer.items)
            page = page.model_copy(update={"cursor": answer.next_cursor})
        assert (found, page.cursor) == ("edcba", None)

    @pytest.mark.parametrize("level", LogLevel)
    async def test_a_level_gives_it_and_what_is_graver(self, store: Persistence, level: LogLevel) -> None:
        await store.transact(add_levels)
        assert await said(store, level=level) == GRAVER[level][::-1]

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({"since": NOON + timedelta(hours=2)}, "ew"),
            ({"until": NOON + timedelta(hours=2)}, "id"),
            ({"since": NOON + timedelta(hours=1), "until": NOON + timedelta(hours=2)}, "i"),
            ({"stage_id": "step"}, "ewid"),
            ({"stage_id": "other"}, ""),
            ({"search": "W"}, "w"),
            ({"search": "%"}, ""),
            ({"search": "x"}, ""),
        ],
    )
    async def test_lines_are_found_by_what_is_asked(
        self, store: Persistence, asked: dict[str, Any], found: str
    ) -> None:
        await store.transact(add_levels)
        assert await said(store, **asked) == found

    async def test_lines_of_a_run_are_its_own(self, store: Persistence) -> None:
        mine = await store.transact(add_levels)
        other = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: add_lines(work, other, "x"))
        assert await said(store, run_id=mine) == "ewid"
        assert await said(store, run_id=other.id) == "x"
        assert await said(store, run_id=new_run_id()) == ""

    async def test_fields_of_a_line_are_searched_too(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: add_lines(work, run, "line", fields='{"url":"http://Here"}'))
        assert await said(store, search="http://here") == "line"

    async def test_a_search_that_is_too_long_is_said(self, store: Persistence) -> None:
        with pytest.raises(InvalidInput, match="1000"):
            await said(store, search="x" * 1001)

    @pytest.mark.parametrize("name", ["since", "until"])
    async def test_an_instant_without_a_zone_is_said(self, store: Persistence, name: str) -> None:
        with pytest.raises(InvalidInput, match="zone"):
            await said(store, **{name: NOON.replace(tzinfo=None)})

    async def test_a_tail_goes_on_where_it_stopped(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: add_lines(work, run, *"abcd"))

        async def tail(after: int | None, limit: int, run_id: str | None = None) -> list[LogRecord]:
            return await store.read(lambda reads: reads.tail(run_id, after, limit))

        last = await tail(None, 3)
        assert [line.message for line in last] == ["b", "c", "d"]
        assert await tail(last[-1].seq, 3) == []
        await store.transact(lambda work: add_lines(work, run, "e", "f"))
        assert [line.message for line in await tail(last[-1].seq, 1)] == ["e"]
        assert [line.message for line in await tail(last[-1].seq, 9, run.id)] == ["e", "f"]
        assert await tail(None, 9, new_run_id()) == []

    # --- events ---

    @pytest.mark.parametrize("field", [name for name in EventRecord._fields if name not in ("run_id", "sequence")])
    async def test_an_event_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        def append(work: UnitOfWork) -> EventRecord:
            event = EventRecord("e" * 20, add_run(work).id, 1, "stage:started", "{}", "cause", NOON)
            event = event._replace(**{field: another(EventRecord, field)})
            work.outbox.append([event])
            return event

        event = await store.transact(append)
        found = await store.read(lambda reads: reads.events(event.run_id, PageRequest()))
        assert found.items == [event]

    async def test_events_of_a_run_come_by_sequence_page_by_page(self, store: Persistence) -> None:
        def append(work: UnitOfWork) -> str:
            run = add_run(work)
            add_events(work, run, 3, 1, 2)
            add_events(work, add_run(work), 1)
            return run.id

        run_id = await store.transact(append)
        first = await store.read(lambda reads: reads.events(run_id, PageRequest(limit=2)))
        rest = await store.read(lambda reads: reads.events(run_id, PageRequest(cursor=first.next_cursor)))
        assert [event.sequence for event in (*first.items, *rest.items)] == [1, 2, 3]
        assert rest.next_cursor is None

    async def test_dead_letters_are_those_given_up_and_not_discarded(self, store: Persistence) -> None:
        def give_up(work: UnitOfWork) -> list[EventRecord]:
            one, two, three, _ = add_events(work, add_run(work), 1, 2, 3, 4)
            died = [(one, 1), (two, 3), (three, 2)]
            work.outbox.save([event._replace(dead_at=NOON + timedelta(hours=hour)) for event, hour in died])
            work.outbox.close([three.id], "seen")
            return [two, one]

        expected = await store.transact(give_up)
        ids = [event.id for event in expected]
        found = await store.read(lambda reads: reads.dead_letters(None, PageRequest()))
        assert [event.id for event in found.items] == ids
        of_run = await store.read(lambda reads: reads.dead_letters(expected[0].run_id, PageRequest(limit=1)))
        assert [event.id for event in of_run.items] == ids[:1]
        assert of_run.next_cursor is not None
        assert (await store.read(lambda reads: reads.dead_letters(new_run_id(), PageRequest()))).items == []

    # --- annotations ---

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({}, "012"),
            ({"key": "a_x"}, "0"),
            ({"key": "A_X"}, ""),
            ({"key_prefix": "a_"}, "01"),
            ({"key_prefix": "%"}, ""),
            ({"key_prefix": "A"}, ""),
            ({"scope": "stage"}, "1"),
            ({"scope_id": "step"}, "1"),
            ({"actor": "ann"}, "0"),
            ({"actor_kind": "human"}, "2"),
            ({"attempt": 2}, "2"),
            ({"since": NOON + timedelta(hours=1)}, "12"),
            ({"until": NOON + timedelta(hours=1)}, "01"),
            ({"key_prefix": "a", "attempt": 1}, "0"),
        ],
    )
    async def test_annotations_are_found_by_what_is_asked(
        self, store: Persistence, asked: dict[str, Any], found: str
    ) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: work.logs.annotate([note._replace(run_id=run.id) for note in NOTES]))
        criteria = AnnotationFilter(**asked)
        rows = await store.read(lambda reads: reads.annotations(run.id, PageRequest(), criteria))
        assert "".join(row.record.value for row in rows.items) == found

    @pytest.mark.parametrize(("prefix", "there"), [("a", True), ("a_", True), ("b", False), ("A", False), ("_", False)])
    async def test_whether_any_key_begins_so_is_known(self, store: Persistence, prefix: str, there: bool) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: work.logs.annotate([note._replace(run_id=run.id) for note in NOTES]))
        assert await store.read(lambda reads: reads.has_annotations(run.id, prefix)) == there
