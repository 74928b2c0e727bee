"""A run's history as a list: events with their delivery, what operators did, notes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from wfconsole import formatting
from wfconsole.formatting import TimeMode
from wfconsole.safe_text import safe_text
from wfconsole.tui.layout.history import Entry, Kind
from wfconsole.tui.widgets.line_list import LineList, Span, columns

_DELIVERY: Mapping[str, tuple[str, str, str]] = {
    "pending": ("◌", ".", "status-queued"),
    "delivered": ("✓", "+", "status-ok"),
    "dead": ("☠", "D", "status-failed"),
    "discarded": ("⊘", "/", "status-cancelled"),
}
"""Sign, ASCII sign and colour of how an event's delivery stands."""

_SUBJECT = 18
_TITLE = 20
_NARROW = 100


class HistoryList(LineList[Entry]):
    """Entries, oldest first. `past` is the sequence of the event that the run is shown as of."""

    def __init__(self, *, id: str, ascii_only: bool = False) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self.empty_text = "Nothing happened yet."
        self.follows_end = True
        self._zone: tzinfo = UTC
        self._mode: TimeMode = "local"
        self._since: datetime | None = None
        self._past: int | None = None

    def set_look(self, zone: tzinfo, mode: TimeMode, since: datetime, past: int | None) -> None:
        """In relative mode times count from `since`, the run's creation: ages say little of what lies close."""
        self._zone, self._mode, self._past = zone, mode, past
        self._since = since if mode == "relative" else None

    def _time(self, moment: datetime) -> str:
        if self._since is None:
            return formatting.clock(moment, self._zone, self._mode)
        return f"+{formatting.duration((moment - self._since).total_seconds() * 1000)}"

    def key_of(self, item: Entry) -> str:
        return item.key

    def heading(self, width: int) -> list[Span]:
        names = ("", "#", "TIME", "WHAT", "STAGE OR WHO", "")
        cells = [(name, cells, "quiet") for name, (_, cells) in zip(names, self._cells(width), strict=True)]
        return columns(cells, ascii_only=self.ascii_only)

    def _cells(self, width: int) -> list[tuple[str, int]]:
        subject = _SUBJECT if width >= _NARROW else 12
        rest = max(1, width - 2 - 5 - 9 - _TITLE - 1 - subject - 1 - 1)
        return [("sign", 1), ("number", -4), ("time", -8), ("title", _TITLE), ("subject", subject), ("what", rest)]

    def spans_of(self, item: Entry, width: int) -> list[Span]:
        later = self._past is not None and (item.sequence or 0) > self._past
        texts = {
            "sign": self._sign(item),
            "number": (str(item.sequence) if item.sequence else "", "quiet"),
            "time": (self._time(item.at), "quiet"),
            "title": (safe_text(item.title, limit=60), _title_style(item)),
            "subject": (safe_text(item.subject, limit=60), "label"),
            "what": _what(item),
        }
        cells = [(texts[name][0], wide, "quiet" if later else texts[name][1]) for name, wide in self._cells(width)]
        return columns(cells, ascii_only=self.ascii_only)

    def _sign(self, item: Entry) -> tuple[str, str]:
        if item.kind is Kind.EVENT:
            sign, plain, style = _DELIVERY.get(item.delivery, ("?", "?", "quiet"))
            return (plain if self.ascii_only else sign), style
        return ("!" if item.kind is Kind.ACTION else '"'), "mark"


def _title_style(item: Entry) -> str:
    if item.kind is not Kind.EVENT:
        return "mark"
    if item.title.endswith((":failed", ":deadLettered")):
        return "status-failed"
    if item.title in ("stage:retrying", "lease:reaped"):
        return "status-retrying"
    return "status-ok" if item.title.endswith(":completed") else "label"


def _what(item: Entry) -> tuple[str, str]:
    if item.error:
        return safe_text(item.error, limit=400), "status-failed"
    return safe_text(item.what, limit=400), "quiet" if item.kind is Kind.EVENT else "label"
