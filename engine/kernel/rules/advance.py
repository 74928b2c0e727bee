"""What a run does once its current group changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Move:
    """`group` (from 1) is the one to open, for `next` only."""

    kind: Literal["wait", "next", "complete", "fail"]
    group: int | None = None


WAIT = Move("wait")


def advance(*, groups: int, group: int, open_stages: int, failed: bool) -> Move:
    """The move of a run whose plan has `groups` groups and which stands in `group`.

    A stage that failed for good lets its siblings finish; when the last one is terminal the run fails, and no later
    group starts.
    """
    if open_stages > 0:
        return WAIT
    if failed:
        return Move("fail")
    if group < groups:
        return Move("next", group + 1)
    return Move("complete")
