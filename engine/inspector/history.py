"""Views of log lines, events and cost sums."""

from __future__ import annotations

from engine.inspector.views import CostRow, EventView, LogLine
from engine.model.json import Json, loads
from engine.model.read_records import CostSum
from engine.model.records import EventRecord, LogRecord
from engine.model.status import Delivery

NO_KEY = "-"
_BETWEEN = " · "


def _mapping(text: str) -> dict[str, Json]:
    value = loads(text)
    return value if isinstance(value, dict) else {"value": value}


def log_line(record: LogRecord) -> LogLine:
    return LogLine(
        id=str(record.seq),
        run_id=record.run_id,
        stage_id=record.stage_id,
        attempt=record.attempt,
        level=record.level,
        message=record.message,
        fields=_mapping(record.fields),
        created_at=record.created_at,
    )


def delivery_of(record: EventRecord) -> Delivery:
    if record.discarded_at is not None:
        return Delivery.DISCARDED
    if record.dead_at is not None:
        return Delivery.DEAD
    return Delivery.PENDING if record.published_at is None else Delivery.DELIVERED


def event_view(record: EventRecord) -> EventView:
    return EventView(
        id=record.id,
        run_id=record.run_id,
        sequence=record.sequence,
        type=record.type,
        occurred_at=record.occurred_at,
        causation_id=record.causation_id,
        delivery=delivery_of(record),
        published_at=record.published_at,
        retry_count=record.retry_count,
        next_attempt_at=record.next_attempt_at,
        dead_at=record.dead_at,
        last_error=record.last_error,
        sink=record.sink,
        fingerprint=record.fingerprint,
        payload=_mapping(record.payload),
    )


def cost_row(found: CostSum) -> CostRow:
    """`key` joins the values of several keys with ` · `; `-` stands for calls without that value."""
    keys = [NO_KEY if value is None else value for value in found.key]
    return CostRow(
        key=_BETWEEN.join(keys),
        keys=keys,
        calls=found.calls,
        runs=found.runs,
        failed=found.failed,
        reused=found.reused,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        cost=found.cost,
        wasted=found.wasted,
        unpriced=found.unpriced,
    )
