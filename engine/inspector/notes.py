"""The view of an annotation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.inspector.views import View
from engine.model.json import loads
from engine.model.read_records import AnnotationRow


class AnnotationView(View):
    """Something attached to a run or a part of it: `scope` says which kind of part, `scope_id` which one."""

    id: str
    run_id: str
    key: str
    value: Any
    scope: str
    scope_id: str | None
    attempt: int | None
    actor: str | None
    created_at: datetime


def annotation_view(row: AnnotationRow) -> AnnotationView:
    record = row.record
    return AnnotationView(
        id=str(row.seq),
        run_id=record.run_id,
        key=record.key,
        value=loads(record.value),
        scope=record.scope,
        scope_id=record.scope_id,
        attempt=record.attempt,
        actor=record.actor,
        created_at=record.created_at,
    )
