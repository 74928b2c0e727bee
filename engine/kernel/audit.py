"""The audit log: one row per operator command that changed something, in that command's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.commands import Command
from engine.kernel.scene import Scene
from engine.model.json import Json, dumps
from engine.model.records import AuditRecord
from engine.model.redaction import fit_to_write, redact_json


def note(
    scene: Scene,
    command: Command[Any],
    *,
    target: str,
    run_id: str | None = None,
    before: Mapping[str, Json] | None = None,
    after: Mapping[str, Json] | None = None,
) -> None:
    """Who did what to what; `before` and `after` are the facts that changed."""
    reason = getattr(command, "reason", None)
    scene.work.audit.append(
        [
            AuditRecord(
                created_at=scene.work.now,
                actor=fit_to_write(scene.actor),
                command=command.type,
                run_id=run_id,
                target=target,
                reason=None if reason is None else fit_to_write(reason),
                before=None if before is None else dumps(redact_json(dict(before))),
                after=None if after is None else dumps(redact_json(dict(after))),
                idempotency_key=scene.key,
                bulk=_bulk(scene.key, run_id),
            )
        ]
    )


def _bulk(key: str | None, run_id: str | None) -> str | None:
    """`BULK` of the key `BULK/ID` that a bulk action gives each of its runs."""
    ending = f"/{run_id}"
    return key.removesuffix(ending) if key is not None and run_id is not None and key.endswith(ending) else None
