"""A row of bars, one a cell."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-=+*#@"


def sparkline(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """At most `width` bars, the highest for the largest value; neighbours are added up where there are too many."""
    if width < 1 or not values:
        return ""
    each = -(-len(values) // width)
    # The last bar is the present: a remainder is left out at the old end.
    start = len(values) % each
    sums = [sum(values[at : at + each]) for at in range(start, len(values), each)]
    bars, top = ASCII_BARS if ascii_only else BARS, max(sums)
    if top <= 0:
        return bars[0] * len(sums)
    return "".join(bars[round(value / top * (len(bars) - 1))] for value in sums)
