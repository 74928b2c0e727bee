"""One line on standard error, painted over while something long goes on; nothing where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType

from engine.inspector.views import RunSummary
from engine.model.status import TERMINAL_RUN
from wfconsole.formatting import duration
from wfconsole.safe_text import safe_text

_WIDTH = 20


class ProgressLine:
    """`with ProgressLine() as line: line.show(runs)`; gone afterwards."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._painted = ""

    def show(self, runs: Sequence[RunSummary]) -> None:
        """Paint where these runs are."""
        if len(runs) == 1:
            run = runs[0]
            stages = ",".join(run.current_stages) or run.status.lower()
            self.paint(run.progress or 0.0, f"{stages}  {duration(run.duration_ms)}")
        elif runs:
            ended = sum(run.status in TERMINAL_RUN for run in runs)
            self.paint(ended / len(runs), f"{ended} of {len(runs)} runs")

    def paint(self, fraction: float, text: str) -> None:
        """A bar and a few words."""
        if not self._enabled:
            return
        filled = round(_WIDTH * min(max(fraction, 0.0), 1.0))
        line = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {fraction:4.0%}  {safe_text(text, limit=48)}"
        if line != self._painted:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            self._painted = line

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._painted:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
