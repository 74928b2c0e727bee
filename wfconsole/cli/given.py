"""Values on the command line: JSON from an argument, a file or standard input, and `STAGE.FIELD=VALUE`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.model.json import Json, NotJson, loads
from wfconsole.cli.exits import UsageError

MAX_BYTES = 16 * 1024 * 1024
"""More is no command and no input; the engine's own limit for an input is lower."""


def read_json(given: str, option: str) -> Json:
    """The value of `JSON`, `@FILE` or `-`. Raises `UsageError`: the option and the place of the mistake."""
    text = _read(given, option)
    try:
        return loads(text)
    except NotJson as error:
        raise UsageError(f"{option} is no JSON: {error}") from error
    except ValueError as error:
        hint = "" if given[:1] in ("@", "-") else "; a file is given as @FILE"
        raise UsageError(f"{option} is no JSON: {error}{hint}") from error


def read_config(assignments: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`{stage_id: {field: value}}` of `STAGE.FIELD=VALUE`; what is no JSON is text. Raises `UsageError`."""
    config: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        target, equals, text = assignment.partition("=")
        # A stage id may hold dots, a field of a model can't.
        stage, dot, field = target.rpartition(".")
        if not (equals and dot and stage and field):
            raise UsageError(f"--set-config {assignment!r}: write it STAGE.FIELD=VALUE")
        config.setdefault(stage, {})[field] = _value(text)
    return config


def _value(text: str) -> Json:
    try:
        return loads(text)
    except ValueError:
        return text


def _read(given: str, option: str) -> str:
    try:
        if given == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        elif given.startswith("@"):
            with Path(given[1:]).expanduser().open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        else:
            return given
        if len(raw) > MAX_BYTES:
            raise UsageError(f"{option}: more than {MAX_BYTES // 1024 // 1024} MiB")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{option}: can't read {given[1:]}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{option}: not UTF-8 text") from error
