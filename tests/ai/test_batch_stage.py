"""The ready-made stage around a batch, driven as the engine drives it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from memory_log import MemoryLog
from pydantic import BaseModel

from engine import BatchItem, BatchRequest, Completion, DefinitionError, NoConfig, StageContext, Suspend
from engine.ai import Providers, ai_batch_stage, create_ai_helper
from engine.blobs.memory import MemoryBlobStore
from engine.kernel.stage_storage import BlobStorage
from engine.testing import FakeAIProvider


class Lines(BaseModel):
    lines: list[str]


class Label(BaseModel):
    label: str


class Labelled(BaseModel):
    labels: list[str | None]


def requests(ctx: StageContext[Lines, NoConfig]) -> list[BatchRequest | str]:
    """Label every line."""
    return [BatchRequest(id=f"line-{number}", prompt=line) for number, line in enumerate(ctx.input.lines)]


async def collect(items: list[BatchItem], ctx: StageContext[Lines, NoConfig]) -> Labelled:
    return Labelled(labels=[item.object.label if item.object else item.error for item in items])


label_lines = ai_batch_stage(
    id="label-lines", model="test/m", requests=requests, collect=collect, schema=Label, poll_every=timedelta(seconds=9)
)


class Bench:
    """One stage of one run; each context is a delivery of its own."""

    def __init__(self, *lines: str) -> None:
        self.fake = FakeAIProvider({line: {"label": line.upper()} for line in lines})
        self.log = MemoryLog()
        self.lines = list(lines)
        self.blobs = MemoryBlobStore()

    def context(self, state: Any = None) -> StageContext[Lines, NoConfig]:
        return StageContext(
            run_id="r", workflow_id="w", stage_id="s", stage_name="S", stage_number=1, attempt=1,
            input=Lines(lines=self.lines), config=NoConfig(), idempotency_key="r:s:0",
            reporter=None, outputs=None,  # type: ignore[arg-type]
            storage=BlobStorage(self.blobs, "r", "s"), resume_state=state,
            ai=create_ai_helper("workflow.r.stage.s", self.log, providers=Providers(everything=self.fake)),
        )  # fmt: skip

    async def start(self) -> Any:
        return await label_lines.body(self.context())

    async def check(self, suspended: Suspend) -> Completion[Any]:
        assert label_lines.check is not None
        found: Completion[Any] = await label_lines.check(suspended.state, self.context(suspended.state))
        return found


async def test_it_hands_in_waits_and_collects() -> None:
    bench = Bench("a", "b")
    suspended = await bench.start()
    assert isinstance(suspended, Suspend)
    assert suspended.poll_every == timedelta(seconds=9)
    bench.fake.batch_status = "processing"
    assert (await bench.check(suspended)).kind == "waiting"
    bench.fake.batch_status = "completed"
    done = await bench.check(suspended)
    assert done.output == Labelled(labels=["A", "B"])
    assert (await bench.check(suspended)).output == done.output
    assert len(bench.log.rows) == len(bench.log.closed) == 2
    assert {(row.call_type, row.topic) for row in bench.log.rows} == {("batch", "workflow.r.stage.s")}


async def test_a_delivery_that_comes_again_hands_in_nothing_new() -> None:
    bench = Bench("a")
    first, again = await bench.start(), await bench.start()
    assert first.state == again.state
    assert len(bench.fake.calls) == 1


async def test_a_batch_that_failed_fails_the_stage_and_a_retry_makes_a_new_one() -> None:
    bench = Bench("a")
    suspended = await bench.start()
    bench.fake.batch_status = "failed"
    failed = await bench.check(suspended)
    assert failed.kind == "failed"
    assert "the batch failed" in (failed.error or "")
    again = await bench.start()
    assert again.state["batch_id"] != suspended.state["batch_id"]


async def test_items_that_failed_are_the_collectors_to_judge() -> None:
    bench = Bench("a", "b")
    bench.fake.respond("b", "no label")
    done = await bench.check(await bench.start())
    assert done.output is not None
    first, second = done.output.labels
    assert first == "A"
    assert "not the object asked for" in second


async def test_nothing_to_ask_is_no_batch() -> None:
    bench = Bench()
    assert await bench.start() == Labelled(labels=[])
    assert bench.fake.calls == []


def test_its_schemas_come_from_the_two_functions() -> None:
    assert label_lines.input.python_type is Lines
    assert label_lines.output.python_type is Labelled
    assert label_lines.description == "Label every line."
    with pytest.raises(DefinitionError, match="what collect returns"):
        ai_batch_stage(id="x", model="m", requests=requests, collect=lambda items, ctx: None)
