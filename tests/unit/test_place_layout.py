"""Columns that fit, percentiles, files that are never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfconsole.tui.exporting import write_new
from wfconsole.tui.layout.cost_lines import columns_of
from wfconsole.tui.layout.fleet_rows import QUEUE, SINKS, WORKERS
from wfconsole.tui.layout.letter_rows import COLUMNS as LETTERS
from wfconsole.tui.layout.table_columns import GAP, GUTTER, Column, fitting
from wfconsole.tui.layout.workflow_lines import COLUMNS as WORKFLOWS
from wfconsole.tui.workflow_facts import percentile

TABLES = [
    LETTERS,
    WORKERS,
    QUEUE,
    SINKS,
    WORKFLOWS,
    columns_of("day", compare=False),
    columns_of("model", compare=True),
]


@pytest.mark.parametrize("columns", TABLES)
@given(width=st.integers(60, 240))
def test_r6_columns_never_overflow_and_depend_on_the_width_alone(columns: tuple[Column, ...], width: int) -> None:
    placed = fitting(columns, width)
    used = GUTTER + sum(one.column.width for one in placed) + GAP * (len(placed) - 1)
    assert used <= width
    assert [one.index for one in placed] == sorted(one.index for one in placed)
    assert all(columns[one.index].drop or one.column.width >= 1 for one in placed)
    kept = {one.index for one in placed}
    assert {index for index, column in enumerate(columns) if not column.drop} <= kept


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7], 0.5, 7), ([7], 0.95, 7), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 101)), 0.95, 95)],
)
def test_percentiles_are_of_the_nearest_rank(values: list[int], share: float, expected: int | None) -> None:
    assert percentile(values, share) == expected


def test_an_export_is_a_new_file_private_to_the_user(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("mine")
    first, second = (write_new(tmp_path, "x", ".csv", text) for text in ("a", "b\ud800"))
    assert (first.name, second.name) == ("x-2.csv", "x-3.csv")
    assert (tmp_path / "x.csv").read_text() == "mine"
    assert first.stat().st_mode & 0o777 == 0o600
