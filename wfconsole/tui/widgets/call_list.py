"""AI calls as a list: model, tokens, cost, latency, and how each ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from engine.inspector import AICallView
from wfconsole import formatting
from wfconsole.formatting import TimeMode
from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.line_list import LineList, Span, columns

_STATUS: Mapping[str, tuple[str, str, str, str]] = {
    "open": ("●", ">", "open", "status-running"),
    "ok": ("✓", "+", "ok", "status-ok"),
    "error": ("✗", "x", "error", "status-failed"),
    "interrupted": ("⊘", "/", "interrupted", "status-cancelled"),
}
_REUSED = ("↷", "=", "reused", "status-skipped")
_WIDE = 104
_TOKENS = -8


def call_status(call: AICallView, ascii_only: bool) -> tuple[str, str]:
    """Sign and word of how a call stands, and its colour."""
    sign, plain, word, style = _REUSED if call.reused else _STATUS.get(call.status, ("?", "?", call.status, "quiet"))
    return f"{plain if ascii_only else sign} {safe_text(word, limit=12)}", style


class CallList(LineList[AICallView]):
    """Oldest first; the cursor belongs to a call."""

    def __init__(self, *, id: str, ascii_only: bool = False) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self.empty_text = "No AI calls. Stages make them with ctx.ai; each has its tokens and cost."
        self._zone: tzinfo = UTC
        self._mode: TimeMode = "local"
        self._since: datetime | None = None

    def set_look(self, zone: tzinfo, mode: TimeMode, since: datetime) -> None:
        """In relative mode times count from `since`, the run's creation."""
        self._zone, self._mode = zone, mode
        self._since = since if mode == "relative" else None

    def key_of(self, item: AICallView) -> str:
        return item.id

    def _cells(self, width: int) -> list[tuple[str, int]]:
        numbers = [("IN", _TOKENS), ("OUT", _TOKENS), ("CACHED", _TOKENS), ("COST", _TOKENS), ("LATENCY", -7)]
        if width < _WIDE:
            numbers = [cell for cell in numbers if cell[0] != "CACHED"]
        fixed = [("TIME", -8)] if width >= _WIDE else []
        room = width - sum(abs(cells) + 1 for _, cells in (*numbers, *fixed)) - 13 - 2
        stage = max(6, min(22, room * 2 // 5))
        return [*fixed, ("STATUS", 13), ("STAGE", stage), ("MODEL", max(6, room - stage)), *numbers]

    def heading(self, width: int) -> list[Span]:
        return columns([(name, cells, "quiet") for name, cells in self._cells(width)], ascii_only=self.ascii_only)

    def spans_of(self, item: AICallView, width: int) -> list[Span]:
        stage = f"{safe_text(item.stage_id or formatting.NONE, limit=60)}"
        stage += f"#{item.attempt}" if item.attempt else ""
        over = item.status != "open"
        texts = {
            "TIME": (self._time(item.created_at), "quiet"),
            "STATUS": call_status(item, self.ascii_only),
            "STAGE": (stage, "label"),
            "MODEL": (safe_text(item.model, limit=80), "label"),
            "IN": (formatting.count(item.input_tokens), "label"),
            "OUT": (formatting.count(item.output_tokens), "label"),
            "CACHED": (formatting.count(item.cached_tokens), "quiet"),
            "COST": (formatting.money(item.cost) if over else formatting.NONE, "label"),
            "LATENCY": (formatting.duration(item.latency_ms), "quiet"),
        }
        cells = [(texts[name][0], wide, texts[name][1]) for name, wide in self._cells(width)]
        return columns(cells, ascii_only=self.ascii_only)

    def _time(self, moment: datetime) -> str:
        if self._since is None:
            return formatting.clock(moment, self._zone, self._mode)
        return f"+{formatting.duration((moment - self._since).total_seconds() * 1000)}"
