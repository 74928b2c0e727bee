"""The context: reading outputs, speaking to the engine, and crossing from a thread to the loop."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from engine import EngineError, NoConfig, NoInput, StageContext, StageOutputMissing, stage
from engine.model.json import Json, NotJson, dumps
from engine.model.status import LogLevel


class Text(BaseModel):
    text: str


@stage(id="extract")
def extract(ctx: StageContext[NoInput, NoConfig]) -> Text:
    return Text(text="")


@stage(id="count")
def count(ctx: StageContext[NoInput, NoConfig]) -> int | None:
    return 0


class Recorder:
    def __init__(self) -> None:
        self.lines: list[tuple[LogLevel, str, Mapping[str, Json]]] = []
        self.steps: list[tuple[float, str, Mapping[str, Json]]] = []
        self.facts: dict[str, Json] = {}
        self.cancelled = False

    def log(self, level: LogLevel, message: str, fields: Mapping[str, Json]) -> None:
        self.lines.append((level, message, fields))

    def progress(self, fraction: float, message: str, details: Mapping[str, Json]) -> None:
        self.steps.append((fraction, message, details))

    def annotate(self, key: str, value: Json) -> None:
        self.facts[key] = value


class Kept:
    def __init__(self, outputs: dict[str, Json]) -> None:
        self.outputs = outputs

    def read(self, stage_id: str) -> Json:
        return self.outputs[stage_id]

    def stage_ids(self) -> list[str]:
        return list(self.outputs)


class Shelf:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def put(self, key: str, value: Any) -> None:
        self.kept[key] = value

    async def get(self, key: str) -> Any:
        return self.kept[key]

    async def has(self, key: str) -> bool:
        return key in self.kept

    async def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    async def list(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self.kept if key.startswith(prefix))


def a_context(outputs: dict[str, Json] | None = None, **more: Any) -> StageContext[NoInput, NoConfig]:
    fields: dict[str, Any] = {
        "run_id": "r",
        "workflow_id": "w",
        "stage_id": "s",
        "stage_name": "S",
        "stage_number": 2,
        "attempt": 1,
        "input": NoInput(),
        "config": NoConfig(),
        "resume_state": None,
        "idempotency_key": "r:s",
        "reporter": Recorder(),
        "outputs": Kept(outputs or {}),
        "storage": Shelf(),
        "ai": None,
        "loop": None,
    }
    return StageContext(**{**fields, **more})


def recorder(ctx: StageContext[Any, Any]) -> Recorder:
    found = ctx._reporter
    assert isinstance(found, Recorder)
    return found


def test_require_by_stage_is_typed_and_by_id_is_json() -> None:
    ctx = a_context({"extract": {"text": "hi"}})
    assert ctx.require(extract) == Text(text="hi")
    assert ctx.require("extract") == {"text": "hi"}


@pytest.mark.parametrize("present", [0, None])
def test_falsy_outputs_are_present(present: Any) -> None:
    ctx = a_context({"count": present, "other": "", "flag": False})
    assert ctx.require(count) == present
    assert ctx.optional(count) == present
    assert ctx.require("count") == present
    assert ctx.require("other") == ""
    assert ctx.require("flag") is False


def test_a_missing_output_names_what_is_there() -> None:
    ctx = a_context({"a": 1, "b": 2})
    with pytest.raises(StageOutputMissing, match=r"no output of stage 'extract'; available: a, b"):
        ctx.require(extract)
    assert ctx.optional(extract) is None
    assert ctx.optional("nope") is None


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("info", "INFO"),
        ("Warn", "WARN"),
        ("WARNING", "WARN"),
        ("debug", "DEBUG"),
        ("ERROR", "ERROR"),
        ("loud", "INFO"),
    ],
)
def test_log_levels_in_any_case(word: str, level: str) -> None:
    ctx = a_context()
    ctx.log(word, "text", n=1)
    assert recorder(ctx).lines == [(LogLevel(level), "text", {"n": 1})]


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def test_log_takes_any_message_and_any_field() -> None:
    ctx = a_context()
    loop: list[Any] = []
    loop.append(loop)
    ctx.log("INFO", 7)
    ctx.log("INFO", Unspeakable(), it=Unspeakable())
    ctx.log(
        "INFO",
        "a\x00b\ud800",
        when=datetime(2026, 1, 1, tzinfo=UTC),
        text=Text(text="x"),
        raw=b"\xff",
        gone=math.nan,
        nul="\x00",
        loop=loop,
        mixed={"deep": [Unspeakable(), math.inf]},
    )
    lines = recorder(ctx).lines
    assert [line[1] for line in lines] == ["7", "<Unspeakable>", "a\ufffdb\ufffd\ufffd\ufffd"]
    fields = lines[2][2]
    assert (fields["when"], fields["text"], fields["gone"]) == ("2026-01-01T00:00:00Z", {"text": "x"}, "NaN")
    assert (fields["nul"], fields["mixed"]) == ("\ufffd", {"deep": ["<Unspeakable>", "Infinity"]})
    for line in lines:
        assert dumps(line[2])


@pytest.mark.parametrize(
    ("given", "kept"),
    [(0.5, 0.5), (-1, 0), (7, 1), (math.nan, 0), (math.inf, 1), ("0.25", 0.25), ("half", 0), (None, 0)],
)
def test_progress_is_clamped_and_never_raises(given: Any, kept: float) -> None:
    ctx = a_context()
    ctx.progress(given, "on it", page=3)
    assert recorder(ctx).steps == [(kept, "on it", {"page": 3})]


def test_annotations_are_json_and_none_is_dropped() -> None:
    ctx = a_context()
    ctx.annotate("model", Text(text="x"))
    ctx.annotate("nothing", None)
    ctx.annotate("zero", 0)
    assert recorder(ctx).facts == {"model": {"text": "x"}, "zero": 0}
    with pytest.raises(NotJson):
        ctx.annotate("bad", math.nan)
    with pytest.raises(ValueError, match="key"):
        ctx.annotate("", 1)


def test_cancelled_follows_the_reporter() -> None:
    ctx = a_context()
    assert not ctx.cancelled
    recorder(ctx).cancelled = True
    assert ctx.cancelled


def test_ai_without_a_helper_says_so() -> None:
    with pytest.raises(EngineError, match="no AI helper configured"):
        _ = a_context().ai
    helper = object()
    assert a_context(ai=helper).ai is helper


async def test_block_on_runs_on_the_loop_from_a_thread() -> None:
    ctx = a_context(loop=asyncio.get_running_loop())
    threads: list[int] = []

    async def store() -> str:
        threads.append(threading.get_ident())
        await ctx.storage.put("k", b"v")
        return "stored"

    async def fails() -> None:
        raise KeyError("gone")

    assert await asyncio.to_thread(lambda: ctx.block_on(store())) == "stored"
    assert threads == [threading.get_ident()]
    assert await ctx.storage.get("k") == b"v"
    with pytest.raises(KeyError, match="gone"):
        await asyncio.to_thread(lambda: ctx.block_on(fails()))


async def test_block_on_refuses_where_it_could_never_end() -> None:
    ctx = a_context(loop=asyncio.get_running_loop())
    with pytest.raises(RuntimeError, match="await the coroutine instead"):
        ctx.block_on(ctx.storage.has("k"))
    with pytest.raises(RuntimeError, match="no event loop"):
        a_context().block_on(ctx.storage.has("k"))
