"""The side panel of Runs: the run under the cursor in a few lines, so that most questions need no key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from textual.content import Content

from engine.inspector import Explanation, LogLine, RunDetail, StageStatus
from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.layout.stage_graph import layout, nodes_of
from wfconsole.tui.widgets.line import Line, Part, line_of

TAIL = 6
"""Log lines shown."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What is known of one run: the run, why it is where it is, its last log lines (oldest first)."""

    run: RunDetail
    explanation: Explanation
    lines: Sequence[LogLine]


def preview_content(view: Preview, now: datetime, zone: tzinfo, width: int, ascii_only: bool) -> Content:
    """The panel's text, `width` cells wide."""
    run = view.run
    status = formatting.STATUS[formatting.state_of(run)]
    parts: list[Part | str] = [
        (formatting.short_id(run.id), "bold"),
        f"  {safe_text(run.workflow_id, limit=width)}\n",
    ]
    parts += [(status.label(ascii_only), f"${status.variable}")]
    parts += [(f"  {formatting.duration(formatting.run_ms(run, now))}", "$quiet"), "\n"]
    # Why a run failed says its error again.
    if run.error and view.explanation.code != "failed":
        parts += [(safe_text(run.error, limit=width * 3), "$status-failed"), "\n"]
    parts.append("\n")
    for line in layout(nodes_of(run, now), width, focus=None, ascii_only=ascii_only).lines:
        parts += [(text, _graph_style(style)) for text, style in line]
        parts.append("\n")
    progress = next((stage for stage in run.stages if stage.status == StageStatus.RUNNING), None)
    if progress is not None and progress.progress_message:
        parts += [(safe_text(progress.progress_message, limit=width), "$quiet"), "\n"]
    why = safe_text(view.explanation.summary, limit=width * 8)
    parts += ["\n", ("why: ", "$quiet"), (why, "$status-failed" if run.error else ""), "\n\n"]
    for entry in view.lines[-TAIL:]:
        clock = formatting.clock(entry.created_at, zone, "local")
        level = f"$level-{entry.level.lower()}"
        message = safe_text(entry.message, limit=max(10, width - 10))
        parts += [(f"{clock} ", "$quiet"), (message, level if entry.level in ("WARN", "ERROR") else ""), "\n"]
    return line_of(*parts)


def _graph_style(style: str) -> str:
    if style.startswith("status-"):
        return f"${style}"
    return {"border": "$quiet", "edge": "$quiet", "detail": "$quiet", "focus": "bold"}.get(style, "")


class RunPreview(Line):
    """Shows a `Preview`, or why there is none."""

    DEFAULT_CSS = "RunPreview { height: 1fr; }"

    def __init__(self, ascii_only: bool) -> None:
        super().__init__(id="preview")
        self._ascii_only = ascii_only

    def tell(self, view: Preview | None, now: datetime, zone: tzinfo) -> None:
        width = self.content_size.width
        if view is None or width < 10:
            self.show(Content(""))
        else:
            self.show(preview_content(view, now, zone, width, self._ascii_only))
