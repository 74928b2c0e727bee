"""Pictures of Runs and Run, on a frozen clock; `--snapshot-update` renews them, after a look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from console_pilot import console, until
from console_samples import NOON, dead_letter, log_line, mixed_runs, run_id_of
from fake_gateway import FakeGateway
from textual.pilot import Pilot

from engine.model.status import LogLevel
from wfconsole.tui.widgets.graph_view import GraphView
from wfconsole.tui.widgets.log_view import LogView
from wfconsole.tui.widgets.run_preview import RunPreview
from wfconsole.tui.widgets.run_table import RunTable

SIZES = [(120, 36), (80, 24)]
Compare = Callable[..., bool]


def gateway() -> FakeGateway:
    full = FakeGateway(mixed_runs(40))
    levels = (LogLevel.INFO, LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR, LogLevel.DEBUG)
    full.log(*(log_line(n, run_id_of(1), level=levels[n % 5], created_at=NOON) for n in range(30)))
    full.inspector.letters = [dead_letter(1)]
    return full


def run_before(*waits: Callable[[Any], object]) -> Callable[[Pilot[None]], Awaitable[None]]:
    async def wait(pilot: Pilot[None]) -> None:
        for condition in waits:
            await until(pilot, lambda condition=condition: condition(pilot.app), "the painted screen")
        await until(pilot, lambda: pilot.app.feed.asking_since is None, "a quiet feed")
        await pilot.pause()

    return wait


def runs_painted(app: Any) -> bool:
    tables = app.screen.query(RunTable)
    preview = app.screen.query(RunPreview)
    return bool(tables and tables.first().row_count == 40 and (not preview.first().display or preview.first().plain))


def run_painted(app: Any) -> bool:
    graphs, logs = app.screen.query(GraphView), app.screen.query(LogView)
    return bool(graphs and graphs.first().focused_stage and logs.first().line_count == 30)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_runs(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console(gateway()), terminal_size=size, run_before=run_before(runs_painted))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_run(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = console(gateway(), run=run_id_of(1))
    assert snap_compare(app, terminal_size=size, run_before=run_before(run_painted))
