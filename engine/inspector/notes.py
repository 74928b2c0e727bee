"""The view of an annotation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.inspector.views import View
from engine.model.criteria import AnnotationFilter
from engine.model.json import loads
from engine.model.read_records import AnnotationRow, RunWhole

LEGACY = "legacy.metadata."
"""Begins the keys under which a run's metadata shows, or was moved to."""


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
    actor_kind: str | None
    actor_version: str | None
    payload: Any
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
        actor_kind=record.actor_kind,
        actor_version=record.actor_version,
        payload=None if record.payload is None else loads(record.payload),
        created_at=record.created_at,
    )


def legacy_views(run: RunWhole, criteria: AnnotationFilter) -> list[AnnotationView]:
    """The run's metadata as annotations, as far as they match; None is no annotation."""
    fields = loads(run.metadata)
    row = run.row
    views = [
        AnnotationView(
            id=f"synthesized:{name}",
            run_id=row.id,
            key=f"{LEGACY}{name}",
            value=value,
            scope="run",
            scope_id=None,
            attempt=0,
            actor=None,
            actor_kind=None,
            actor_version=None,
            payload=None,
            created_at=row.created_at,
        )
        for name, value in fields.items()
        if value is not None
    ]
    return [view for view in views if _matches(view, criteria)]


def _matches(view: AnnotationView, criteria: AnnotationFilter) -> bool:
    names = ("key", "scope", "scope_id", "actor", "actor_kind", "attempt")
    given = ((getattr(view, name), getattr(criteria, name)) for name in names)
    return (
        all(wanted is None or found == wanted for found, wanted in given)
        and view.key.startswith(criteria.key_prefix or "")
        and (criteria.since is None or view.created_at >= criteria.since)
        and (criteria.until is None or view.created_at <= criteria.until)
    )
