"""A batch service in a folder: hand texts in, come back later for their digests.

It stands for the batch interfaces of model vendors, which answer after minutes or hours, and needs neither
key nor network. A batch is one JSON file, so it outlives any worker; whoever deletes the file has lost it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from sample_workflows import prose

KEPT_DAYS = 7


class Request(BaseModel):
    """One text to digest; `name` comes back with the answer."""

    name: str
    text: str
    sentences: int = 2


class Answer(BaseModel):
    name: str
    words: int
    keywords: list[str]
    digest: str


class Batch(BaseModel):
    """What the service keeps: times in seconds since 1970."""

    id: str
    submitted_at: float
    ready_at: float
    requests: list[Request]


class BatchProvider:
    """The service's front. `now` tells the time in seconds since 1970."""

    def __init__(self, folder: Path | None = None, now: Callable[[], float] = time.time) -> None:
        self.folder = folder or _default_folder()
        self._now = now

    def submit(self, key: str, requests: Sequence[Request], seconds_to_ready: float) -> Batch:
        """Take the requests in. The same key again gives the first batch, so that nothing runs twice."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._forget_old()
        # The key is somebody else's text, so it names no file by itself.
        batch_id = "batch-" + hashlib.sha256(key.encode()).hexdigest()[:20]
        now = self._now()
        batch = Batch(id=batch_id, submitted_at=now, ready_at=now + seconds_to_ready, requests=list(requests))
        self._create(batch)
        kept = self.find(batch_id)
        if kept is None:
            raise ConnectionError(f"the batch service took {batch_id} but no longer has it")
        return kept

    def find(self, batch_id: str) -> Batch | None:
        """The batch as it was handed in, or None when the service does not know it (any more)."""
        try:
            return Batch.model_validate_json(self._file(batch_id).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def seconds_left(self, batch: Batch) -> float:
        """How long until the answers are there; 0 when they are."""
        return max(0.0, batch.ready_at - self._now())

    def answers(self, batch: Batch) -> list[Answer]:
        """One answer a request, in the order of the requests."""
        return [_answer(request) for request in batch.requests]

    def _create(self, batch: Batch) -> None:
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        written = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(batch.model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
            # A link appears whole or not at all, and never over another: the first submission stands.
            self._file(batch.id).hardlink_to(written)
        except FileExistsError:
            return
        finally:
            written.unlink()

    def _file(self, batch_id: str) -> Path:
        return self.folder / f"{batch_id}.json"

    def _forget_old(self) -> None:
        too_old = time.time() - KEPT_DAYS * 86_400
        for file in self.folder.glob("batch-*.json"):
            try:
                if file.stat().st_mtime < too_old:
                    file.unlink()
            except FileNotFoundError:
                # Another worker forgot it first.
                continue


def _answer(request: Request) -> Answer:
    return Answer(
        name=request.name,
        words=len(prose.words_of(request.text)),
        keywords=[term.text for term in prose.key_terms(request.text, 5)],
        digest=" ".join(prose.best_sentences(request.text, request.sentences)),
    )


def _default_folder() -> Path:
    named = os.environ.get("WFCONSOLE_SAMPLE_BATCHES")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "wfconsole-samples" / "batches"
