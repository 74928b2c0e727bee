"""Views and a small app for the widgets' own tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from textual.app import App, ComposeResult
from textual.message import Message
from textual.widget import Widget

from engine.inspector.views import LogLine, PlanStage, RunDetail, RunSummary, StageView
from engine.model.status import LogLevel, RunStatus, StageStatus

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2J[/b][red]\u202e\x00\x9b31m\u200b\ud800"
COLOURS = {
    "status-queued": "#808080",
    "status-running": "#00a0ff",
    "status-retrying": "#d0a000",
    "status-waiting": "#c0c000",
    "status-ok": "#00b000",
    "status-failed": "#ff2020",
    "status-cancelled": "#707070",
    "status-skipped": "#606060",
    "level-debug": "#707070",
    "level-info": "#a0a0a0",
    "level-warn": "#d0a000",
    "level-error": "#ff3030",
}


def summary(run_id: str, *, created_s_ago: float = 60, **changes: object) -> RunSummary:
    created = NOW - timedelta(seconds=created_s_ago)
    usual: dict[str, object] = {
        "id": run_id,
        "workflow_id": "document-processor",
        "workflow_name": "Document Processor",
        "status": RunStatus.RUNNING,
        "waiting": False,
        "priority": 5,
        "created_at": created,
        "started_at": created,
        "completed_at": None,
        "duration_ms": None,
        "current_stages": ["extract-text"],
        "progress": None,
        "attempt": 1,
        "tries": 1,
        "max_attempts": 3,
        "retry_at": None,
        "idle_ms": None,
        "idempotency_key": None,
        "definition": "d1",
        "worker_id": "w1",
        "total_cost": Decimal("0.412"),
        "total_tokens": 0,
        "error": None,
        "error_code": None,
        "error_fingerprint": None,
    }
    return RunSummary.model_validate(usual | changes)


def run_id(number: int) -> str:
    return f"r{number:07d}zzzzzzzzzzzz"


def summaries(numbers: Sequence[int], **changes: object) -> list[RunSummary]:
    """One run a number, the highest number being the newest."""
    return [summary(run_id(number), created_s_ago=100_000 - number, **changes) for number in numbers]


def stage(stage_id: str, group: int, status: StageStatus, **changes: object) -> StageView:
    started = None if status is StageStatus.PENDING else NOW - timedelta(seconds=30)
    usual: dict[str, object] = dict.fromkeys(StageView.model_fields)
    usual |= {"stage_id": stage_id, "name": stage_id.title(), "group": group, "number": 0, "status": status}
    usual |= {"attempt": 1, "tries": 1, "max_attempts": 3, "started_at": started, "polls": 0, "tokens": 0}
    usual |= {"cost": Decimal(0), "artifacts": [], "attempts": []}
    return StageView.model_validate(usual | changes)


def detail(groups: Sequence[Sequence[str]], stages: Sequence[StageView]) -> RunDetail:
    plan = [
        [
            PlanStage(stage_id=name, name=name.title(), group=at, number=row, mode="sync", max_attempts=3)
            for row, name in enumerate(group)
        ]
        for at, group in enumerate(groups)
    ]
    more: dict[str, Any] = {"input": None, "config": {}, "output": None, "metadata": {}}
    return RunDetail.model_validate(dict(summary(run_id(1))) | more | {"plan": plan, "stages": list(stages)})


def log_line(number: int, message: str | None = None, **changes: object) -> LogLine:
    usual: dict[str, object] = {
        "id": f"log{number:09d}",
        "run_id": run_id(1),
        "stage_id": "embed",
        "attempt": 3,
        "level": LogLevel.INFO,
        "message": f"line {number}" if message is None else message,
        "fields": {},
        "created_at": NOW + timedelta(milliseconds=number),
    }
    return LogLine.model_validate(usual | changes)


class WidgetApp(App[None]):
    """One widget, focused, with the theme variables that the console provides; keeps its messages."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.messages: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.widget

    def on_mount(self) -> None:
        self.widget.focus()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return COLOURS

    def hear(self, message: Message) -> None:
        """For `run_test(message_hook=…)`; a message is offered once a pump it passes."""
        if not any(message is known for known in self.messages):
            self.messages.append(message)

    def heard(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.messages if isinstance(message, kind)]


def screen_text(widget: Widget) -> list[str]:
    """The widget's lines as plain text, trailing blanks cut."""
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]
