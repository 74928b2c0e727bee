"""Building workflows: what is refused, and that a fork leaves its origin alone."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from engine import (
    Completion,
    DefinitionError,
    NoConfig,
    NoInput,
    Stage,
    StageContext,
    Suspend,
    WorkflowBuilder,
    async_batch_stage,
    stage,
)


class Doc(BaseModel):
    url: str


def a_stage(stage_id: str, **options: Any) -> Stage[Any, Any, Any]:
    @stage(id=stage_id, **options)
    def body(ctx: StageContext[NoInput, NoConfig]) -> dict[str, int]:
        return {}

    return body


def a_builder() -> WorkflowBuilder:
    return WorkflowBuilder("flow", "Flow", "does things", input=Doc)


def test_groups_come_in_the_order_they_were_added() -> None:
    one, two, three, four = (a_stage(name) for name in "abcd")
    flow = a_builder().pipe(one).parallel([two, three]).pipe(four).build()
    assert flow.groups == ((one,), (two, three), (four,))
    assert flow.stages == (one, two, three, four)
    assert (flow.id, flow.name, flow.description) == ("flow", "Flow", "does things")
    assert flow.input.python_type is Doc
    assert flow.output is None


def test_d16_a_fork_shares_nothing() -> None:
    trunk = a_builder().pipe(a_stage("a"))
    left = trunk.pipe(a_stage("b"))
    right = trunk.parallel([a_stage("b"), a_stage("c")])
    assert [len(one.build().stages) for one in (trunk, left, right)] == [1, 2, 3]


def test_a_generator_of_stages_is_taken_once() -> None:
    assert len(a_builder().parallel(a_stage(name) for name in "ab").build().groups[0]) == 2


def test_b219_d16_duplicate_ids_are_refused_in_a_group_and_across() -> None:
    with pytest.raises(DefinitionError, match=r"workflow 'flow': two stages have the id 'a'"):
        a_builder().pipe(a_stage("a")).pipe(a_stage("a"))
    with pytest.raises(DefinitionError, match="two stages have the id 'a'"):
        a_builder().parallel([a_stage("a"), a_stage("a")])


def test_b030_b220_empty_groups_and_no_stages_are_refused() -> None:
    with pytest.raises(DefinitionError, match="group 2 is empty"):
        a_builder().pipe(a_stage("a")).parallel([])
    with pytest.raises(DefinitionError, match=r"workflow 'flow': it has no stages"):
        a_builder().build()


def test_b217_b218_dependencies_must_stand_before() -> None:
    needs = a_stage("needs", dependencies=["a"])
    assert a_builder().pipe(a_stage("a")).pipe(a_stage("b")).pipe(needs).build()
    with pytest.raises(DefinitionError, match=r"'needs' depends on 'a'; stages before it: b"):
        a_builder().pipe(a_stage("b")).pipe(needs)
    with pytest.raises(DefinitionError, match=r"'needs' depends on 'a', which runs beside it"):
        a_builder().parallel([a_stage("a"), needs])


def test_an_async_batch_stage_needs_its_check() -> None:
    @async_batch_stage(id="batch")
    async def batch(ctx: StageContext[Doc, NoConfig]) -> int | Suspend:
        return Suspend(state=None)

    builder = a_builder().pipe(batch)
    with pytest.raises(DefinitionError, match="async-batch stage 'batch' has no check_completion"):
        builder.build()

    @batch.check_completion
    def check(state: Any, ctx: StageContext[Doc, NoConfig]) -> Completion[int]:
        return Completion.ready(1)

    assert builder.build().stage("batch").check is check


def test_a_thousand_stages_are_the_limit() -> None:
    full = a_builder().parallel(a_stage(f"s{number}") for number in range(1000))
    assert len(full.build().stages) == 1000
    with pytest.raises(DefinitionError, match="more than 1000 stages"):
        full.pipe(a_stage("one-more"))


def test_what_is_no_stage_and_no_id() -> None:
    with pytest.raises(DefinitionError, match="is no stage"):
        a_builder().pipe(lambda ctx: 1)
    with pytest.raises(DefinitionError, match="workflow id 'a b'"):
        WorkflowBuilder("a b", "x", input=Doc)


def test_a_type_nobody_can_validate_is_refused_at_build() -> None:
    class Opaque:
        pass

    @stage(id="opaque", output=Opaque)
    def opaque(ctx: StageContext[NoInput, NoConfig]) -> Any:
        return Opaque()

    with pytest.raises(DefinitionError, match=r"workflow 'flow': the output of stage 'opaque', .*Opaque, can't"):
        a_builder().pipe(opaque).build()
