"""Batches of the offline provider: answered at once, and kept in a private folder until they are fetched.

Whoever fetches them may be another process, another day.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from engine.errors import AIBadResponse
from engine.model.ids import new_id
from engine.model.json import Json
from engine.ports.ai_providers import BatchAnswer, TextAnswer, Usage

KEPT_SECONDS = 2 * 86_400
_ID = re.compile(r"offline-[0-9a-z]{20}")


def keep(answers: Sequence[tuple[str, TextAnswer | str]]) -> str:
    """Keep what became of each request, an answer or an error; the batch's id."""
    folder = _folder()
    _forget_old(folder)
    batch_id = f"offline-{new_id()}"
    rows = [[id, *_written(one)] for id, one in answers]
    handle = os.open(folder / batch_id, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(rows, file)
    return batch_id


def is_kept(batch_id: str) -> bool:
    return _ID.fullmatch(batch_id) is not None and (_folder() / batch_id).is_file()


def fetched(batch_id: str) -> list[BatchAnswer]:
    """What was kept. Raises `AIBadResponse` when it is gone."""
    if not is_kept(batch_id):
        raise AIBadResponse(f"the batch {batch_id[:40]!r} is gone: it is kept for two days", provider="offline")
    rows = json.loads((_folder() / batch_id).read_text(encoding="utf-8"))
    return [BatchAnswer(id, _read(fields), error) for id, fields, error in rows]


def _written(one: TextAnswer | str) -> tuple[dict[str, Json] | None, str | None]:
    if isinstance(one, str):
        return None, one
    usage = one.usage or Usage()
    tokens = [usage.input_tokens, usage.output_tokens]
    return {"text": one.text, "tokens": tokens, "end": one.finish_reason, "by": one.answered_by}, None


def _read(fields: dict[str, Json] | None) -> TextAnswer | None:
    if fields is None:
        return None
    return TextAnswer(fields["text"], Usage(*fields["tokens"]), fields["end"], fields["by"])


def _folder() -> Path:
    """Private to the user. Raises `OSError` when somebody else made it."""
    user = getattr(os, "getuid", lambda: 0)()
    folder = Path(tempfile.gettempdir()) / f"wfconsole-batches-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != user or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not this user's own")
    return folder


def _forget_old(folder: Path) -> None:
    for path in folder.iterdir():
        try:
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
        except OSError:
            continue  # somebody else was faster
