"""`run.create`: validate, insert, say so."""

from __future__ import annotations

from engine.commands import CreateRun, CreateRunResult
from engine.errors import InvalidInput, Problem, WorkflowNotFound
from engine.kernel.scene import Scene
from engine.model.ids import new_run_id
from engine.model.json import NotJson, dumps, loads
from engine.model.records import AnnotationRecord, RunRecord
from engine.model.redaction import fit_to_write, redact_json
from engine.model.status import RunStatus


def handle(command: CreateRun, scene: Scene) -> CreateRunResult:
    workflow = scene.registry.get(command.workflow_id)
    if workflow is None:
        raise WorkflowNotFound(command.workflow_id, scene.registry.ids())
    input_text = dumps(workflow.validate_input(command.input))
    config = workflow.validate_config(command.config)
    now = scene.work.now
    delayed = command.start_at is not None and command.start_at > now
    run = RunRecord(
        id=new_run_id(),
        workflow_id=workflow.id,
        workflow_name=workflow.name,
        definition=workflow.fingerprint,
        status=RunStatus.PENDING,
        priority=command.priority,
        created_at=now,
        updated_at=now,
        config=dumps(config),
        metadata=_json(command.metadata, "metadata"),
        idempotency_key=command.idempotency_key,
        start_at=command.start_at,
        delayed=delayed,
    )
    scene.plans.keep(scene.work, workflow)
    scene.changes.create_run(run, input_text)
    scene.changes.annotations += [
        AnnotationRecord(run.id, key, _words(key, value), now, actor=fit_to_write(scene.actor))
        for key, value in command.annotations.items()
        if value is not None
    ]
    scene.changes.event(run.id, "workflow:created", scene.causation, workflow_id=workflow.id)
    scene.work.announce()
    return CreateRunResult(run_id=run.id, status=run.status)


def _words(key: str, value: object) -> str:
    plain = loads(_json(value, f"annotations.{key}"))
    return dumps(redact_json({key: plain})[key])


def _json(value: object, field: str) -> str:
    try:
        return dumps(value)
    except NotJson as error:
        raise InvalidInput(
            [Problem(f"{field}.{one.path}".rstrip("."), one.message) for one in error.problems]
        ) from error
