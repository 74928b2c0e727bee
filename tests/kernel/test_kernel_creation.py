"""`run.create`: what a run starts from, and what is refused before anything is written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import Drive
from kernel_workflows import Acts, flow, step
from pydantic import BaseModel, Field

from engine import CreateRun, IdempotencyConflict, InvalidConfig, InvalidInput, NoConfig, WorkflowNotFound


class Order(BaseModel):
    item: str
    amount: int = 1


class Sizes(BaseModel):
    a: int = 1
    b: int = 2
    tags: list[str] = Field(default_factory=lambda: ["evaluated"])


ORDERS = flow(step("take"), input=Order)


async def test_b001_a_created_run_is_pending_and_says_so_to_nobody_yet(drive: Drive) -> None:
    d = drive(ORDERS)
    created = await d.dispatch(CreateRun(idempotency_key="k", workflow_id="flow", input={"item": "tea"}))
    assert created.status == "PENDING"
    run = await d.run(created.run_id)
    assert (run.status, run.workflow_id, run.idempotency_key, run.stages) == ("PENDING", "flow", "k", [])
    (event,) = await d.events(run.id)
    assert (event.type, event.delivery, event.causation_id) == ("workflow:created", "pending", "k")
    assert event.payload == {"workflow_id": "flow"}
    assert d.sink.events == []


async def test_b002_an_unknown_workflow_leaves_nothing_behind_not_even_the_key(drive: Drive) -> None:
    d = drive(ORDERS)
    with pytest.raises(WorkflowNotFound, match=r"'nope'.*flow"):
        await d.create("nope", {"item": "tea"}, idempotency_key="k")
    assert await d.count_runs() == 0
    run_id = await d.create(input={"item": "tea"}, idempotency_key="k")
    assert await d.types(run_id) == ["workflow:created"]


async def test_b003_input_is_checked_before_any_write_and_every_path_is_named(drive: Drive) -> None:
    d = drive(ORDERS)
    with pytest.raises(InvalidInput) as caught:
        await d.create(input={"amount": "many"})
    assert {problem.path for problem in caught.value.problems} == {"item", "amount"}
    assert await d.count_runs() == 0


async def test_b004_bad_config_of_two_stages_names_both_with_field_paths(drive: Drive) -> None:
    d = drive(flow(step("one", config=Sizes), step("two", config=Sizes), step("three")))
    config = {"one": {"a": "x"}, "two": {"b": [], "c": 1}, "four": {}, "three": {"any": 1}}
    with pytest.raises(InvalidConfig) as caught:
        await d.create(config=config)
    assert {problem.path for problem in caught.value.problems} == {"one.a", "two.b", "two.c", "four", "three.any"}
    assert await d.count_runs() == 0


@pytest.mark.parametrize(("fields", "priority"), [({}, 5), ({"priority": -3}, -3), ({"priority": 9}, 9)])
async def test_b005_priority_is_five_unless_given_and_goes_to_the_jobs(
    drive: Drive, fields: dict[str, Any], priority: int
) -> None:
    d = drive(flow([step("one"), step("two")]))
    run_id = await d.begun(**fields)
    assert (await d.run(run_id)).priority == priority
    assert [claimed.job.priority for claimed in await d.take(free=2)] == [priority, priority]


async def test_b006_b007_defaults_are_filled_in_and_stored_as_parsed(drive: Drive) -> None:
    seen: list[Sizes] = []

    def look(ctx: Any) -> Any:
        seen.append(ctx.config)
        return ctx.input

    d = drive(flow(step("one", look, config=Sizes), input=Order))
    run = await d.through(input={"item": "tea"}, config={"one": {"a": 9}})
    assert seen == [Sizes(a=9, b=2, tags=["evaluated"])]
    assert run.config == {"one": {"a": 9, "b": 2, "tags": ["evaluated"]}}
    assert run.input == run.output == {"item": "tea", "amount": 1}


async def test_b009_the_same_key_and_payload_is_the_same_run(drive: Drive) -> None:
    d = drive(ORDERS)
    first = await d.create(input={"item": "tea"}, idempotency_key="k")
    again = await d.create(input=Order(item="tea").model_dump(exclude={"amount"}), idempotency_key="k")
    assert again == first
    assert await d.count_runs() == 1
    assert await d.types(first) == ["workflow:created"]


async def test_b010_another_key_is_another_run(drive: Drive) -> None:
    d = drive(ORDERS)
    assert await d.create(input={"item": "tea"}) != await d.create(input={"item": "tea"})
    assert await d.count_runs() == 2


async def test_b020_annotations_come_with_the_run_and_not_without_it(drive: Drive) -> None:
    d = drive(ORDERS)
    run_id = await d.create(input={"item": "tea"}, annotations={"team": "ops", "cost": {"limit": 3}, "none": None})
    notes = {note.key: note for note in await d.notes(run_id)}
    assert {key: note.value for key, note in notes.items()} == {"team": "ops", "cost": {"limit": 3}}
    assert {(note.scope, note.scope_id, note.attempt) for note in notes.values()} == {("run", None, None)}
    with pytest.raises(InvalidInput) as caught:
        await d.create(input={"item": "tea"}, annotations={"team": "a\x00b"})
    assert [problem.path for problem in caught.value.problems] == ["annotations.team"]
    assert await d.count_runs() == 1


async def test_b021_metadata_stays_one_value(drive: Drive) -> None:
    d = drive(ORDERS)
    metadata = {"status": "mine", "nested": {"a": [1, None]}}
    run = await d.run(await d.create(input={"item": "tea"}, metadata=metadata))
    assert run.metadata == metadata
    assert run.status == "PENDING"


@pytest.mark.parametrize(
    "other",
    [{"input": {"item": "ink"}}, {"priority": 6}, {"metadata": {"a": 1}}, {"annotations": {"a": 1}}],
    ids=lambda other: next(iter(other)),
)
async def test_b022_the_same_key_with_another_payload_is_refused(drive: Drive, other: dict[str, Any]) -> None:
    d = drive(ORDERS)
    first = await d.create(input={"item": "tea"}, idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        await d.create(**{"input": {"item": "tea"}, "idempotency_key": "k", **other})
    assert await d.count_runs() == 1
    assert await d.types(first) == ["workflow:created"]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"n": float("nan")}, "n"),
        ({"n": [1, float("inf")]}, "n.1"),
        ({"n": {"m": "a\x00b"}}, "n.m"),
        ({"n": ["\ud800"]}, "n.0"),
        ({"a\x00": 1}, "a\x00"),
    ],
    ids=["nan", "infinity", "nul", "surrogate", "nul in a key"],
)
async def test_d17_what_no_database_keeps_is_refused_with_its_path(drive: Drive, value: Any, path: str) -> None:
    d = drive(flow(step("one")))
    with pytest.raises(InvalidInput) as caught:
        await d.create(input=value)
    assert [problem.path for problem in caught.value.problems] == [path]
    assert await d.count_runs() == 0


async def test_d17_depth_ends_at_a_hundred(drive: Drive) -> None:
    d = drive(flow(step("one")))
    kept = await d.run(await d.create(input=nested(100)))
    assert kept.input == nested(100)
    for levels in (101, 300, 5000):
        with pytest.raises(InvalidInput):
            await d.create(input=nested(levels))
    assert await d.count_runs() == 1


async def test_d17_input_ends_at_a_mebibyte(drive: Drive) -> None:
    d = drive(flow(step("one")))
    fits = "x" * (1024 * 1024 - 2)
    assert (await d.run(await d.create(input=fits))).input == fits
    with pytest.raises(InvalidInput, match="1048577 bytes"):
        await d.create(input=fits + "x")


async def test_d17_config_and_metadata_are_refused_with_their_paths(drive: Drive) -> None:
    class Word(BaseModel):
        word: str = ""

    d = drive(flow(step("one", config=Word)))
    with pytest.raises(InvalidConfig) as config:
        await d.create(config={"one": {"word": "a\x00"}})
    assert [problem.path for problem in config.value.problems] == ["one.word"]
    with pytest.raises(InvalidInput) as metadata:
        await d.create(metadata={"a": {"b": float("nan")}})
    assert [problem.path for problem in metadata.value.problems] == ["metadata.a.b"]


async def test_a_model_is_as_good_an_input_as_its_json(drive: Drive) -> None:
    d = drive(ORDERS)
    run_id = await d.create(input=Order(item="tea", amount=3), idempotency_key="k")
    assert (await d.run(run_id)).input == {"item": "tea", "amount": 3}
    assert await d.create(input={"item": "tea", "amount": 3}, idempotency_key="k") == run_id


async def test_the_wire_form_does_the_same(drive: Drive) -> None:
    d = drive(ORDERS)
    wire = {"type": "run.create", "idempotency_key": "k", "workflow_id": "flow", "input": {"item": "tea"}}
    created = await d.kernel.dispatch(wire)
    assert created.run_id == await d.create(input={"item": "tea"}, idempotency_key="k")
    with pytest.raises(InvalidInput) as caught:
        await d.kernel.dispatch({**wire, "idempotency_key": "", "colour": "red"})
    assert {problem.path for problem in caught.value.problems} == {"idempotency_key", "colour"}
    with pytest.raises(InvalidInput, match=r"run\.create"):
        await d.kernel.dispatch({"type": "run.make"})


async def test_a_delayed_run_waits_for_its_time(drive: Drive) -> None:
    body = Acts("done")
    d = drive(flow(step("one", body)))
    run_id = await d.create(start_at=d.clock.now() + timedelta(hours=2))
    assert await d.begin() == []
    assert await d.drain() == 0
    d.clock.advance(timedelta(hours=2) - timedelta(microseconds=1))
    assert (await d.begin(), body.calls) == ([], 0)
    d.clock.advance(timedelta(microseconds=1))
    await d.drain()
    assert (await d.run(run_id)).status == "COMPLETED"


async def test_the_stage_may_take_nothing(drive: Drive) -> None:
    from engine import NoInput

    body = Acts(lambda ctx: type(ctx.input).__name__)
    d = drive(flow(step("one", body, input=NoInput, config=NoConfig)))
    assert (await d.through(input={"what": "ever"})).output == "NoInput"
