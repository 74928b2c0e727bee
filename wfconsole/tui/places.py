"""The places beside Runs, each loaded when it is first gone to: the first frame must not wait for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wfconsole.tui.screens.live import LiveScreen


def _logs() -> LiveScreen:
    from wfconsole.tui.screens.logs import LogsScreen

    return LogsScreen()


def _costs() -> LiveScreen:
    from wfconsole.tui.screens.costs import CostsScreen

    return CostsScreen()


def _dead_letters() -> LiveScreen:
    from wfconsole.tui.screens.dead_letters import DeadLettersScreen

    return DeadLettersScreen()


def _workers() -> LiveScreen:
    from wfconsole.tui.screens.workers import WorkersScreen

    return WorkersScreen()


def _workflows() -> LiveScreen:
    from wfconsole.tui.screens.workflows import WorkflowsScreen

    return WorkflowsScreen()


OTHER_PLACES: Mapping[str, Callable[[], LiveScreen]] = {
    "logs": _logs,
    "costs": _costs,
    "dlq": _dead_letters,
    "workers": _workers,
    "workflows": _workflows,
}
