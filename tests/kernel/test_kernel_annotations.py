"""Annotations: facts attached to a run when it is created, by its bodies, and later by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import Drive
from kernel_workflows import SUBMITTED, Acts, batch, flow, step

from engine import AnnotateRun, InvalidInput, NonRetryable, RerunFrom, RunNotFound
from engine.model.criteria import PageRequest


def annotating(ctx: Any) -> Any:
    ctx.annotate("quality", {"score": 0.9})
    ctx.annotate("nothing", None)
    return "done"


async def test_b165_b166_a_body_annotates_with_its_outcome(drive: Drive) -> None:
    d = drive(flow(step("one", annotating)))
    run_id = (await d.through()).id
    (note,) = await d.notes(run_id)
    assert (note.key, note.value, note.scope, note.scope_id, note.attempt) == (
        "quality",
        {"score": 0.9},
        "stage",
        "one",
        1,
    )


async def test_b167_annotations_stay_with_a_suspension(drive: Drive) -> None:
    def submit(ctx: Any) -> Any:
        ctx.annotate("batch", "b-1")
        return SUBMITTED

    d = drive(flow(batch("ask", submit=submit)))
    run_id = (await d.through()).id
    assert [note.key for note in await d.notes(run_id)] == ["batch"]


async def test_b020_annotations_of_a_creation_stand_or_fall_with_it(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create(annotations={"team": "blue", "none": None})
    assert [(note.key, note.value, note.scope) for note in await d.notes(run_id)] == [("team", "blue", "run")]
    with pytest.raises(InvalidInput):
        await d.create(annotations={"bad": float("nan")})
    assert await d.count_runs() == 1


async def test_b168_b169_a_key_makes_one_row_and_none_makes_many(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    once = AnnotateRun(run_id=run_id, attributes={"a": 1, "b": 2}, idempotency_key="k")
    assert (await d.dispatch(once)).written == 2
    assert (await d.dispatch(once)).written == 2, "the first answer again"
    for _ in range(2):
        assert (await d.dispatch(AnnotateRun(run_id=run_id, attributes={"a": 3}))).written == 1
    assert [(note.key, note.value) for note in await d.notes(run_id)] == [("a", 1), ("b", 2), ("a", 3), ("a", 3)]


async def test_b170_events_are_told_where_asked_for(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    await d.dispatch(AnnotateRun(run_id=run_id, attributes={"quiet": 1}))
    loud = {"a": 1, "b": None, "c": [2]}
    command = AnnotateRun(run_id=run_id, attributes=loud, actor="eve", actor_kind="human", emit_event=True)
    assert (await d.dispatch(command)).written == 2
    told = await d.payloads(run_id, "annotation:created")
    assert [(one["key"], one["value"], one["actor_id"], one["actor_kind"]) for one in told] == [
        ("a", 1, "eve", "human"),
        ("c", [2], "eve", "human"),
    ]


async def test_b171_the_scope_is_not_part_of_the_key(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = await d.create()
    store = d.kernel.persistence
    from engine.model.records import AnnotationRecord

    def twice(work: Any) -> list[int]:
        return [
            work.logs.annotate(
                [AnnotationRecord(run_id, "k", "1", work.now, "stage", stage_id, idempotency_key="same")]
            )
            for stage_id in ("one", "two")
        ]

    assert await store.transact(twice) == [1, 0]


async def test_b172_metadata_shows_until_it_was_moved(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create(metadata={"owner": "ann", "gone": None, "size": 3})
    shown = await d.notes(run_id)
    assert [(note.id, note.key, note.value, note.attempt, note.scope) for note in shown] == [
        ("synthesized:owner", "legacy.metadata.owner", "ann", 0, "run"),
        ("synthesized:size", "legacy.metadata.size", 3, 0, "run"),
    ]
    only = await d.inspector.annotations(run_id, key="legacy.metadata.size")
    assert [note.value for note in only.items] == [3]
    assert (await d.inspector.annotations(run_id, scope="stage")).items == []
    await d.dispatch(AnnotateRun(run_id=run_id, attributes={"legacy.metadata.owner": "bob"}))
    assert [note.value for note in await d.notes(run_id)] == ["bob"]
    assert (await d.inspector.annotations(run_id, key="legacy.metadata.size")).items == []


async def test_b173_they_come_in_the_order_they_were_written(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    for number in range(7):
        await d.dispatch(AnnotateRun(run_id=run_id, attributes={f"k{number}": number}))
    page = PageRequest(limit=3, sort="created_at")
    values: list[Any] = []
    while True:
        found = await d.inspector.annotations(run_id, page=page)
        values += [note.value for note in found.items]
        if found.next_cursor is None:
            break
        page = page.model_copy(update={"cursor": found.next_cursor})
    assert values == list(range(7))


async def test_b174_a_prefix_is_taken_letter_by_letter(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    await d.dispatch(AnnotateRun(run_id=run_id, attributes={"a_b": 1, "axb": 2, "A_b": 3, "a%": 4}))
    for prefix, values in (("a_", [1]), ("a", [1, 2, 4]), ("A", [3]), ("a%", [4]), ("zzz", [])):
        found = await d.inspector.annotations(run_id, key_prefix=prefix)
        assert [note.value for note in found.items] == values, prefix


async def test_annotations_are_found_by_every_field(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    first = d.clock.now()
    await d.dispatch(AnnotateRun(run_id=run_id, attributes={"a": 1}, actor="ann", actor_kind="human", attempt=2))
    d.clock.advance(timedelta(minutes=1))
    await d.dispatch(AnnotateRun(run_id=run_id, attributes={"a": 2}, actor="bot", scope="ai_call", scope_id="c1"))
    second = d.clock.now()
    for fields, values in (
        ({"actor": "ann"}, [1]),
        ({"actor_kind": "human"}, [1]),
        ({"attempt": 2}, [1]),
        ({"scope": "ai_call"}, [2]),
        ({"scope_id": "c1"}, [2]),
        ({"since": second}, [2]),
        ({"until": first}, [1]),
        ({"since": first, "until": second}, [1, 2]),
        ({"key": "a", "key_prefix": "zzz"}, [1, 2]),
    ):
        found = await d.inspector.annotations(run_id, **fields)  # type: ignore[arg-type]
        assert [note.value for note in found.items] == values, fields


async def test_b129_a_rerun_keeps_them_with_their_attempt(drive: Drive) -> None:
    d = drive(flow(step("one", annotating)))
    run_id = (await d.through()).id
    await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="one"))
    await d.drain()
    assert [note.attempt for note in await d.notes(run_id)] == [1, 2]
    found = await d.inspector.annotations(run_id, attempt=1)
    assert len(found.items) == 1


async def test_b059_annotations_of_a_failed_body_are_kept(drive: Drive) -> None:
    def body(ctx: Any) -> Any:
        ctx.annotate("seen", 1)
        raise NonRetryable("no")

    d = drive(flow(step("one", body)))
    run_id = (await d.through()).id
    assert [note.key for note in await d.notes(run_id)] == ["seen"]


async def test_annotating_what_is_not_there_or_no_json(drive: Drive) -> None:
    d = drive(flow(step("one", Acts("x"))))
    with pytest.raises(RunNotFound):
        await d.dispatch(AnnotateRun(run_id="0" * 20, attributes={"a": 1}))
    run_id = await d.create()
    with pytest.raises(InvalidInput) as caught:
        await d.dispatch(AnnotateRun(run_id=run_id, attributes={"a": {"b": float("inf")}}))
    assert [problem.path for problem in caught.value.problems] == ["attributes.a.b"]
    assert (await d.dispatch(AnnotateRun(run_id=run_id, attributes={"a": None}))).written == 0
