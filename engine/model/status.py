"""Statuses and the legal moves between them, as data. A status with no way out is terminal.

`None` as origin means creation.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RunStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class StageStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"


class JobStatus(StrEnum):
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    """Not due yet. A state of its own, so that a claim never walks over the future."""
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class LogLevel(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class Delivery(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    DISCARDED = "discarded"


_R, _S, _J = RunStatus, StageStatus, JobStatus

RUN_MOVES: Mapping[RunStatus | None, frozenset[RunStatus]] = {
    None: frozenset({_R.PENDING}),
    _R.PENDING: frozenset({_R.RUNNING, _R.CANCELLED}),
    _R.RUNNING: frozenset({_R.COMPLETED, _R.FAILED, _R.CANCELLED}),
    _R.COMPLETED: frozenset(),
    _R.FAILED: frozenset(),
    _R.CANCELLED: frozenset(),
}
"""Within one life of a run. A rerun or retry starts the next life: see `RUN_REVIVALS`."""

RUN_REVIVALS: frozenset[RunStatus] = frozenset({_R.COMPLETED, _R.FAILED, _R.CANCELLED})
"""From where `run.rerunFrom` may go back to RUNNING (`run.retryFailed`: from FAILED only)."""

STAGE_MOVES: Mapping[StageStatus | None, frozenset[StageStatus]] = {
    None: frozenset({_S.PENDING}),
    _S.PENDING: frozenset({_S.RUNNING, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.PENDING, _S.SUSPENDED, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.SUSPENDED: frozenset({_S.SUSPENDED, _S.RUNNING, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.SKIPPED: frozenset(),
}

JOB_MOVES: Mapping[JobStatus | None, frozenset[JobStatus]] = {
    None: frozenset({_J.PENDING, _J.SCHEDULED, _J.RUNNING}),
    _J.PENDING: frozenset({_J.RUNNING, _J.CANCELLED}),
    _J.SCHEDULED: frozenset({_J.PENDING, _J.CANCELLED}),
    _J.RUNNING: frozenset({_J.PENDING, _J.SCHEDULED, _J.SUSPENDED, _J.COMPLETED, _J.FAILED, _J.CANCELLED}),
    _J.SUSPENDED: frozenset({_J.PENDING, _J.COMPLETED, _J.FAILED, _J.CANCELLED}),
    _J.COMPLETED: frozenset(),
    _J.FAILED: frozenset(),
    _J.CANCELLED: frozenset(),
}

TERMINAL_RUN = frozenset(status for status, ways in RUN_MOVES.items() if status and not ways)
TERMINAL_STAGE = frozenset(status for status, ways in STAGE_MOVES.items() if status and not ways)
TERMINAL_JOB = frozenset(status for status, ways in JOB_MOVES.items() if status and not ways)
ACTIVE_STAGE = frozenset(StageStatus) - TERMINAL_STAGE
ACTIVE_JOB = frozenset(JobStatus) - TERMINAL_JOB
