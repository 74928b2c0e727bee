"""What the console remembers from one sitting to the next: histories, saved views, the last view; per profile."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

if TYPE_CHECKING:
    from wfconsole.settings import Settings

MOST = 100
"""Lines kept of each history."""


class ConsoleState:
    """Kept in a file shared by all profiles; without a `file` only in memory. Never raises: it is a convenience."""

    def __init__(self, file: Path | None = None, place: str = "") -> None:
        self._file, self._place = file, place
        self._known: dict[str, Any] = self._read().get(place, {}) if file is not None else {}
        if not isinstance(self._known, dict):
            self._known = {}

    @classmethod
    def of(cls, settings: Settings) -> ConsoleState:
        """That of this profile and database; the latter as a digest: an address may hold a password."""
        digest = sha256(settings.database.encode()).hexdigest()[:16]
        folder = platformdirs.user_state_path("wfconsole", appauthor=False)
        return cls(folder / "console.json", f"{settings.profile or ''}:{digest}")

    def history(self, name: str) -> list[str]:
        """The lines typed into a field, the oldest first."""
        lines = self._known.get(f"history.{name}", [])
        return [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []

    def remember(self, name: str, line: str) -> None:
        """Add a line to a history; what was typed before is moved to its end."""
        if line.strip():
            kept = [known for known in self.history(name) if known != line]
            self.put(f"history.{name}", [*kept, line][-MOST:])

    def get(self, name: str) -> Any:
        """What was put under a name; None when nothing was."""
        return self._known.get(name)

    def put(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name."""
        if self._known.get(name) != value:
            self._known[name] = value
            self._write()

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._file.read_text(encoding="utf-8")) if self._file is not None else {}
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            whole = {**self._read(), self._place: self._known}
            handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=self._file.name)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(whole, file)
            Path(name).replace(self._file)
