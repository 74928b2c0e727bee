"""One run whole: inputs, outputs, blobs, attempts, artifacts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from inspected_store import NOW, InspectedStore, ago, make_flow

from engine.errors import RunNotFound
from engine.inspector import RunStatus, StageStatus
from engine.model.json import dumps
from engine.model.payload import BlobPointer, is_pointer, parse_pointer, pointer_text
from engine.model.records import RunRecord


@pytest.fixture
def store(url: str) -> InspectedStore:
    return InspectedStore(url)


def a_run(store: InspectedStore) -> RunRecord:
    flow = make_flow()
    store.definition(flow)
    return store.run(
        definition=flow.fingerprint,
        group_no=3,
        status=RunStatus.COMPLETED,
        completed_at=ago(10),
        input_text='{"text":"in"}',
        config='{"left":{"n":1}}',
        output='"out"',
        metadata='{"team":"a"}',
    )


@pytest.mark.parametrize("run_id", ["nothing", "", "%", "\x00", "\ud800", "x" * 10_000])
async def test_an_unknown_run_is_not_found(store: InspectedStore, run_id: str) -> None:
    store.run()
    for ask in (
        store.inspector.run,
        store.inspector.explain,
        store.inspector.events,
        store.inspector.logs,
        store.inspector.tail_logs,
        store.inspector.dead_letters,
        store.inspector.annotations,
    ):
        with pytest.raises(RunNotFound):
            await ask(run_id)


async def test_payloads_and_derived_inputs(store: InspectedStore) -> None:
    run = a_run(store)
    done = {"status": StageStatus.COMPLETED}
    store.stage(run, "extract", group_no=1, number=1, output='{"text":"e"}', **done)
    store.stage(run, "right", group_no=2, number=3, output="2", **done)
    store.stage(run, "left", group_no=2, number=2, output="null", config='{"n":1}', metrics='{"words":7}', **done)
    store.stage(run, "report", group_no=3, number=4, output='"out"', **done)
    detail = await store.inspector.run(run.id)
    assert (detail.input, detail.output) == ({"text": "in"}, "out")
    assert (detail.config, detail.metadata) == ({"left": {"n": 1}}, {"team": "a"})
    assert [stage.stage_id for stage in detail.stages] == ["extract", "left", "right", "report"]
    extract, left, right, report = detail.stages
    assert extract.input == {"text": "in"}
    assert left.input == right.input == {"text": "e"}
    assert report.input == {"left": None, "right": 2}
    assert (left.config, left.metrics, left.progress) == ({"n": 1}, {"words": 7}, 1.0)
    assert [[stage.stage_id for stage in group] for group in detail.plan] == [
        ["extract"],
        ["left", "right"],
        ["report"],
    ]
    assert [stage.number for group in detail.plan for stage in group] == [1, 2, 3, 4]


async def test_an_output_that_was_not_stored_is_put_together(store: InspectedStore) -> None:
    run = store.run(status=RunStatus.COMPLETED, completed_at=NOW, group_no=2)
    store.stage(run, "a", group_no=1, status=StageStatus.COMPLETED, output="0")
    blob = pointer_text(BlobPointer("runs/b", 3, "d"))
    await store.blobs.put("runs/b", b"[1]")
    store.stage(run, "b", number=2, status=StageStatus.COMPLETED, output=blob)
    store.stage(run, "c", number=3, status=StageStatus.COMPLETED, output="2")
    assert (await store.inspector.run(run.id)).output == {"b": [1], "c": 2}
    unfinished = store.run()
    store.stage(unfinished, "a", status=StageStatus.COMPLETED, output="0")
    assert (await store.inspector.run(unfinished.id)).output is None


async def test_a_stored_input_wins_and_a_group_of_one_gives_it_bare(store: InspectedStore) -> None:
    run = store.run(group_no=2)
    store.stage(run, "a", group_no=1, status=StageStatus.COMPLETED, output="[1]")
    store.stage(run, "b", number=2, input_text='"kept"')
    store.stage(run, "c", number=3)
    kept, derived = (await store.inspector.run(run.id)).stages[1:]
    assert (kept.input, derived.input) == ("kept", [1])


async def test_blobs_are_read_once_and_missing_ones_are_named(store: InspectedStore) -> None:
    run = a_run(store)
    there, gone, bad = (pointer_text(BlobPointer(f"runs/{name}", 3, "d")) for name in ("there", "gone", "bad"))
    await store.blobs.put("runs/there", b'{"long":"text"}')
    await store.blobs.put("runs/bad", b"\xff{")
    done = {"status": StageStatus.COMPLETED}
    store.stage(run, "extract", group_no=1, number=1, output=there, **done)
    store.stage(run, "left", group_no=2, number=2, output=gone, **done)
    store.stage(run, "right", group_no=2, number=3, output=bad, **done)
    store.stage(run, "report", group_no=3, number=4, **done)
    extract, left, right, report = (await store.inspector.run(run.id)).stages
    assert extract.output == left.input == right.input == {"long": "text"}
    assert left.output == report.input["left"] == {"$missing_blob": "runs/gone"}
    assert right.output == {"$unreadable_blob": "runs/bad"}
    assert sorted(store.blobs.reads) == ["runs/bad", "runs/gone", "runs/there"]


def test_pointers_round_trip_and_are_no_json() -> None:
    pointer = BlobPointer("runs/ü", 300_000, "ab")
    text = pointer_text(pointer)
    assert parse_pointer(text) == pointer
    assert is_pointer(text)
    assert not is_pointer(dumps("@x"))
    for broken in ("", "x", "@", "@[]", "@{}", '@{"key":"k","size":"x","digest":"d"}'):
        with pytest.raises(ValueError):
            parse_pointer(broken)


async def test_attempts_are_the_earlier_ones_and_the_current(store: InspectedStore) -> None:
    run = store.run()
    store.attempt(run, "extract", 2, cost=Decimal("0.2"))
    store.attempt(run, "extract", 1, cost=Decimal("0.1"), error="first")
    store.stage(run, "extract", attempt=3, tries=3, cost=Decimal("0.3"), worker_id="w")
    store.artifact(run, "extract", 2, "old.txt")
    store.artifact(run, "extract", 3, "new.txt")
    (stage,) = (await store.inspector.run(run.id)).stages
    assert [(one.attempt, one.cost, one.wasted) for one in stage.attempts] == [
        (1, Decimal("0.1"), Decimal("0.1")),
        (2, Decimal("0.2"), Decimal("0.2")),
        (3, Decimal("0.3"), Decimal(0)),
    ]
    assert stage.attempts[0].error == "first"
    assert [artifact.name for artifact in stage.artifacts] == ["new.txt"]


async def test_a_stage_queued_again_has_only_its_earlier_attempts(store: InspectedStore) -> None:
    run = store.run()
    store.attempt(run, "extract", 1, status=StageStatus.COMPLETED, error=None)
    store.artifact(run, "extract", 1, "old.txt")
    store.stage(run, "extract", attempt=1, tries=0, status=StageStatus.PENDING, generation=1)
    (stage,) = (await store.inspector.run(run.id)).stages
    assert [(one.attempt, one.status) for one in stage.attempts] == [(1, StageStatus.COMPLETED)]
    assert stage.artifacts == []


async def test_unpriced_calls_make_the_costs_unknown_where_they_were_made(store: InspectedStore) -> None:
    run = store.run()
    store.attempt(run, "left", 1)
    store.stage(run, "left", attempt=2)
    store.stage(run, "right", number=2)
    store.ai_call(run_id=run.id, stage_id="left", attempt=1, cost=None)
    detail = await store.inspector.run(run.id)
    left, right = detail.stages
    assert detail.total_cost is None
    assert [one.cost for one in left.attempts] == [None, 0]
    assert (left.cost, right.cost) == (Decimal(0), Decimal(0))


async def test_times_of_a_running_and_a_waiting_stage(store: InspectedStore) -> None:
    run = store.run()
    store.stage(run, "left", started_at=ago(20))
    store.stage(run, "right", number=2, status=StageStatus.PENDING, started_at=None, retry_at=NOW, error="E: no")
    left, right = (await store.inspector.run(run.id)).stages
    assert (left.duration_ms, left.retry_at) == (20_000, None)
    assert (right.duration_ms, right.retry_at, right.error) == (None, NOW, "E: no")


async def test_a_run_of_an_unreadable_plan_is_shown_without_it(store: InspectedStore) -> None:
    from engine.model.records import DefinitionRecord
    from engine.stores.sql.registers import DEFINITION

    store.put(DEFINITION, DefinitionRecord("flow", "odd", '{"groups": 3}', NOW))
    run = store.run(definition="odd")
    detail = await store.inspector.run(run.id)
    assert (detail.plan, detail.progress) == ([], None)
