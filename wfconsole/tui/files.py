"""What is looked at as text, and as a file: always a new one, private to the user, its path told."""

from __future__ import annotations

import json
import os
import re
from itertools import count
from pathlib import Path

from engine.model.json import Json

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST = 100
_MOST = 10_000


def json_text(value: Json) -> str:
    """JSON to read: indented, text as it is; integers exact, however long."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def editable_json(value: Json) -> str:
    r"""As `json_text`, and fit for an editor that shows what it is given: what can't be printed stands as `\u202e`."""
    text = json_text(value)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


def file_name(wanted: str) -> str:
    """A name for a file out of any text: no folder, no dot first, nothing a shell or a terminal minds."""
    return _UNSAFE.sub("-", wanted).strip("-.")[:LONGEST] or "export"


def save(wanted: str, content: bytes, folder: Path | None = None) -> Path:
    """Write to a new file in `folder` (else the working directory) and give its path.

    An existing file is never touched: then `name-2.ext`, `name-3.ext`, … Raises `OSError`.
    """
    place = (folder or Path.cwd()).resolve()
    name = file_name(wanted)
    stem, ending = os.path.splitext(name)
    for number in count(1):
        path = place / (name if number == 1 else f"{stem}-{number}{ending}")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if number >= _MOST:
                raise
            continue
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return path
    raise AssertionError
