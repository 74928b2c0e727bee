"""Writing what is shown to a file of its own: never over one that is there."""

from __future__ import annotations

import os
from pathlib import Path

MOST_TRIES = 1_000


def write_new(folder: Path, stem: str, suffix: str, text: str) -> Path:
    """Write a new file, private to the user; its name is counted up while it is taken. Raises `OSError`."""
    for number in range(1, MOST_TRIES):
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return path
    raise FileExistsError(f"{stem}{suffix} and {MOST_TRIES} more are there already")
