"""The places beside Runs, each loaded when it is first gone to: the first frame must not wait for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial

from wfconsole.tui.screens.live import LiveScreen


def _loaded(module: str, name: str) -> LiveScreen:
    screen = getattr(importlib.import_module(f"wfconsole.tui.screens.{module}"), name)()
    assert isinstance(screen, LiveScreen)
    return screen


OTHER_PLACES: Mapping[str, Callable[[], LiveScreen]] = {
    "logs": partial(_loaded, "logs", "LogsScreen"),
    "costs": partial(_loaded, "costs", "CostsScreen"),
    "dlq": partial(_loaded, "dead_letters", "DeadLettersScreen"),
    "workers": partial(_loaded, "workers", "WorkersScreen"),
    "workflows": partial(_loaded, "workflows", "WorkflowsScreen"),
}
