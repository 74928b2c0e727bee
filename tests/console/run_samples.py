"""A failed run told in full: its attempts, its history, its AI calls, what operators did."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from console_samples import detail, log_line, run_id_of, summary
from fake_gateway import FakeGateway

from engine.inspector import (
    AICallView,
    AnnotationView,
    ArtifactView,
    AttemptValues,
    AttemptView,
    AuditView,
    EventView,
    RunDetail,
)
from engine.model.status import Delivery, RunStatus, StageStatus

RUN = run_id_of(1)
FAILED, DONE = StageStatus.FAILED, StageStatus.COMPLETED


def began() -> datetime:
    started = summary(1, RunStatus.FAILED).started_at
    assert started is not None
    return started


def at(seconds: float) -> datetime:
    return began() + timedelta(seconds=seconds)


def attempt(number: int, start: float, end: float, status: StageStatus = FAILED, **changes: Any) -> AttemptView:
    values: dict[str, Any] = {
        "attempt": number,
        "generation": 0,
        "queued_at": at(start),
        "started_at": at(start),
        "completed_at": at(end),
        "status": status,
        "error": "AIRateLimited: 429" if status is FAILED else None,
        "worker_id": "box-1:4242",
        "cost": Decimal("0.02"),
        "wasted": Decimal("0.02") if status is FAILED else Decimal(0),
    }
    return AttemptView(**(values | changes))


def failed_run() -> RunDetail:
    """fetch, then ocr beside parse, then embed, which failed twice; publish was never reached."""
    run = detail(summary(1, RunStatus.FAILED))
    times = {"fetch": (0.0, 1.0), "ocr": (1.0, 2.0), "parse": (1.0, 1.4)}
    stages = []
    for stage in run.stages:
        if stage.stage_id in times:
            start, end = times[stage.stage_id]
            moving = {"attempts": [attempt(1, start, end, DONE)], "started_at": at(start), "completed_at": at(end)}
            stages.append(stage.model_copy(update=moving))
        else:
            file = ArtifactView(name="page.md", media_type="text/markdown", size=9, digest="d", created_at=at(4))
            tries = {"attempts": [attempt(1, 2, 3), attempt(2, 4, 5, queued_at=at(2))], "attempt": 2, "tries": 2}
            stages.append(stage.model_copy(update={**tries, "started_at": at(4), "artifacts": [file]}))
    ended = {"completed_at": at(5), "duration_ms": 5000, "stages": stages}
    return run.model_copy(update=ended)


def event(sequence: int, kind: str, seconds: float, stage_id: str = "", **payload: Any) -> EventView:
    about = {"stage_id": stage_id} if stage_id else {}
    return EventView(
        id=f"e{sequence}", run_id=RUN, sequence=sequence, type=kind, occurred_at=at(seconds), causation_id="c",
        delivery=Delivery.DELIVERED, published_at=None, retry_count=0, next_attempt_at=None, dead_at=None,
        last_error=None, sink=None, fingerprint=None, payload={**about, **payload},
    )  # fmt: skip


def history() -> list[EventView]:
    told = [
        ("workflow:created", -1.0, "", {"workflow_id": "summarise-docs"}),
        ("workflow:started", 0.0, "", {}),
        ("stage:started", 0.0, "fetch", {"attempt": 1}),
        ("stage:completed", 1.0, "fetch", {"duration_ms": 1000}),
        ("stage:started", 1.0, "ocr", {"attempt": 1}),
        ("stage:started", 1.0, "parse", {"attempt": 1}),
        ("stage:completed", 1.4, "parse", {"duration_ms": 400}),
        ("stage:completed", 2.0, "ocr", {"duration_ms": 1000}),
        ("stage:started", 2.0, "embed", {"attempt": 1}),
        ("stage:failed", 3.0, "embed", {"error": "AIRateLimited: 429"}),
        ("stage:retrying", 3.0, "embed", {"attempt": 1, "error": "AIRateLimited: 429", "due_at": at(4).isoformat()}),
        ("stage:started", 4.0, "embed", {"attempt": 2}),
        ("stage:failed", 5.0, "embed", {"error": "AIRateLimited: 429"}),
        ("workflow:failed", 5.0, "", {"error": "AIRateLimited: 429"}),
    ]
    return [event(number, kind, when, stage, **more) for number, (kind, when, stage, more) in enumerate(told, start=1)]


def call(number: int, **changes: Any) -> AICallView:
    values: dict[str, Any] = dict.fromkeys(AICallView.model_fields)
    values |= {"id": f"call{number}", "run_id": RUN, "workflow_id": "summarise-docs", "stage_id": "embed"}
    values |= {"attempt": number, "topic": "workflow.x.stage.embed", "call_type": "text", "model": "openai/gpt-5-mini"}
    values |= {"provider": "openai", "input_tokens": 1200, "output_tokens": 40, "cached_tokens": 1024}
    values |= {"reasoning_tokens": 0, "cost": Decimal("0.02"), "latency_ms": 3200, "status": "ok", "reused": False}
    values |= {"prompt": f"Embed part {number}", "response": "done", "created_at": at(number)}
    return AICallView(**(values | changes))


def action(number: int, command: str, seconds: float, **changes: Any) -> AuditView:
    values: dict[str, Any] = {
        "id": str(number), "created_at": at(seconds), "actor": "ann", "command": command, "target": RUN, "run_id": RUN,
        "reason": None, "before": None, "after": None, "idempotency_key": None,
    }  # fmt: skip
    return AuditView(**(values | changes))


def note(number: int, text: str, seconds: float) -> AnnotationView:
    return AnnotationView(
        id=str(number), run_id=RUN, key="note", value=text, scope="run", scope_id=None, attempt=None, actor="ann",
        actor_kind="human", actor_version=None, payload=None, created_at=at(seconds),
    )  # fmt: skip


def values(number: int, status: StageStatus = FAILED, **changes: Any) -> AttemptValues:
    told: dict[str, Any] = {
        "attempt": number, "generation": 0, "status": status, "input": {"part": number}, "output": None,
        "config": {"size": "small"}, "error": "AIRateLimited: 429", "error_code": "AIRateLimited",
    }  # fmt: skip
    return AttemptValues(**(told | changes))


def told_run() -> FakeGateway:
    """A gateway that knows all about the failed run."""
    gateway = FakeGateway()
    inspector = gateway.inspector
    whole = failed_run()
    kept = ("completed_at", "duration_ms", "stages", "total_tokens")
    inspector.changes[RUN] = {name: getattr(whole, name) for name in kept}
    inspector.history = history()
    inspector.ai = [call(1, status="error", error="AIRateLimited: 429", response=None), call(2)]
    inspector.actions = [action(1, "run.retryFailed", 3.5, reason="after the outage")]
    inspector.notes = [note(1, "asked the vendor", 4.5)]
    inspector.values = {"embed": [values(1), values(2, error="AIRateLimited: 429 again")]}
    inspector.files = {"page.md": b"# Page 1\n"}
    gateway.log(log_line(1, RUN))
    return gateway
