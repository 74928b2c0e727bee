"""The loaded part of the run list: the cursor's run stays whatever comes in above it."""

from __future__ import annotations

import pytest
from console_samples import summary
from fake_gateway import FakeInspector

from engine.inspector import RunFilter, RunSummary
from engine.model.status import RunStatus
from wfconsole.tui.run_window import HEAD, RunWindow


def newer(inspector: FakeInspector, number: int) -> None:
    """So many runs more, the newest first."""
    first = -int((inspector.rows[0].created_at - summary(0).created_at).total_seconds() // 60)
    inspector.rows = [summary(first - number + at) for at in range(number)] + inspector.rows


async def shown(window: RunWindow, inspector: FakeInspector, cursor_id: str | None) -> list[str]:
    return [row.id for row in (await window.refresh(inspector, cursor_id)).rows]


def ids(rows: list[RunSummary]) -> list[str]:
    return [row.id for row in rows]


@pytest.mark.parametrize("came", [1, HEAD - 10, HEAD, HEAD * 5])
async def test_the_run_of_the_cursor_stays_however_many_come_at_once(came: int) -> None:
    inspector, window = FakeInspector([summary(number) for number in range(2 * HEAD)]), RunWindow(RunFilter())
    cursor_id = (await shown(window, inspector, None))[30]
    for _ in range(3):
        newer(inspector, came)
        rows = await shown(window, inspector, cursor_id)
        assert cursor_id in rows
        assert rows[:HEAD] == ids(inspector.rows[:HEAD])
        assert rows == [row for row in ids(inspector.rows) if row in rows], "in order, none twice"


async def test_a_gap_is_closed_once_the_cursor_is_at_the_new_ones() -> None:
    inspector, window = FakeInspector([summary(number) for number in range(HEAD)]), RunWindow(RunFilter())
    cursor_id = (await shown(window, inspector, None))[5]
    newer(inspector, 5 * HEAD)
    rows = await shown(window, inspector, cursor_id)
    assert len(rows) == 2 * HEAD
    newest = await shown(window, inspector, rows[0])
    assert newest == ids(inspector.rows[:HEAD])


async def test_a_run_that_matches_no_more_goes_although_the_cursor_is_on_it() -> None:
    """All of the head are other runs than before; that is no reason to keep what the filter leaves out."""
    inspector = FakeInspector([summary(number) for number in range(3 * HEAD)])
    window = RunWindow(RunFilter(status=("RUNNING",)))
    cursor_id = (await shown(window, inspector, None))[5]
    for at in range(HEAD):
        inspector.rows[at] = summary(at, RunStatus.COMPLETED)
    assert await shown(window, inspector, cursor_id) == ids(inspector.rows[HEAD : 2 * HEAD])
