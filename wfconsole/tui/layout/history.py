"""What happened to a run, who did something to it and what was noted, in one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from wfconsole import formatting

if TYPE_CHECKING:
    from engine.inspector import AnnotationView, AuditView, EventView
    from engine.model.json import Json

ANNOTATE = "run.annotate"
_SAID_ELSEWHERE = frozenset({"stage_id", "stage_name", "stage_number", "error", "message", "details", "output"})


class Kind(StrEnum):
    EVENT = "event"
    ACTION = "action"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a history. `subject`: the stage it is about, or who acted; `detail` is the whole as JSON."""

    key: str
    kind: Kind
    at: datetime
    title: str
    subject: str
    what: str
    detail: dict[str, Json]
    sequence: int | None = None
    delivery: str = ""
    error: str = ""


def history_of(
    events: Sequence[EventView], actions: Sequence[AuditView], notes: Sequence[AnnotationView]
) -> list[Entry]:
    """Oldest first. What an operator did stands before what came of it; a note stands once."""
    told = {
        (event.occurred_at, str(event.payload.get("key"))) for event in events if event.type == "annotation:created"
    }
    noted = [note for note in notes if (note.created_at, note.key) not in told]
    entries = [_action(action) for action in actions if action.command != ANNOTATE]
    entries += [_note(note) for note in noted]
    entries += [_event(event) for event in events]
    return sorted(entries, key=lambda entry: (entry.at, entry.sequence or 0))


def _event(event: EventView) -> Entry:
    payload = event.payload
    error = payload.get("error")
    words = [str(payload["message"])] if payload.get("message") else []
    words += [
        _short(name, value) for name, value in payload.items() if name not in _SAID_ELSEWHERE and value is not None
    ]
    return Entry(
        key=f"e{event.sequence}",
        kind=Kind.EVENT,
        at=event.occurred_at,
        title=event.type,
        subject=str(payload.get("stage_id") or ""),
        what="  ".join(words),
        detail=event.model_dump(mode="json"),
        sequence=event.sequence,
        delivery=event.delivery.value,
        error=str(error) if error else "",
    )


def _short(name: str, value: object) -> str:
    if name == "duration_ms" and isinstance(value, int | float):
        return formatting.duration(value)
    if name == "progress" and isinstance(value, int | float):
        return f"{value:.0%}"
    if isinstance(value, list):
        value = ", ".join(map(str, value[:20]))
    return f"{name}={value}"


def _action(action: AuditView) -> Entry:
    changed = action.after if isinstance(action.after, Mapping) else {}
    words = [action.reason] if action.reason else []
    words += [_short(name, value) for name, value in changed.items()]
    return Entry(
        key=f"a{action.id}",
        kind=Kind.ACTION,
        at=action.created_at,
        title=action.command,
        subject=action.actor,
        what="  ".join(words),
        detail=action.model_dump(mode="json"),
    )


def _note(note: AnnotationView) -> Entry:
    where = f"  ({note.scope} {note.scope_id})" if note.scope_id else ""
    return Entry(
        key=f"n{note.id}",
        kind=Kind.NOTE,
        at=note.created_at,
        title=note.key,
        subject=note.actor or "",
        what=f"{note.value}{where}",
        detail=note.model_dump(mode="json"),
    )
