"""`run.annotate`: attach facts to a run or to a part of it."""

from __future__ import annotations

from engine.commands import AnnotateRun, AnnotateRunResult
from engine.errors import InvalidInput, Problem
from engine.kernel.audit import note
from engine.kernel.scene import Scene
from engine.model.json import Json, NotJson, dumps, loads
from engine.model.records import AnnotationRecord
from engine.model.redaction import fit_to_write, redact_json


def handle(command: AnnotateRun, scene: Scene) -> AnnotateRunResult:
    run = scene.locked_run(command.run_id)
    attributes = {key: _plain(f"attributes.{key}", key, value) for key, value in command.attributes.items()}
    kept = {key: value for key, value in attributes.items() if value is not None}
    payload = None if command.payload is None else dumps(_plain("payload", "payload", command.payload))
    written = scene.work.logs.annotate(
        [
            AnnotationRecord(
                run_id=run.id,
                key=fit_to_write(key),
                value=dumps(value),
                created_at=scene.work.now,
                scope=command.scope,
                scope_id=command.scope_id,
                attempt=command.attempt,
                actor=fit_to_write(command.actor or scene.actor),
                actor_kind=command.actor_kind,
                actor_version=command.actor_version,
                payload=payload,
                idempotency_key=command.idempotency_key,
            )
            for key, value in kept.items()
        ]
    )
    if command.emit_event:
        _tell(command, scene, kept)
    if written:
        note(scene, command, target=run.id, run_id=run.id, after=kept)
        scene.work.announce()
    return AnnotateRunResult(written=written)


def _tell(command: AnnotateRun, scene: Scene, kept: dict[str, Json]) -> None:
    for key, value in kept.items():
        scene.changes.event(
            command.run_id,
            "annotation:created",
            scene.causation,
            key=key,
            value=value,
            scope=command.scope,
            scope_id=command.scope_id,
            attempt=command.attempt,
            actor_kind=command.actor_kind,
            actor_id=command.actor or scene.actor,
            actor_version=command.actor_version,
        )


def _plain(path: str, key: str, value: object) -> Json:
    try:
        return redact_json({key: loads(dumps(value))})[key]
    except NotJson as error:
        problems = [Problem(f"{path}.{one.path}".rstrip("."), one.message) for one in error.problems]
        raise InvalidInput(problems) from error
