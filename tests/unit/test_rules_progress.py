"""Rules for how a run moves: advance, and how a worker's slots are shared out."""

from __future__ import annotations

import pytest

from engine.kernel.rules.advance import WAIT, Move, advance
from engine.kernel.rules.hand_off import Shares, share


@pytest.mark.parametrize(
    ("groups", "group", "open_stages", "failed", "move"),
    [
        (3, 1, 2, False, WAIT),
        (3, 1, 1, True, WAIT),
        (3, 1, 0, False, Move("next", 2)),
        (3, 2, 0, False, Move("next", 3)),
        (3, 3, 0, False, Move("complete")),
        (3, 3, 1, False, WAIT),
        (3, 1, 0, True, Move("fail")),
        (3, 3, 0, True, Move("fail")),
        (1, 1, 0, False, Move("complete")),
        (2, 0, 0, False, Move("next", 1)),
    ],
)
def test_advance(groups: int, group: int, open_stages: int, failed: bool, move: Move) -> None:
    assert advance(groups=groups, group=group, open_stages=open_stages, failed=failed) == move


@pytest.mark.parametrize(
    ("free", "handed_off", "due", "pending", "shares"),
    [
        (0, [5], [5], [5], Shares(0, 0, 0)),
        (9, [], [], [], Shares(0, 0, 0)),
        (9, [5], [5, 5], [5, 5, 5], Shares(1, 2, 3)),
        (1, [5], [5], [5], Shares(1, 0, 0)),
        (2, [5], [5], [5], Shares(1, 1, 0)),
        (1, [5], [6], [5], Shares(0, 1, 0)),
        (1, [5], [6], [7], Shares(0, 0, 1)),
        (2, [5], [6], [7], Shares(0, 1, 1)),
        (3, [5, 5, 5], [9], [], Shares(2, 1, 0)),
        (2, [9, 1], [5, 5], [], Shares(1, 1, 0)),
        (3, [-1], [-2], [-3], Shares(1, 1, 1)),
        (1, [], [-2], [-1], Shares(0, 0, 1)),
    ],
)
def test_share(free: int, handed_off: list[int], due: list[int], pending: list[int], shares: Shares) -> None:
    assert share(free, handed_off, due, pending) == shares
