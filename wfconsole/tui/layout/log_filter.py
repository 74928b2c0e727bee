"""Which lines of a log are shown, and which hold what is searched for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.model.status import LogLevel
from wfconsole.tui.layout.log_lines import fields_text, source
from wfconsole.tui.layout.log_query import LogQuery

if TYPE_CHECKING:
    from engine.inspector.views import LogLine

_RANK = {level: rank for rank, level in enumerate(LogLevel)}


@dataclass(slots=True)
class LogFilter:
    """`search` is literal, in any case; with `only_matching` it hides the other lines."""

    min_level: LogLevel = LogLevel.DEBUG
    stage: str | None = None
    search: str = ""
    only_matching: bool = False
    query: LogQuery | None = None

    def wanted(self, line: LogLine) -> bool:
        """Whether a line is shown."""
        if _RANK[line.level] < _RANK[self.min_level]:
            return False
        if self.stage is not None and line.stage_id != self.stage:
            return False
        if self.query is not None and not self.query.wants(line):
            return False
        return not (self.only_matching and self.search) or self.holds(line)

    def holds(self, line: LogLine) -> bool:
        """Whether message, source or fields hold the searched text."""
        wanted = self.search.lower()
        if wanted in line.message.lower() or wanted in source(line).lower():
            return True
        return bool(line.fields) and wanted in fields_text(line).lower()
