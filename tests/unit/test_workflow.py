"""Workflows: plans and fingerprints, configs, inputs and estimates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from engine import (
    InvalidConfig,
    InvalidInput,
    NoConfig,
    NoInput,
    RetryPolicy,
    StageContext,
    StageNotFound,
    Workflow,
    WorkflowBuilder,
    stage,
)
from engine.definition.plan import Plan
from engine.model.json import dumps, loads


class Doc(BaseModel):
    url: str
    depth: int = 2


class Cfg(BaseModel):
    limit: int = 3
    tags: list[str] = Field(default_factory=lambda: ["a"])
    rate: Decimal = Decimal("0.5")


class Needy(BaseModel):
    model: str
    top: int = Field(default=1, ge=0)


def a_workflow(*, limit: timedelta | None = None, attempts: int = 3, kind: Any = Doc) -> Workflow:
    @stage(id="extract", retry=RetryPolicy(max_attempts=attempts), timeout=limit, input=kind,
           estimate_cost=lambda doc, cfg: doc.depth * cfg.rate)  # fmt: skip
    def extract(ctx: StageContext[Any, Cfg]) -> dict[str, int]:
        return {}

    @stage(id="rank", estimate_cost=lambda doc, cfg: 0.25)
    def rank(ctx: StageContext[NoInput, Needy]) -> int:
        return 1

    @stage(id="quiet")
    def quiet(ctx: StageContext[NoInput, NoConfig]) -> None:
        return None

    return WorkflowBuilder("flow", "Flow", input=kind).pipe(extract).parallel([rank, quiet]).build()


FULL = {"extract": {"limit": 3, "tags": ["a"], "rate": "0.5"}, "rank": {"model": "m", "top": 1}, "quiet": {}}


def test_the_plan_numbers_groups_and_stages_from_one() -> None:
    plan = a_workflow().plan
    assert [(one.stage_id, one.group, one.number) for one in plan.stages] == [
        ("extract", 1, 1),
        ("rank", 2, 2),
        ("quiet", 2, 3),
    ]
    assert plan.stage_ids == ("extract", "rank", "quiet")
    assert plan.stage("rank").config_schema["required"] == ["model"]
    with pytest.raises(StageNotFound, match="stages are: extract, rank, quiet"):
        plan.stage("gone")


def test_a_plan_survives_json_and_ignores_what_a_newer_program_added() -> None:
    plan = a_workflow(limit=timedelta(microseconds=7)).plan
    plain = loads(dumps(plan.to_json()))
    assert Plan.from_json(plain) == plan
    assert Plan.from_json(plain).fingerprint == plan.fingerprint
    plain["newer"] = 1
    plain["groups"][0][0]["newer"] = 1
    plain["groups"][0][0]["retry"]["newer"] = 1
    assert Plan.from_json(plain) == plan


def test_the_fingerprint_follows_what_is_stored_and_nothing_else() -> None:
    first = a_workflow()
    assert len(first.fingerprint) == 12
    assert int(first.fingerprint, 16) >= 0
    assert first.fingerprint == a_workflow().fingerprint == first.plan.fingerprint

    class Other(BaseModel):
        address: str

    changed = {a_workflow(attempts=2).fingerprint, a_workflow(limit=timedelta(seconds=1)).fingerprint}
    assert len({first.fingerprint, *changed, a_workflow(kind=Other).fingerprint}) == 4


def test_stages_are_found_by_id() -> None:
    flow = a_workflow()
    assert flow.stage("rank").id == "rank"
    with pytest.raises(StageNotFound, match="extract, rank, quiet"):
        flow.stage("nope")


def test_b007_b008_default_config_evaluates_factories_and_leaves_out_what_has_none() -> None:
    assert a_workflow().default_config() == {
        "extract": {"limit": 3, "tags": ["a"], "rate": "0.5"},
        "rank": {"top": 1},
        "quiet": {},
    }


def test_a_valid_config_comes_back_whole() -> None:
    flow = a_workflow()
    parsed = flow.validate_config({"rank": {"model": "m"}})
    assert parsed == FULL
    assert flow.validate_config(parsed) == parsed
    assert flow.validate_config({"extract": Cfg(limit=9), "rank": Needy(model="m")})["extract"]["limit"] == 9


def test_every_problem_of_a_config_is_listed_by_path() -> None:
    given = {
        "extract": {"limt": 1, "limit": "many", "tags": [1]},
        "rank": {"top": -1},
        "quiet": {"any": 1},
        "extrct": {},
        "bare": None,
    }
    with pytest.raises(InvalidConfig) as caught:
        a_workflow().validate_config(given)
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert set(found) == {
        "extract.limt", "extract.limit", "extract.tags.0", "rank.model", "rank.top", "quiet.any",
        "extrct", "bare",
    }  # fmt: skip
    assert "did you mean 'limit'" in found["extract.limt"]
    assert "did you mean 'extract'" in found["extrct"]
    assert len(caught.value.problems) == len(found)


@pytest.mark.parametrize("config", [None, [], "x", {"rank": None}, {"rank": []}])
def test_configs_of_the_wrong_shape(config: Any) -> None:
    with pytest.raises(InvalidConfig, match="object"):
        a_workflow().validate_config(config)


def test_a_config_that_no_database_keeps_is_refused_with_its_path() -> None:
    with pytest.raises(InvalidConfig, match=r"rank\.model: holds a NUL"):
        a_workflow().validate_config({"rank": {"model": "a\x00"}})


def test_a_default_that_breaks_its_own_type_is_found() -> None:
    class Sloppy(BaseModel):
        name: str = None

    @stage(id="sloppy")
    def sloppy(ctx: StageContext[NoInput, Sloppy]) -> int:
        return 1

    flow = WorkflowBuilder("flow", "Flow", input=NoInput).pipe(sloppy).build()
    with pytest.raises(InvalidConfig, match="sloppy"):
        flow.validate_config({})
    assert flow.validate_config({"sloppy": {"name": "x"}}) == {"sloppy": {"name": "x"}}


def test_a_config_that_forbids_extras_reports_each_once() -> None:
    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        n: int = 1

    @stage(id="closed")
    def closed(ctx: StageContext[NoInput, Closed]) -> int:
        return 1

    flow = WorkflowBuilder("flow", "Flow", input=NoInput).pipe(closed).build()
    with pytest.raises(InvalidConfig) as caught:
        flow.validate_config({"closed": {"m": 1}})
    assert [problem.path for problem in caught.value.problems] == ["closed.m"]


@pytest.mark.parametrize("given", [{"url": "u"}, Doc(url="u"), {"url": "u", "unknown": 1}, {"url": "u", "depth": "2"}])
def test_an_input_is_parsed_and_filled(given: Any) -> None:
    assert a_workflow().validate_input(given) == {"url": "u", "depth": 2}


def test_every_problem_of_an_input_is_listed() -> None:
    with pytest.raises(InvalidInput) as caught:
        a_workflow().validate_input({"depth": "deep"})
    assert [problem.path for problem in caught.value.problems] == ["url", "depth"]


def bad_values() -> Iterator[tuple[Any, str]]:
    yield {"url": "a\x00b"}, r"url: holds a NUL"
    yield {"url": "u", "more": [{"x": "\ud800"}]}, r"more\.0\.x: holds a lone surrogate"
    yield {"url": "u", "depth": float("nan")}, r"depth: nan"
    yield {"url": "u", "far": float("inf")}, r"far: inf"
    yield {"url": object()}, r"url: object is no JSON"
    deep: Any = "u"
    for _ in range(120):
        deep = [deep]
    yield {"url": deep}, "deeper than 100"
    yield {"url": "x" * (1024 * 1024)}, "bytes of JSON"
    yield None, "input"
    yield "text", "input"


@pytest.mark.parametrize(("given", "text"), bad_values())
def test_inputs_that_are_refused(given: Any, text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        a_workflow().validate_input(given)


def test_a_model_that_was_never_checked_is_checked_now() -> None:
    with pytest.raises(InvalidInput, match=r"depth: Input should be a valid integer"):
        a_workflow().validate_input(Doc.model_construct(url="u", depth="deep"))


def test_an_input_of_just_one_mebibyte_is_taken() -> None:
    room = 1024 * 1024 - len('{"url":""}')
    assert len(a_workflow().validate_input({"url": "x" * room})["url"]) == room


def test_no_input_takes_anything() -> None:
    @stage(id="only")
    def only(ctx: StageContext[NoInput, NoConfig]) -> int:
        return 1

    flow = WorkflowBuilder("flow", "Flow", input=NoInput).pipe(only).build()
    assert [flow.validate_input(value) for value in (None, "x", {"a": 1}, 3)] == [{}] * 4


def test_an_estimate_sums_what_the_stages_expect() -> None:
    flow = a_workflow()
    config = {"rank": {"model": "m"}}
    assert flow.estimate_cost({"url": "u", "depth": 4}, config) == Decimal("2.25")
    with pytest.raises(InvalidConfig, match=r"rank\.model"):
        flow.estimate_cost({"url": "u"})
    with pytest.raises(InvalidInput, match="url"):
        flow.estimate_cost({}, config)
