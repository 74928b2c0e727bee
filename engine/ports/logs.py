"""Log lines, progress and annotations: what a body says while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.model.records import AnnotationRecord, LogRecord


class LogStore(Protocol):
    def append(self, lines: Sequence[LogRecord]) -> None: ...

    def progress(self, updates: Sequence[tuple[str, int, float, str]]) -> None:
        """(stage row id, attempt, fraction, message): written only while that attempt is RUNNING."""

    def annotate(self, annotations: Sequence[AnnotationRecord]) -> int:
        """Add annotations; a (run, key, idempotency key) that is there already is left alone. How many were added."""
