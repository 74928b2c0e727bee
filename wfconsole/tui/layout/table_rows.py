"""Rows of a plain table, and the parts lines are made of."""

from __future__ import annotations

from dataclasses import dataclass

Part = tuple[str, str]
"""A text that is safe already, and its style, e.g. `("● live", "$status-ok")`."""
Cell = str | tuple[str, str]
"""A text, or a text and the theme variable of its colour; the table makes it safe."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line under its key; `quiet` rows are dimmed."""

    key: str
    cells: tuple[Cell, ...]
    markable: bool = False
    quiet: bool = False
