"""Views as the inspector would give them, at a frozen noon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.inspector.views import (
    AttemptView,
    EventView,
    LogLine,
    PlanStage,
    RunDetail,
    RunSummary,
    StageView,
)
from engine.model.status import Delivery, LogLevel, RunStatus, StageStatus

NOON = datetime(2026, 11, 23, 12, 4, 33, tzinfo=UTC)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PLAN = (
    (("fetch", "Fetch"),),
    (("ocr", "Read the scan"), ("parse", "Parse")),
    (("embed", "Embed"),),
    (("publish", "Publish"),),
)


def run_id_of(number: int) -> str:
    """A valid run id whose first characters tell runs apart."""
    text, rest = "", number * 7919 + 1_000_003
    for _ in range(20):
        text, rest = text + ALPHABET[rest % 32], rest // 32 + 17 * (number + 3)
    return text


def plan() -> list[list[PlanStage]]:
    rows, number = [], 0
    for group, stages in enumerate(PLAN):
        row = []
        for stage_id, name in stages:
            number += 1
            row.append(PlanStage(stage_id=stage_id, name=name, group=group, number=number, mode="sync", max_attempts=3))
        rows.append(row)
    return rows


def summary(number: int, status: RunStatus = RunStatus.RUNNING, **changes: Any) -> RunSummary:
    """A run created `number` minutes before NOON."""
    created = NOON - timedelta(minutes=number)
    ended = status in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)
    started = None if status is RunStatus.PENDING else created + timedelta(seconds=1)
    values: dict[str, Any] = {
        "id": run_id_of(number),
        "workflow_id": "invoice-extract" if number % 3 == 2 else "summarise-docs",
        "workflow_name": "Summarise documents",
        "status": status,
        "waiting": False,
        "priority": 5,
        "created_at": created,
        "started_at": started,
        "completed_at": started + timedelta(milliseconds=4_210 + 830 * number) if started and ended else None,
        "duration_ms": None if started is None else 4_210 + 830 * number,
        "current_stages": [] if status is RunStatus.PENDING or ended else ["ocr", "parse"][: 1 + number % 2],
        "progress": 0.4,
        "attempt": 1,
        "tries": 0 if status is RunStatus.PENDING else 1,
        "max_attempts": 3,
        "retry_at": None,
        "idle_ms": None,
        "idempotency_key": f"doc:{8812 + number}",
        "definition": "f00dcafe",
        "worker_id": None if ended or status is RunStatus.PENDING else "box-1:4242",
        "total_cost": Decimal(0) if status is RunStatus.PENDING else Decimal("0.118") + Decimal(number) / 100,
        "total_tokens": 1200,
        "error": None,
        "error_code": None,
        "error_fingerprint": None,
    }
    if status is RunStatus.FAILED:
        values |= {
            "current_stages": ["embed"],
            "tries": 3,
            "error": "AIRateLimited: 429 from openai, retry_after=20s",
        }
        values |= {"error_code": "AIRateLimited", "error_fingerprint": "fp1"}
    return RunSummary(**(values | changes))


def stage_view(planned: PlanStage, status: StageStatus, run: RunSummary, **changes: Any) -> StageView:
    began = run.started_at
    assert began is not None
    values: dict[str, Any] = {
        "stage_id": planned.stage_id,
        "name": planned.name,
        "group": planned.group,
        "number": planned.number,
        "status": status,
        "attempt": 1,
        "tries": 1,
        "max_attempts": 3,
        "queued_at": began,
        "started_at": began,
        "completed_at": began + timedelta(milliseconds=2_100) if status is StageStatus.COMPLETED else None,
        "duration_ms": 2_100 if status is StageStatus.COMPLETED else 300,
        "retry_at": None,
        "worker_id": "box-1:4242",
        "input": {"url": "file:///README.md"},
        "output": {"words": 1204, "big": 2**70} if status is StageStatus.COMPLETED else None,
        "config": {"max_length": 50_000},
        "error": None,
        "error_code": None,
        "progress": 0.5 if status is StageStatus.RUNNING else None,
        "progress_message": "half way" if status is StageStatus.RUNNING else None,
        "next_poll_at": None,
        "last_poll_at": None,
        "polls": 0,
        "max_wait_until": None,
        "cost": Decimal("0.05"),
        "tokens": 600,
        "metrics": None,
        "artifacts": [],
        "attempts": [],
    }
    return StageView(**(values | changes))


def stages_of(run: RunSummary, rows: Sequence[Sequence[PlanStage]]) -> list[StageView]:
    if run.status is RunStatus.PENDING:
        return []
    done, failed, running = StageStatus.COMPLETED, StageStatus.FAILED, StageStatus.RUNNING
    flat = [stage for row in rows for stage in row]
    if run.status is RunStatus.COMPLETED:
        return [stage_view(stage, done, run) for stage in flat]
    if run.status is RunStatus.FAILED:
        broken = {"tries": 3, "attempt": 3, "error": run.error, "error_code": run.error_code}
        tries = [
            AttemptView(
                attempt=number,
                generation=0,
                queued_at=run.started_at,
                started_at=run.started_at,
                completed_at=NOON,
                status=failed,
                error=run.error,
                worker_id="box-1:4242",
                cost=Decimal("0.02"),
                wasted=Decimal("0.02"),
            )
            for number in (1, 2, 3)
        ]
        return [
            *(stage_view(stage, done, run) for stage in flat[:3]),
            stage_view(flat[3], failed, run, **broken, attempts=tries),
        ]
    if run.status is RunStatus.CANCELLED:
        return [stage_view(flat[0], done, run), stage_view(flat[1], StageStatus.CANCELLED, run)]
    return [stage_view(flat[0], done, run), stage_view(flat[1], running, run), stage_view(flat[2], done, run)]


def detail(run: RunSummary) -> RunDetail:
    rows = plan()
    return RunDetail(
        **run.model_dump(),
        input={"url": "file:///README.md"},
        config={"ocr": {"language": "en"}},
        output={"title": "Read me"} if run.status is RunStatus.COMPLETED else None,
        metadata={},
        plan=rows,
        stages=stages_of(run, rows),
    )


def log_line(number: int, run_id: str, message: str = "", level: LogLevel = LogLevel.INFO, **changes: Any) -> LogLine:
    values: dict[str, Any] = {
        "id": f"{number:020d}",
        "run_id": run_id,
        "stage_id": "ocr",
        "attempt": 1,
        "level": level,
        "message": message or f"page {number} read",
        "fields": {"page": number},
        "created_at": NOON - timedelta(seconds=60 - number),
    }
    return LogLine(**(values | changes))


def dead_letter(number: int, **changes: Any) -> EventView:
    values: dict[str, Any] = {
        "id": f"e{number:019d}",
        "run_id": run_id_of(number),
        "sequence": 7,
        "type": "workflow:failed",
        "occurred_at": NOON - timedelta(minutes=number),
        "causation_id": "c1",
        "delivery": Delivery.DEAD,
        "published_at": None,
        "retry_count": 3,
        "next_attempt_at": None,
        "dead_at": NOON,
        "last_error": "FileNotFoundError: no inbox",
        "sink": "flaky-import-notifier",
        "fingerprint": "fp9",
        "payload": {"error": "boom"},
    }
    return EventView(**(values | changes))


def mixed_runs(number: int = 12) -> list[RunSummary]:
    """Newest first: a bit of everything."""
    kinds = (
        (RunStatus.RUNNING, {}),
        (RunStatus.FAILED, {}),
        (RunStatus.PENDING, {}),
        (RunStatus.RUNNING, {"retry_at": NOON + timedelta(seconds=9), "tries": 2}),
        (RunStatus.RUNNING, {"waiting": True}),
        (RunStatus.COMPLETED, {}),
        (RunStatus.CANCELLED, {}),
    )
    return [summary(at, kinds[at % 7][0], **kinds[at % 7][1]) for at in range(number)]
