"""What the demonstration suggests next, on the screen one looks at. Elsewhere nobody is taught."""

from __future__ import annotations

from engine.inspector import Overview, RunDetail, StageStatus
from engine.model.status import RunStatus
from wfconsole.tui.runs_view import RunsView


def among_runs(view: RunsView, overview: Overview) -> str:
    """In place 1; empty where nothing is to be suggested."""
    failed = overview.counts.get(RunStatus.FAILED, 0)
    if view.kind == "causes":
        return "enter shows its runs, F or R runs them again" if failed else "nothing fails any more: escape goes back"
    if view != RunsView():
        return ""
    if failed:
        return "some failed: v, then f shows why"
    return "some events found no taker: 4 shows them" if overview.dead_letters else ""


def in_run(run: RunDetail) -> str:
    """In a run: what failed with tries left would fail again as it is, so another config is asked for."""
    if run.status == RunStatus.FAILED:
        failed = next((stage for stage in run.stages if stage.status == StageStatus.FAILED), None)
        if failed is not None and failed.tries < failed.max_attempts:
            return "a says why; R, then e: change the config that the error names"
        return "a says why; F tries again what failed"
    again = any(stage.attempt > stage.tries for stage in run.stages)
    return "it passed: escape goes back" if again and run.status == RunStatus.COMPLETED else ""


def among_letters(number: int) -> str:
    """In place 4, with so many dead letters."""
    return "enter reads one; g, then P sends them all again" if number else ""
