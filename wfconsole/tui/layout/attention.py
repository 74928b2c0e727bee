"""Why a run is listed under "needs attention"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from engine.model.status import TERMINAL_RUN, RunStatus
from wfconsole.formatting import count

if TYPE_CHECKING:
    from engine.inspector.views import RunSummary

_LONG_STILL_MS = 600_000


def reasons(rows: Iterable[RunSummary], dead_letters: Mapping[str, int]) -> dict[str, str]:
    """A few words by run id, for runs that the view lists. `dead_letters`: how many, by run id."""
    return {row.id: _reason(row, dead_letters.get(row.id, 0)) for row in rows}


def _reason(row: RunSummary, dead: int) -> str:
    if dead:
        return f"{count(dead)} dead letter{'' if dead == 1 else 's'}"
    if row.status == RunStatus.FAILED:
        return "failed"
    if row.status in TERMINAL_RUN:
        # Its dead letters were replayed between the two questions: the next one leaves the run out.
        return ""
    still = (row.idle_ms or 0) >= _LONG_STILL_MS and not row.waiting and row.retry_at is None
    return "stuck" if still else "overdue poll"
