"""Declaring stages: schemas from annotations and arguments, and everything that is refused."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from engine import (
    Completion,
    DefinitionError,
    NoConfig,
    NoInput,
    RetryPolicy,
    StageContext,
    StageResult,
    Suspend,
    async_batch_stage,
    stage,
)
from engine.definition.signature import UNSAID, reduce_output


class Doc(BaseModel):
    url: str


class Cfg(BaseModel):
    limit: int = 3


class Text(BaseModel):
    text: str


def test_the_annotations_give_the_three_schemas() -> None:
    @stage(id="extract-text")
    async def extract(ctx: StageContext[Doc, Cfg]) -> Text:
        """Fetches the text.

        At length.
        """
        return Text(text=ctx.input.url)

    assert extract.input.python_type is Doc
    assert extract.config.python_type is Cfg
    assert extract.output.python_type is Text
    assert (extract.id, extract.name) == ("extract-text", "Extract Text")
    assert extract.description == "Fetches the text."
    assert (extract.mode, extract.is_async, extract.isolation) == ("sync", True, "thread")
    assert extract.timeout is None
    assert extract.retry == RetryPolicy()
    assert extract.module_name == __name__
    assert extract.qualname.endswith("extract")


def test_classes_of_the_decorating_function_resolve_too() -> None:
    class Local(BaseModel):
        n: int

    @stage(id="local")
    def body(ctx: StageContext[Local, NoConfig]) -> list[Local] | None:
        return [ctx.input]

    assert body.input.python_type is Local
    assert body.output.validate([{"n": 1}]) == [Local(n=1)]
    assert not body.is_async


@pytest.mark.parametrize(
    ("annotation", "left"),
    [
        (Text, Text),
        (Text | Suspend, Text),
        (StageResult[Text], Text),
        (StageResult[Text] | Suspend, Text),
        (Text | StageResult[Text], Text),
        (Text | StageResult[Text] | Suspend, Text),
        (int | StageResult[str], int | str),
        (int | None, int | None),
        (type(None), type(None)),
        (list[Text], list[Text]),
        (Suspend, UNSAID),
        (StageResult, UNSAID),
        (StageResult | Suspend, UNSAID),
    ],
)
def test_the_output_is_what_remains_of_the_return_annotation(annotation: Any, left: Any) -> None:
    assert reduce_output(annotation) == left


def test_a_body_that_returns_none_has_the_output_schema_of_none() -> None:
    @stage(id="quiet")
    def quiet(ctx: StageContext[NoInput, NoConfig]) -> None:
        return None

    assert quiet.output.validate(None) is None
    with pytest.raises(ValueError, match="null"):
        quiet.output.validate(3)


def test_explicit_schemas_stand_in_for_annotations() -> None:
    @stage(id="plain", input=Doc, output=Text, config=Cfg)
    def plain(ctx):  # type-free on purpose
        return {"text": ctx.input.url}

    assert (plain.input.python_type, plain.config.python_type, plain.output.python_type) == (Doc, Cfg, Text)

    @stage(id="bare", output=Text)
    def bare(ctx: StageContext[Any, Cfg]) -> StageResult:
        return StageResult({"text": "x"})

    assert (bare.input.python_type, bare.output.python_type) == (Any, Text)


def test_a_missing_schema_names_the_stage_and_the_side() -> None:
    with pytest.raises(DefinitionError, match=r"stage 'x': no output schema"):

        @stage(id="x")
        def no_return(ctx: StageContext[Doc, Cfg]):
            return 1

    with pytest.raises(DefinitionError, match=r"stage 'x': no input schema"):

        @stage(id="x")
        def no_types(ctx) -> Text:
            return Text(text="")

    with pytest.raises(DefinitionError, match=r"stage 'x': no config schema"):

        @stage(id="x", input=Doc)
        def no_config(ctx: StageContext) -> Text:
            return Text(text="")

    with pytest.raises(DefinitionError, match=r"stage 'x': no output schema"):

        @async_batch_stage(id="x")
        def only_suspends(ctx: StageContext[Doc, Cfg]) -> Suspend:
            return Suspend(state={})


def test_a_contradiction_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"stage 'x': contradictory input.*: input=Text, but annotated Doc"):

        @stage(id="x", input=Text)
        def body(ctx: StageContext[Doc, Cfg]) -> Text:
            return Text(text="")

    with pytest.raises(DefinitionError, match=r"contradictory output schema"):

        @stage(id="x", output=Text)
        def quiet(ctx: StageContext[Doc, Cfg]) -> None:
            return None


def test_an_annotation_that_does_not_resolve_says_so_unless_explicit() -> None:
    def body(ctx: Any) -> Any:
        return 1

    body.__annotations__ = {"ctx": "StageContext[Missing, Cfg]", "return": "Text"}
    with pytest.raises(DefinitionError, match=r"stage 'x': no input schema.*NameError.*Missing"):
        stage(id="x")(body)
    made = stage(id="x", input=Doc, config=Cfg)(body)
    assert (made.input.python_type, made.output.python_type) == (Doc, Text)
    body.__annotations__ = {"ctx": "StageContext[Doc]", "return": "Text"}
    with pytest.raises(DefinitionError, match=r"stage 'x': no input schema.*TypeError"):
        stage(id="x")(body)
    body.__annotations__ = {"ctx": Doc, "return": Text}
    with pytest.raises(DefinitionError, match=r"annotated Doc, not StageContext"):
        stage(id="x")(body)


@pytest.mark.parametrize("bad", ["", "-a", ".a", "a b", "a/b", "ä", "a" * 129, "a\n", None, 3])
def test_ids_that_are_refused(bad: Any) -> None:
    def body(ctx: StageContext[Doc, Cfg]) -> Text:
        return Text(text="")

    with pytest.raises(DefinitionError, match="stage id"):
        stage(id=bad)(body)


@pytest.mark.parametrize("good", ["a", "A.b_c-9", "0", "a" * 128])
def test_ids_that_are_taken(good: str) -> None:
    def body(ctx: StageContext[Doc, Cfg]) -> Text:
        return Text(text="")

    assert stage(id=good)(body).id == good


def test_bodies_that_cannot_be_called_with_a_context() -> None:
    def two(ctx: StageContext[Doc, Cfg], more: int) -> Text:
        return Text(text="")

    def none() -> Text:
        return Text(text="")

    def yields(ctx: StageContext[Doc, Cfg]) -> Any:
        yield 1

    async def yields_async(ctx: StageContext[Doc, Cfg]) -> AsyncIterator[int]:
        yield 1

    for body in (two, none):
        with pytest.raises(DefinitionError, match=r"stage 'x': the body takes one argument"):
            stage(id="x", input=Doc, config=Cfg, output=Text)(body)
    for generator in (yields, yields_async):
        with pytest.raises(DefinitionError, match=r"stage 'x': the body yields"):
            stage(id="x")(generator)
    with pytest.raises(DefinitionError, match="can't be called"):
        stage(id="x")("no body")


class Counter:
    """Counts."""

    async def __call__(self, ctx: StageContext[Doc, Cfg]) -> Text:
        return Text(text="called")

    def method(self, ctx: StageContext[Doc, Cfg]) -> Text:
        return Text(text="method")


async def test_partials_methods_and_callable_objects_are_bodies() -> None:
    async def body(factor: int, ctx: StageContext[Doc, Cfg]) -> Text:
        return Text(text="x" * factor)

    partial = stage(id="partial")(functools.partial(body, 3))
    assert partial.is_async
    assert partial.input.python_type is Doc
    assert await partial(None) == Text(text="xxx")
    called = stage(id="object")(Counter())
    assert called.is_async
    assert called.output.python_type is Text
    assert called.qualname == "Counter"
    bound = stage(id="method")(Counter().method)
    assert not bound.is_async
    assert bound(None) == Text(text="method")


def test_calling_a_stage_calls_its_body() -> None:
    @stage(id="echo")
    async def echo(ctx: StageContext[Doc, Cfg]) -> Text:
        return Text(text="hello")

    assert asyncio.run(echo(None)) == Text(text="hello")


def test_options_are_kept_and_checked() -> None:
    def body(ctx: StageContext[Doc, Cfg]) -> Text:
        return Text(text="")

    first = stage(id="first")(body)
    policy = RetryPolicy(max_attempts=1)
    made = stage(
        id="made",
        name="Made",
        description="told",
        dependencies=[first, "other", "first"],
        retry=policy,
        timeout=timedelta(seconds=5),
        isolation="process",
        estimate_cost=lambda given, config: Decimal("0.5"),
    )(body)
    assert (made.name, made.description, made.dependencies) == ("Made", "told", ("first", "other"))
    assert (made.retry, made.timeout, made.isolation) == (policy, timedelta(seconds=5), "process")
    assert made.estimate_cost is not None
    for wrong, text in [
        ({"timeout": timedelta(0)}, "timeout"),
        ({"isolation": "fork"}, "isolation"),
        ({"dependencies": "first"}, "dependencies is a list"),
        ({"dependencies": ["a b"]}, "dependency id"),
        ({"dependencies": ["x"]}, "depends on itself"),
        ({"config": int}, "contradictory config"),
    ]:
        with pytest.raises(DefinitionError, match=f"stage 'x': .*{text}"):
            stage(id="x", **wrong)(body)


def test_a_config_that_is_no_model_and_an_async_body_in_a_process_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"stage 'x': config is a pydantic model or NoConfig, not int"):

        @stage(id="x")
        def body(ctx: StageContext[Doc, int]) -> Text:
            return Text(text="")

    with pytest.raises(DefinitionError, match=r"stage 'x': isolation='process' is for plain bodies"):

        @stage(id="x", isolation="process")
        async def waits(ctx: StageContext[Doc, Cfg]) -> Text:
            return Text(text="")


def test_check_completion_gives_the_function_back() -> None:
    @async_batch_stage(id="batch")
    async def batch(ctx: StageContext[Doc, Cfg]) -> Text | Suspend:
        return Suspend(state={"id": 1})

    assert batch.mode == "async-batch"
    assert batch.check is None
    assert not batch.check_is_async

    @batch.check_completion
    async def check(state: Any, ctx: StageContext[Doc, Cfg]) -> Completion[Text]:
        return Completion.ready(Text(text="done"))

    assert batch.check is check
    assert batch.check_is_async
    with pytest.raises(DefinitionError, match="has a check_completion already"):
        batch.check_completion(check)

    @stage(id="sync")
    def sync(ctx: StageContext[Doc, Cfg]) -> Text:
        return Text(text="")

    with pytest.raises(DefinitionError, match=r"stage 'sync' is no async_batch_stage"):
        sync.check_completion(check)


@pytest.mark.parametrize("value", [None, 3, "text", [1], {"any": "thing"}, NoInput()])
def test_no_input_takes_anything_and_keeps_nothing(value: Any) -> None:
    @stage(id="quiet")
    def quiet(ctx: StageContext[NoInput, NoConfig]) -> None:
        return None

    assert quiet.input.is_nothing
    assert quiet.config.is_nothing
    parsed = quiet.input.validate(value)
    assert isinstance(parsed, NoInput)
    assert quiet.input.dump(parsed) == {}
