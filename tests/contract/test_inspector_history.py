"""Log lines and their tail, events, dead letters, annotations."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from inspected_store import NOW, InspectedStore, ago

from engine.errors import InvalidInput
from engine.inspector import Delivery, LogLevel, Page, PageRequest
from engine.stores.sql import reads_history


@pytest.fixture
def store(url: str) -> InspectedStore:
    return InspectedStore(url)


async def messages(store: InspectedStore, run_id: str | None = None, **asked: Any) -> list[str]:
    return [line.message for line in (await store.inspector.logs(run_id, **asked)).items]


async def turned(ask: Callable[[PageRequest], Awaitable[Page[Any]]], limit: int, **page: Any) -> list[Any]:
    """All items, page by page."""
    found: list[Any] = []
    asked = PageRequest(limit=limit, **page)
    while True:
        answer = await ask(asked)
        found += answer.items
        if answer.next_cursor is None:
            return found
        asked = asked.model_copy(update={"cursor": answer.next_cursor})


async def test_logs_newest_first_or_in_order_by_pages(store: InspectedStore) -> None:
    run, other = store.run(), store.run()
    store.log(run, *(f"m{index}" for index in range(10)))
    store.log(other, "other")
    expected = [f"m{index}" for index in range(10)]
    newest = await turned(lambda page: store.inspector.logs(run.id, page=page), 3)
    oldest = await turned(lambda page: store.inspector.logs(run.id, page=page), 3, sort="created_at")
    assert [line.message for line in newest] == expected[::-1]
    assert [line.message for line in oldest] == expected
    assert (await messages(store))[0] == "other"
    line = oldest[0]
    assert (line.run_id, line.stage_id, line.attempt, line.level) == (run.id, "extract", 1, LogLevel.INFO)


@pytest.mark.parametrize("looked_at", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_a_page_looks_through_so_many_lines_and_the_next_goes_on_there(
    store: InspectedStore, monkeypatch: pytest.MonkeyPatch, looked_at: int, sort: str, limit: int
) -> None:
    monkeypatch.setattr(reads_history, "MOST_LOOKED_AT", looked_at)
    run = store.run()
    store.log(run, *(f"{'odd' if index % 2 else 'even'} {index}" for index in range(6)), "rest", "rest")

    async def found(search: str) -> list[str]:
        lines = await turned(lambda page: store.inspector.logs(search=search, page=page), limit, sort=sort)
        return [line.message for line in lines]

    odd = ["odd 1", "odd 3", "odd 5"]
    assert await found("odd") == (odd if sort == "created_at" else odd[::-1])
    assert await found("nowhere") == []
    assert len(await found("e")) == 5
    if looked_at == 2:
        page = await store.inspector.logs(search="odd", page=PageRequest())
        assert (list(page.items), page.next_cursor is None) == ([], False)


async def test_log_filters(store: InspectedStore) -> None:
    run = store.run()
    store.log(run, "debug", level=LogLevel.DEBUG)
    store.log(run, "warn", level=LogLevel.WARN, stage_id="left", created_at=ago(10))
    store.log(run, "error", level=LogLevel.ERROR, fields='{"code":"E\\"7"}', created_at=ago(5))
    assert await messages(store, run.id, level="warn") == ["error", "warn"]
    assert await messages(store, run.id, level=LogLevel.DEBUG) == ["error", "warn", "debug"]
    assert await messages(store, run.id, stage_id="left") == ["warn"]
    assert await messages(store, since=ago(10)) == ["error", "warn"]
    assert await messages(store, until=ago(10)) == ["debug"]
    assert await messages(store, search='e"7') == ["error"]
    assert await messages(store, search="WARN") == ["warn"]
    with pytest.raises(InvalidInput, match="LOUD"):
        await store.inspector.logs(level="LOUD")


@pytest.mark.parametrize("hostile", ["50%", "a_b", "c\\d", "it's", "/", "\x1b[31m", "[bold]"])
async def test_log_search_is_literal(store: InspectedStore, hostile: str) -> None:
    run = store.run()
    store.log(run, f"x{hostile}y", "50x aXb cd its bold")
    assert await messages(store, run.id, search=hostile) == [f"x{hostile}y"]
    assert await messages(store, search="\x00") == []
    assert await messages(store, search="\ud800") == []


async def test_tail_begins_at_the_end_and_then_misses_nothing(store: InspectedStore) -> None:
    run, other = store.run(), store.run()
    empty = await store.inspector.tail_logs(run.id)
    assert list(empty.items) == []
    store.log(run, *(f"m{index}" for index in range(10)))
    store.log(other, "other")
    after_empty = await store.inspector.tail_logs(run.id, after=empty.next_cursor)
    assert len(after_empty.items) == 10
    last = await store.inspector.tail_logs(run.id, limit=3)
    assert [line.message for line in last.items] == ["m7", "m8", "m9"]
    again = await store.inspector.tail_logs(run.id, after=last.next_cursor)
    assert (list(again.items), again.next_cursor) == ([], last.next_cursor)
    store.log(run, *(f"n{index}" for index in range(5)))
    seen = []
    cursor = again.next_cursor
    for _ in range(3):
        page = await store.inspector.tail_logs(run.id, after=cursor, limit=2)
        seen += [line.message for line in page.items]
        cursor = page.next_cursor
    assert seen == [f"n{index}" for index in range(5)]
    everything = await store.inspector.tail_logs(limit=6)
    assert [line.message for line in everything.items] == ["other", *seen]
    assert everything.next_cursor == everything.items[-1].id


@pytest.mark.parametrize("after", ["", "x", "-1", "1.5", "9" * 40, "٣"])
async def test_a_wrong_line_id_is_invalid(store: InspectedStore, after: str) -> None:
    with pytest.raises(InvalidInput):
        await store.inspector.tail_logs(after=after)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_tails_and_histories_are_served_by_an_index(store: InspectedStore) -> None:
    run = store.run()
    store.log(run, *(f"m{index}" for index in range(50)))
    store.event(run, 1)
    asks = (
        lambda: store.inspector.tail_logs(limit=5),
        lambda: store.inspector.tail_logs(after="7", limit=5),
        lambda: store.inspector.tail_logs(run.id, limit=5),
        lambda: store.inspector.tail_logs(run.id, after="7", limit=5),
        lambda: store.inspector.logs(run.id, page=PageRequest(limit=5)),
        lambda: store.inspector.events(run.id),
    )
    for ask in asks:
        await ask()
        plan = store.plans()[0]
        assert "TEMP B-TREE" not in plan, plan
        # A scan by primary key, backwards until the limit, is how SQLite reads the last five.
        assert "SEARCH" in plan or plan == "SCAN workflow_logs", plan


async def test_events_in_order_with_their_delivery(store: InspectedStore) -> None:
    run = store.run()
    store.event(run, 2, published_at=NOW)
    store.event(run, 1, payload='{"stage_id":"extract"}')
    store.event(run, 4, dead_at=NOW, discarded_at=NOW)
    store.event(run, 3, dead_at=NOW, last_error="E: no", retry_count=3, sink="hook")
    store.event(store.run(), 1)
    found = await turned(lambda page: store.inspector.events(run.id, page), 3)
    assert [(event.sequence, event.delivery) for event in found] == [
        (1, Delivery.PENDING),
        (2, Delivery.DELIVERED),
        (3, Delivery.DEAD),
        (4, Delivery.DISCARDED),
    ]
    assert found[0].payload == {"stage_id": "extract"}
    assert (found[2].last_error, found[2].sink, found[2].retry_count) == ("E: no", "hook", 3)
    newest = await store.inspector.events(run.id, PageRequest(sort="-created_at", limit=2))
    assert [event.sequence for event in newest.items] == [4, 3]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_dead_letters_of_all_or_one_run(store: InspectedStore) -> None:
    one, two = store.run(), store.run()
    first = store.event(one, 1, dead_at=ago(30))
    second = store.event(two, 1, dead_at=ago(20))
    store.event(two, 2, dead_at=NOW, discarded_at=NOW)
    twins = [store.event(one, number, dead_at=ago(10)) for number in (2, 3)]
    found = await turned(lambda page: store.inspector.dead_letters(page=page), 1)
    assert [event.id for event in found] == [
        *sorted((twin.id for twin in twins), reverse=True),
        second.id,
        first.id,
    ]
    assert [event.id for event in (await store.inspector.dead_letters(two.id)).items] == [second.id]
    await store.inspector.dead_letters()
    assert "ix_outbox_events_dead" in store.plans()[0]


async def test_annotations_of_a_run(store: InspectedStore) -> None:
    run = store.run()
    store.annotation(run, "team", "a")
    store.annotation(run, "score", {"of": [1, None]}, scope="stage", scope_id="left", attempt=2, actor="me")
    store.annotation(run, "team", "b")
    found = await turned(lambda page: store.inspector.annotations(run.id, page=page), 2)
    assert [(one.key, one.value) for one in found] == [
        ("team", "a"),
        ("score", {"of": [1, None]}),
        ("team", "b"),
    ]
    scored = (await store.inspector.annotations(run.id, scope="stage", scope_id="left")).items
    assert [(one.key, one.attempt, one.actor) for one in scored] == [("score", 2, "me")]
    assert [one.value for one in (await store.inspector.annotations(run.id, key="team")).items] == ["a", "b"]
    for nowhere in ("' OR 1=1", "\x00", "\ud800"):
        assert list((await store.inspector.annotations(run.id, key=nowhere)).items) == []
        assert await messages(store, run.id, stage_id=nowhere) == []


async def test_views_are_json(store: InspectedStore) -> None:
    run = store.run()
    store.log(run, "m", fields='{"n":1}')
    page = await store.inspector.logs(run.id)
    (line,) = json.loads(page.model_dump_json())["items"]
    assert line["fields"] == {"n": 1}
    assert line["created_at"].endswith("Z")
