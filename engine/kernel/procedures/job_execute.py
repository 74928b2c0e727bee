"""`job.execute`: claim the due job of a stage, run its body, settle it. A list of one of what hosts do all day."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from engine.commands import ExecuteJob, ExecuteJobResult
from engine.definition.workflow import Workflow
from engine.errors import IdempotencyConflict, IdempotencyInProgress, RunNotFound, WorkflowNotFound
from engine.kernel.changes import Changes
from engine.kernel.claiming import Claiming, Taker
from engine.kernel.course import Course
from engine.kernel.deliveries import Deliveries
from engine.kernel.ending import Completed, Crashed, Delivery, Failed, GivenBack, Held, Suspended
from engine.kernel.outputs import load_texts
from engine.kernel.settling import Settled
from engine.model.json import digest, dumps, loads
from engine.model.records import Claimed, KeyRecord, body_key
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.work import UnitOfWork


@dataclass(frozen=True, slots=True)
class _Stored:
    """The stage is done: its output text."""

    output: str


_Begun = Claimed | _Stored | ExecuteJobResult


async def execute(command: ExecuteJob, deliveries: Deliveries, taker: Taker) -> ExecuteJobResult:
    """Cancelling the caller gives the job and the key back."""
    workflow = deliveries.registry.get(command.workflow_id)
    if workflow is None:
        raise WorkflowNotFound(command.workflow_id, deliveries.registry.ids())
    workflow.stage(command.stage_id)
    begun = await deliveries.store.transact(lambda work: _begin(command, workflow, deliveries, taker, work))
    if isinstance(begun, ExecuteJobResult):
        return begun
    if isinstance(begun, _Stored):
        output = loads((await load_texts(deliveries.executor.blobs, {"": begun.output}))[""])
        return ExecuteJobResult(outcome="completed", output=output)
    delivery = await deliveries.carry_out(begun, taker.lease)
    if delivery is None:
        return await deliveries.store.transact(lambda work: _ghost(command, work))
    output = None
    if isinstance(delivery.ending, Completed):
        output = loads((await load_texts(deliveries.executor.blobs, {"": delivery.ending.output}))[""])
    results: list[ExecuteJobResult] = []

    def finish(work: UnitOfWork, settled: list[Settled]) -> None:
        results[:] = [_result(delivery, settled[0], output)]
        if isinstance(delivery.ending, GivenBack):
            _release_key(command, work)
        elif command.idempotency_key and not results[0].ghost:
            text = dumps(results[0].model_dump(mode="json"))
            work.keys.complete(command.idempotency_key, command.type, text, command.run_id)

    turn = await deliveries.turn([delivery], taker, 0, finish)
    if isinstance(delivery.ending, GivenBack):
        raise asyncio.CancelledError
    if turn.settled[0].verdict == "ghost":
        return await deliveries.store.transact(lambda work: _ghost(command, work))
    return results[0]


def _begin(command: ExecuteJob, workflow: Workflow, deliveries: Deliveries, taker: Taker, work: UnitOfWork) -> _Begun:
    changes = Changes(work)
    changes.lock({command.run_id})
    if not changes.has_run(command.run_id):
        raise RunNotFound(command.run_id)
    replay = _take_key(command, taker.lease, work)
    if replay is not None:
        return replay
    if changes.run(command.run_id).status is not RunStatus.RUNNING or workflow.id in work.pauses.paused():
        return _ghost(command, work)
    stage = next((one for one in work.stages.of_run(command.run_id) if one.stage_id == command.stage_id), None)
    if stage is not None and stage.status is StageStatus.COMPLETED and stage.output is not None:
        _release_key(command, work)
        return _Stored(stage.output)
    work.jobs.promote_due()
    job = work.jobs.due_for(command.run_id, command.stage_id)
    if job is None or job.status is not JobStatus.PENDING:
        return _ghost(command, work)
    only_this = replace(taker, bodies=(body_key(workflow.id, command.stage_id),))
    claiming = Claiming(Course(changes, deliveries.plans), only_this)
    claiming.claim_only(job.id)
    changes.write()
    claimed = claiming.claimed()
    if not claimed:
        return _ghost(command, work)
    if not command.config:
        return claimed[0]
    config = workflow.validate_config(command.config)[command.stage_id]
    return claimed[0]._replace(stage=claimed[0].stage._replace(config=dumps(config)))


def _take_key(command: ExecuteJob, lease: timedelta, work: UnitOfWork) -> ExecuteJobResult | None:
    """The stored result of this key, or None when it is ours now. Its lease ends with the job's."""
    key = command.idempotency_key
    if key is None:
        return None
    payload = digest(command.model_dump(mode="json", exclude={"idempotency_key"}))
    record = KeyRecord(key, command.type, payload, None, command.run_id, work.now, work.now + lease)
    there = work.keys.begin(record)
    if there is None:
        return None
    if there.payload_hash != payload:
        raise IdempotencyConflict(key, command.type)
    if there.result is not None:
        return ExecuteJobResult.model_validate(loads(there.result))
    if not work.keys.reclaim(record, work.now):
        raise IdempotencyInProgress(key, command.type)
    return None


def _release_key(command: ExecuteJob, work: UnitOfWork) -> None:
    """The key stands for nothing done: whoever comes with it next starts afresh."""
    if command.idempotency_key:
        work.keys.release(command.idempotency_key, command.type)


def _ghost(command: ExecuteJob, work: UnitOfWork) -> ExecuteJobResult:
    _release_key(command, work)
    why = "not this caller's to execute: the run is not running, or the job is leased elsewhere or not due"
    return ExecuteJobResult(outcome="failed", error=why, ghost=True, retryable=False)


def _result(delivery: Delivery, settled: Settled, output: object) -> ExecuteJobResult:
    match delivery.ending:
        case Completed():
            return ExecuteJobResult(outcome="completed", output=output, ghost=settled.verdict == "ghost")
        case Suspended():
            return ExecuteJobResult(
                outcome="suspended", next_poll_at=settled.next_poll_at, ghost=settled.verdict == "ghost"
            )
        case Failed() | Held() as failed:
            retrying = settled.verdict == "retrying"
            return ExecuteJobResult(
                outcome="failed", error=failed.error, retryable=retrying, ghost=settled.verdict == "ghost"
            )
        case Crashed() as crashed:
            retrying = settled.verdict == "retrying"
            return ExecuteJobResult(
                outcome="failed", error=crashed.how, retryable=retrying, ghost=settled.verdict == "ghost"
            )
    return ExecuteJobResult(outcome="failed", error="interrupted: the job was given back", retryable=True)
