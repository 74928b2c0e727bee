"""Would unfinished runs survive other definitions? Tables of changes and verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from engine import Completion, NoConfig, StageContext, Suspend, WorkflowBuilder, async_batch_stage, stage
from engine.definition.plan import Plan
from engine.inspector.survival import ToDo, narrowed, problems


class Text(BaseModel):
    text: str


class Config(BaseModel):
    length: int = 5


def plain(stage_id: str, input_: type[BaseModel] = Text, config: type[BaseModel] = Config) -> Any:
    @stage(id=stage_id, name=stage_id, input=input_, output=Text, config=config)
    async def body(ctx: Any) -> Any:
        return Text(text="")

    return body


def batch(stage_id: str) -> Any:
    @async_batch_stage(id=stage_id, name=stage_id)
    async def body(ctx: StageContext[Text, Config]) -> Text | Suspend:
        return Text(text="")

    @body.check_completion
    async def check(state: Any, ctx: StageContext[Text, Config]) -> Completion[Text]:
        return Completion.ready(Text(text=""))

    return body


def plan(*stages: Any) -> Plan:
    builder = WorkflowBuilder("flow", "Flow", input=Text)
    for one in stages:
        builder = builder.pipe(one)
    return builder.build().plan


OLD = plan(plain("a"), plain("b"), plain("c"))


def test_the_same_definition_always_survives() -> None:
    assert problems(OLD, OLD, ToDo(stages={"a", "b", "c"})) == []


def test_a_workflow_that_is_gone() -> None:
    assert problems(OLD, None, ToDo(stages={"a"})) == ["no workflow of this id is registered"]


@pytest.mark.parametrize(
    ("to_do", "expected"),
    [({"a", "b", "c"}, ["stage b is gone"]), ({"b"}, ["stage b is gone"]), ({"c"}, []), (set(), [])],
)
def test_a_stage_that_is_gone_hurts_only_runs_that_come_to_it(to_do: set[str], expected: list[str]) -> None:
    assert problems(OLD, plan(plain("a"), plain("c")), ToDo(stages=to_do)) == expected


def test_a_new_stage_and_another_order_hurt_nobody() -> None:
    assert problems(OLD, plan(plain("c"), plain("new"), plain("b"), plain("a")), ToDo(stages={"a", "b", "c"})) == []


def test_a_waiting_stage_must_still_be_checked() -> None:
    old, new = plan(batch("a")), plan(plain("a"))
    assert problems(old, new, ToDo(stages={"a"})) == []
    (said,) = problems(old, new, ToDo(stages={"a"}, suspended={"a"}))
    assert said == "stage a waits for a batch and is no async-batch stage any more"


class Wider(BaseModel):
    text: str
    note: str = ""


class Narrower(BaseModel):
    text: str
    page: int


class Other(BaseModel):
    text: int


@pytest.mark.parametrize(
    ("input_", "expected"),
    [(Wider, []), (Narrower, ["needs page"]), (Other, ["text was string and is integer"])],
)
def test_what_a_stage_takes(input_: type[BaseModel], expected: list[str]) -> None:
    assert narrowed(Text.model_json_schema(), input_.model_json_schema()) == expected
    found = problems(OLD, plan(plain("a"), plain("b", input_), plain("c")), ToDo(stages={"b", "c"}))
    assert found == [f"stage b: input {change}" for change in expected]


def test_a_config_field_without_a_default_is_missing_in_stored_configs() -> None:
    class Asks(BaseModel):
        length: int = 5
        language: str

    found = problems(OLD, plan(plain("a"), plain("b"), plain("c", config=Asks)), ToDo(stages={"c"}))
    assert found == ["stage c: config needs language"]
    assert narrowed(NoConfig.model_json_schema(), Config.model_json_schema()) == []


def test_another_kind_of_value() -> None:
    assert narrowed({"type": "string"}, {"type": "array"}) == ["was string and is array"]
    assert narrowed({"type": "string"}, {}) == []
    assert narrowed({}, {"type": "string"}) == [], "whoever took anything may have got a string"
