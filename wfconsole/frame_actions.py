"""What the keys of lists and of the console's frame do: views, marks, sorting."""

from __future__ import annotations

from wfconsole.action_kinds import Action

_RUNS = frozenset({"runs"})

BEFORE = Action("list.before", "-", "before", "the view before, with its filter, marks and cursor", _RUNS, footer=False)
LOGS = Action("list.logs", "l", "logs", "logs of the marked runs, else of this one", _RUNS)
SORT = Action("list.sort", "s", "sort", "sort by the next column", _RUNS, footer=False)
REVERSE = Action("list.reverse", "S", "reverse", "reverse the order", _RUNS, footer=False)
MARK_RANGE = Action("list.mark-range", "V", "mark range", "mark from the last mark to here", _RUNS, footer=False)
MARK_INVERT = Action(
    "list.mark-invert", "!", "invert marks", "mark what is not marked, and the reverse", _RUNS, footer=False
)

FRAME_ACTIONS: tuple[Action, ...] = (LOGS, BEFORE, MARK_RANGE, MARK_INVERT, SORT, REVERSE)
