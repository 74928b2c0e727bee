"""What a type checker infers of stages and of `ctx.require`."""

from __future__ import annotations

import re
from pathlib import Path

from mypy import api

SOURCE = """
from typing import Any
from pydantic import BaseModel
from engine import Completion, StageContext, StageResult, Suspend, WorkflowBuilder, async_batch_stage, stage

class Doc(BaseModel):
    url: str
class Cfg(BaseModel):
    n: int = 1
class Text(BaseModel):
    text: str

@stage(id="a")
async def coroutine(ctx: StageContext[Doc, Cfg]) -> Text:
    return Text(text=ctx.input.url * ctx.config.n)

@stage(id="b")
def plain(ctx: StageContext[Doc, Cfg]) -> Text:
    return Text(text="")

@stage(id="c")
async def result(ctx: StageContext[Doc, Cfg]) -> StageResult[Text]:
    return StageResult(output=Text(text=""), metrics={"n": 1})

@stage(id="d")
def plain_result(ctx: StageContext[Doc, Cfg]) -> Text | StageResult[Text]:
    return StageResult(Text(text=""))

@stage(id="e", retry=None)
def union(ctx: StageContext[Doc, Cfg]) -> list[int] | None:
    return None

@async_batch_stage(id="f")
async def batch(ctx: StageContext[Doc, Cfg]) -> Text | Suspend:
    return Suspend(state={})

@batch.check_completion
async def check(state: Any, ctx: StageContext[Doc, Cfg]) -> Completion[Text]:
    return Completion.ready(Text(text="")) if state else Completion.waiting()

@async_batch_stage(id="g")
def batch_result(ctx: StageContext[Doc, Cfg]) -> StageResult[Text] | Suspend:
    return Suspend(state={})

@stage(id="h")
def reader(ctx: StageContext[Doc, Cfg]) -> int:
    reveal_type(ctx.require(coroutine))
    reveal_type(ctx.require(plain))
    reveal_type(ctx.require(result))
    reveal_type(ctx.require(plain_result))
    reveal_type(ctx.require(union))
    reveal_type(ctx.require(batch))
    reveal_type(ctx.require(batch_result))
    reveal_type(ctx.require("a"))
    reveal_type(ctx.optional(coroutine))
    reveal_type(ctx.input)
    reveal_type(coroutine)
    reveal_type(ctx.block_on(ctx.storage.has("k")))
    return 1

flow = WorkflowBuilder("w", "W", input=Doc).pipe(coroutine).parallel([plain, batch]).build()
"""

REVEALED = [
    "author.Text",
    "author.Text",
    "author.Text",
    "author.Text",
    "list[int] | None",
    "author.Text",
    "author.Text",
    "Any",
    "author.Text | None",
    "author.Doc",
    "engine.definition.stage.Stage[author.Doc, author.Cfg, author.Text]",
    "bool",
]


def check_source(tmp_path: Path, source: str) -> tuple[str, int]:
    author = tmp_path / "author.py"
    author.write_text(source)
    root = Path(__file__).parents[2]
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nstrict = True\nfollow_imports = silent\nmypy_path = {root}\n")
    arguments = ["--config-file", str(settings), "--cache-dir", str(tmp_path / "cache"), "--no-error-summary"]
    said, trouble, code = api.run([*arguments, str(author)])
    assert trouble == ""
    return said, code


def test_the_output_type_travels_through_require(tmp_path: Path) -> None:
    said, code = check_source(tmp_path, SOURCE)
    assert code == 0, said
    assert re.findall(r'Revealed type is "(.*)"', said) == REVEALED


def test_a_wrong_use_is_an_error(tmp_path: Path) -> None:
    said, code = check_source(tmp_path, SOURCE + "\ncoroutine.check_completion(3)\n"
                              "@stage(id='z')\ndef wrong(ctx: StageContext[Doc, Cfg]) -> int:\n"
                              "    return ctx.require(coroutine)\n")  # fmt: skip
    assert code == 1
    assert 'got "Text", expected "int"' in said
    assert "check_completion" in said or "Check" in said
