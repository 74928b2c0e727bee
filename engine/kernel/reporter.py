"""What a body says while it runs, kept until the keeper or the outcome takes it to the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from engine.kernel.ending import ProgressNote, Said
from engine.model.json import Json, NotJson, clean_text, dumps
from engine.model.records import AnnotationRecord, Claimed, LogRecord
from engine.model.redaction import fit_to_write, redact_json
from engine.model.status import LogLevel
from engine.ports.clock import Clock

MAX_LINES = 10_000
MAX_MESSAGE = 64 * 1024
MAX_NOTES = 1_000
"""Progress calls kept as events; the last one is always known."""


class LiveReporter:
    """`engine.definition.context.Reporter` of one delivery. Every method may be called from any thread."""

    def __init__(self, claimed: Claimed, clock: Clock, on_news: Callable[[], None]) -> None:
        self._job = claimed.job
        self._clock = clock
        self._on_news = on_news
        self._lock = threading.Lock()
        self._logs: list[LogRecord] = []
        self._lines = 0
        self._notes: list[ProgressNote] = []
        self._noted = 0
        self._last: ProgressNote | None = None
        self._fresh_progress = False
        self._annotations: list[AnnotationRecord] = []
        self._closed = False
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """The run was cancelled or the lease lost: what is said from now on is dropped."""
        with self._lock:
            self._cancelled = self._closed = True

    def log(self, level: LogLevel, message: str, fields: Mapping[str, Json]) -> None:
        with self._lock:
            if self._closed or self._lines > MAX_LINES:
                return
            self._lines += 1
            if self._lines > MAX_LINES:
                level, message, fields = LogLevel.WARN, f"log cut off after {MAX_LINES} lines", {}
            self._logs.append(self._line(level, message, fields))
        self._on_news()

    def _line(self, level: LogLevel, message: str, fields: Mapping[str, Json]) -> LogRecord:
        text = fit_to_write(message)
        if len(text) > MAX_MESSAGE:
            text = f"{text[:MAX_MESSAGE]}… ({len(text)} characters)"
        try:
            plain = dumps(redact_json(dict(fields)))
        except NotJson:
            plain = dumps({name: fit_to_write(repr(value)) for name, value in fields.items()})
        job = self._job
        return LogRecord(job.run_id, job.stage_id, job.attempt, level, text, plain, self._clock.now())

    def progress(self, fraction: float, message: str, details: Mapping[str, Json]) -> None:
        note = ProgressNote(fraction, fit_to_write(message), redact_json(dict(details)))
        with self._lock:
            if self._closed:
                return
            self._last, self._fresh_progress = note, True
            if self._noted < MAX_NOTES:
                self._noted += 1
                self._notes.append(note)
        self._on_news()

    def annotate(self, key: str, value: Json) -> None:
        job = self._job
        record = AnnotationRecord(
            run_id=job.run_id,
            key=clean_text(key),
            value=dumps(redact_json({key: value})[key]),
            created_at=self._clock.now(),
            scope="stage",
            scope_id=job.stage_id,
            attempt=job.attempt,
        )
        with self._lock:
            if not self._closed:
                self._annotations.append(record)

    @property
    def has_news(self) -> bool:
        return bool(self._logs) or self._fresh_progress

    def take_live(self) -> tuple[list[LogRecord], ProgressNote | None]:
        """Lines and progress not yet in the store; they count as written from here on."""
        with self._lock:
            logs, self._logs = self._logs, []
            note = self._last if self._fresh_progress else None
            self._fresh_progress = False
            return logs, note

    def put_back(self, logs: list[LogRecord], note: ProgressNote | None) -> None:
        """The write failed: keep them for the next."""
        with self._lock:
            self._logs[:0] = logs
            self._fresh_progress = self._fresh_progress or note is not None

    def close(self) -> Said:
        """Everything left, for the outcome; what is said later is dropped."""
        with self._lock:
            self._closed = True
            said = Said(self._logs, self._notes, self._annotations, self._last)
            self._logs, self._fresh_progress = [], False
            return said
