"""Run ids as people give them: whole, as a unique prefix, or `@last`, the last run created from here."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from engine.model.ids import ALPHABET
from wfconsole.cli.exits import NotFound, UsageError
from wfconsole.settings import APP, Settings

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

LAST = "@last"


async def resolve(gateway: Gateway, given: str) -> str:
    """The full id. Raises `NotFound`, or `UsageError` naming the candidates of an ambiguous prefix."""
    if given == LAST:
        return _last(gateway.settings)
    if not given or any(char not in ALPHABET for char in given):
        raise NotFound(f"no run {given!r}: ids are made of 0-9 and a-z without i, l, o, u")
    found = await gateway.inspector.resolve(given)
    if not found:
        raise NotFound(f"no run {given!r}")
    if len(found) > 1:
        raise UsageError(f"{given!r} is the beginning of several runs: {', '.join(found)}")
    return found[0]


def remember_last(settings: Settings, run_id: str) -> None:
    """Keep what `@last` means for this profile and database. Not being able to is no reason to fail a run."""
    path = _state_file()
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = _known() | {_place(settings): run_id}
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(known, file)
        Path(name).replace(path)


def _last(settings: Settings) -> str:
    run_id = _known().get(_place(settings))
    if run_id is None:
        raise NotFound(f"{LAST}: no run was created from here yet")
    return run_id


def _known() -> dict[str, str]:
    try:
        known = json.loads(_state_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _state_file() -> Path:
    return platformdirs.user_state_path(APP, appauthor=False) / "last-run.json"


def _place(settings: Settings) -> str:
    """Profile and database, the latter as a digest: an address may hold a password."""
    return f"{settings.profile or ''}:{sha256(settings.database.encode()).hexdigest()[:16]}"
