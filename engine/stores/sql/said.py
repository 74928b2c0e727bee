"""Log lines, progress and annotations, in statements."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, update

from engine.model.records import AnnotationRecord, LogRecord
from engine.model.status import LogLevel, StageStatus
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.rows import Mapping, constant, where
from engine.stores.sql.tables import annotation_rows, logs, stages

LOG = Mapping(LogRecord, logs, {"level": LogLevel})
ANNOTATION = Mapping(AnnotationRecord, annotation_rows)

_progress = (
    update(stages)
    .where(
        stages.c.id == where("id"),
        stages.c.attempt == where("attempt"),
        stages.c.status == constant(StageStatus.RUNNING),
    )
    .values(progress=where("fraction"), progress_message=where("message"))
)
_prepared = Prepared(
    annotate=lambda dialect: (
        dialect.insert(annotation_rows).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    )
)


class SqlLogs:
    """`engine.ports.logs.LogStore`."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def append(self, lines: Sequence[LogRecord]) -> None:
        if lines:
            rows = [LOG.values(line) for line in lines]
            for row in rows:
                del row["seq"]
            self._connection.execute(logs.insert(), rows)

    def progress(self, updates: Sequence[tuple[str, int, float, str]]) -> None:
        if updates:
            self._connection.execute(
                _progress,
                [
                    {"b_id": row_id, "b_attempt": attempt, "b_fraction": fraction, "b_message": message}
                    for row_id, attempt, fraction, message in updates
                ],
            )

    def annotate(self, records: Sequence[AnnotationRecord]) -> int:
        if not records:
            return 0
        rows = [ANNOTATION.values(record) for record in records]
        return self._connection.execute(_prepared(self._dialect).annotate, rows).rowcount
