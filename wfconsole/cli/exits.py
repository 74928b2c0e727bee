"""Exit codes, the errors that carry them, and which engine error means which."""

from __future__ import annotations

DONE = 0
RUN_FAILED = 1
USAGE = 2
NOT_FOUND = 3
NOT_ALLOWED = 4
DATABASE = 5
PARTLY = 6
DEFECT = 70
"""Not of the contract: a defect of ours, told apart from every answer that means something."""
TIMED_OUT = 124
INTERRUPTED = 130


class CliError(Exception):
    """Ends the command with one line on standard error and `code`."""

    code = USAGE


class UsageError(CliError):
    """The command line, or something given on it, is wrong."""


class NotFound(CliError):
    """No such thing."""

    code = NOT_FOUND


class NotAllowed(CliError):
    """Not allowed now, or not from here."""

    code = NOT_ALLOWED


class WaitTimedOut(CliError):
    """What was waited for did not happen in time."""

    code = TIMED_OUT


def exit_code(error: BaseException) -> int:
    """The exit code an exception stands for; `DEFECT` for one nobody expects."""
    if isinstance(error, CliError):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    for name, code in _codes().items():
        if name in {kind.__name__ for kind in type(error).__mro__}:
            return code
    return DEFECT


def _codes() -> dict[str, int]:
    """By class name, so that explaining a typo loads neither the engine nor pydantic."""
    return {
        "SettingsError": USAGE,
        "FilterError": USAGE,
        "DefinitionError": USAGE,
        "InvalidInput": USAGE,
        "InvalidConfig": USAGE,
        "UnicodeError": USAGE,
        "WorkflowNotFound": NOT_FOUND,
        "RunNotFound": NOT_FOUND,
        "StageNotFound": NOT_FOUND,
        "CallNotFound": NOT_FOUND,
        "IllegalTransition": NOT_ALLOWED,
        "IdempotencyConflict": NOT_ALLOWED,
        "IdempotencyInProgress": NOT_ALLOWED,
        "ReadOnly": NOT_ALLOWED,
        "StoreUnavailable": DATABASE,
        "SchemaTooOld": DATABASE,
        "SchemaTooNew": DATABASE,
        "TimeoutError": TIMED_OUT,
        "EngineError": USAGE,
    }
