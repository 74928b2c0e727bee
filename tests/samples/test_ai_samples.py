"""The samples that ask models, on a kernel: answers, money, annotations, batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import CreateRun
from engine.hosts import ServerlessHost
from engine.inspector import RunDetail
from engine.testing import FakeAIProvider, FakeClock, make_kernel
from engine.testing.make_kernel import KernelForTests
from sample_workflows import WORKFLOWS
from sample_workflows.asking import MODEL_VARIABLE
from sample_workflows.ticket_triage import Classified, Mood

TICKET = {"subject": "Broken lamp", "body": "The lamp arrived broken. This is a terrible defect. I am angry."}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)


@pytest.fixture
async def kernel() -> AsyncIterator[KernelForTests]:
    made = make_kernel(WORKFLOWS, clock=FakeClock())
    yield made
    await made.close()


async def through(kernel: KernelForTests, workflow_id: str, given: Any, **config: Any) -> RunDetail:
    command = CreateRun(idempotency_key=workflow_id, workflow_id=workflow_id, input=given, config=config)
    run_id = (await kernel.dispatch(command)).run_id
    host = ServerlessHost(kernel, "w")
    clock = kernel.clock
    assert isinstance(clock, FakeClock)
    for _ in range(5):
        await host.run_maintenance_tick()
        await host.process_available_jobs(20)
        clock.advance(timedelta(seconds=10))
    return await kernel.inspector.run(run_id)


async def test_a_ticket_is_read_routed_and_noted(kernel: KernelForTests) -> None:
    run = await through(kernel, "ticket-triage", TICKET)
    assert run.status == "COMPLETED", run.error
    assert (run.output["category"], run.output["team"], run.output["urgent"]) == ("defect", "repairs", True)
    assert run.output["reply"].startswith("Thank you for writing")
    notes = {note.key: note.value for note in (await kernel.inspector.annotations(run.id)).items}
    assert notes == {"triage.category": "defect", "triage.urgent": True, "triage.team": "repairs"}
    rows = (await kernel.inspector.ai_calls(run.id)).items
    assert sorted((row.stage_id, row.call_type) for row in rows) == [
        ("classify", "object"),
        ("draft", "text"),
        ("mood", "object"),
    ]
    assert (run.total_cost, {row.model for row in rows}) == (0, {"offline/extractive"})
    assert run.total_tokens > 50


async def test_another_model_is_a_setting_or_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeAIProvider({"Classify this ticket": {"category": "billing", "product": "lamp"}})
    provider.respond("sentiment", {"sentiment": "neutral", "reason": "polite"})
    kernel = make_kernel(WORKFLOWS, clock=FakeClock(), ai=provider)
    monkeypatch.setenv(MODEL_VARIABLE, "openai/gpt-5-mini")
    run = await through(kernel, "ticket-triage", TICKET, draft={"model": "anthropic/claude"})
    assert run.status == "COMPLETED", run.error
    assert run.output["team"] == "accounts"
    rows = (await kernel.inspector.ai_calls(run.id)).items
    assert {row.stage_id: row.model for row in rows} == {
        "classify": "openai/gpt-5-mini",
        "mood": "openai/gpt-5-mini",
        "draft": "anthropic/claude",
    }
    assert run.total_cost == sum(row.cost or 0 for row in rows)
    assert run.config["classify"]["model"] == "openai/gpt-5-mini"
    await kernel.close()


def test_the_objects_are_what_the_stages_declare() -> None:
    assert Classified.model_validate({"category": "question"}).product == ""
    assert Mood.model_validate({"sentiment": "neutral", "reason": ""}).reason == ""


async def test_texts_are_labelled_in_one_batch(kernel: KernelForTests) -> None:
    texts = ["The lamp is great and easy. I love it.", "It is broken, slow and terrible.", "It is a lamp."]
    run = await through(kernel, "bulk-classify", {"texts": texts}, classify={"model": "offline/demo"})
    assert run.status == "COMPLETED", run.error
    assert [one["label"] for one in run.output["labelled"]] == ["positive", "negative", "neutral"]
    assert run.output["counts"] == {"positive": 1, "negative": 1, "neutral": 1}
    rows = (await kernel.inspector.ai_calls(run.id)).items
    assert {(row.call_type, row.status, row.stage_id) for row in rows} == {("batch", "ok", "classify")}
    assert len({row.batch_id for row in rows}) == 1
    assert len(rows) == 3
    assert run.total_cost == sum(row.cost or 0 for row in rows)
    assert run.total_cost
    assert run.stages[0].polls == 1


async def test_labels_of_ones_own_and_answers_that_are_none(kernel: KernelForTests) -> None:
    given = {"texts": ["a delivery question"], "labels": ["delivery", "defect"]}
    run = await through(kernel, "bulk-classify", given)
    assert run.output["counts"] == {"delivery": 1}
    refused = make_kernel(WORKFLOWS, clock=FakeClock(), ai=FakeAIProvider(default="no idea"))
    run = await through(refused, "bulk-classify", given)
    assert run.output["counts"] == {"unsure": 1}
    await refused.close()


async def test_a_document_is_summarised_by_a_model(kernel: KernelForTests, tmp_path: Path) -> None:
    path = tmp_path / "doc.md"
    path.write_text("# Lamp\n\nThe keeper trims the lamp. The lamp guides ships. Ships need the lamp.\n")
    run = await through(kernel, "document-processor", {"url": str(path)}, summary={"model": "offline/demo"})
    assert run.status == "COMPLETED", run.error
    (row,) = (await kernel.inspector.ai_calls(run.id)).items
    assert (row.stage_id, row.model, row.cost) == ("summary", "offline/demo", run.total_cost)
    assert run.total_cost
    (line,) = [one for one in (await kernel.inspector.logs(run.id)).items if one.message == "summarised"]
    assert line.fields["tokens"] == row.input_tokens + row.output_tokens


async def test_nothing_to_read_is_nothing_to_ask(kernel: KernelForTests, tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("\n")
    run = await through(kernel, "document-processor", {"url": str(tmp_path / "empty.md")})
    assert run.status == "COMPLETED", run.error
    assert (await kernel.inspector.ai_calls(run.id)).items == []
