"""Whatever is done in whatever order, the engine does what the reference in plain Python does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from model_machine import CHANCE, EngineMachine
from planted_defects import DEFECTS

from engine import EngineError
from engine.kernel import delivering
from engine.kernel.procedures import stage_poll_suspended
from engine.model import ids

FREE = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True, "derandomize": True}
SEARCH = {**FREE, "phases": [Phase.generate], "report_multiple_bugs": False}
"""To know whether a failure is found there is no need of its smallest example."""


@pytest.fixture(autouse=True)
def repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An example must find the same ids again, which decide between equals, and the same pauses."""
    monkeypatch.setattr(
        ids,
        "secrets",
        SimpleNamespace(randbits=CHANCE.getrandbits, token_hex=lambda size: CHANCE.randbytes(size).hex()),
    )
    for module in (stage_poll_suspended, delivering):
        monkeypatch.setattr(module, "random", SimpleNamespace(random=lambda: 0.5))


def machine_on(new_url: Callable[[Path], str], **focus: tuple[str, ...]) -> Callable[[], Any]:
    return type("Machine", (EngineMachine,), {"new_url": staticmethod(new_url), **focus})


def in_folder(folder: Path) -> str:
    return f"sqlite:///{folder / 'runs.db'}"


def follows(machine: Callable[[], Any], examples: int, **how: Any) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=50, **how))


def test_sqlite_does_what_the_reference_does() -> None:
    follows(machine_on(in_folder), 30, **FREE)


def test_postgres_does_what_the_reference_does(new_postgres: Callable[[], str]) -> None:
    follows(machine_on(lambda _: new_postgres()), 8, **FREE)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_sqlite_does_what_the_reference_does_for_long() -> None:
    follows(machine_on(in_folder), 1000, **FREE)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_postgres_does_what_the_reference_does_for_long(new_postgres: Callable[[], str]) -> None:
    follows(machine_on(lambda _: new_postgres()), 200, **FREE)


RERUNS: dict[str, tuple[str, ...]] = {"steps": ("create", "carry_on", "operate"), "operators": ("rerun", "annotate")}
SETTLING: dict[str, tuple[str, ...]] = {"steps": ("create", "take", "settle", "settle")}
FOCUS: dict[str, dict[str, tuple[str, ...]]] = {
    "a_drained_attempt_counts": SETTLING,
    "broken_checks_are_asked_for_ever": {"steps": ("create", "carry_on", "keep_polling", "keep_polling")},
    "cancel_leaves_the_stages": {
        "steps": ("create", "carry_on", "take", "operate"),
        "operators": ("cancel", "annotate"),
    },
    "first_failure_ends_the_group": SETTLING,
    "no_attempt_cap_at_failures": {"steps": ("create", "keep_failing")},
    "polls_have_no_deadline": {"steps": ("create", "carry_on", "time_passes", "poll")},
    "retry_runs_completed_siblings_again": {
        "steps": ("create", "all_but_one", "all_but_one", "operate"),
        "operators": ("retry_failed", "annotate"),
    },
    "rerun_counts_attempts_anew": RERUNS,
    "rerun_keeps_later_groups": RERUNS,
    "unguarded_cancel": {"steps": ("create", "carry_on", "operate"), "operators": ("cancel", "annotate")},
}
"""What takes many steps in the right order is looked for where it can happen."""
DISTINCT = sorted({str(focus): defect for defect, focus in sorted(FOCUS.items(), reverse=True)}.values())


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_planted_defect_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_on(in_folder, **FOCUS.get(defect, {}))
    DEFECTS[defect](monkeypatch)
    with pytest.raises((AssertionError, LookupError, EngineError)):
        follows(machine, 200, **SEARCH)


@pytest.mark.parametrize("defect", DISTINCT)
def test_without_the_defect_nothing_is_found_there(defect: str) -> None:
    follows(machine_on(in_folder, **FOCUS[defect]), 5, **SEARCH)
