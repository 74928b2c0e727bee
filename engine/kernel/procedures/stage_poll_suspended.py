"""`stage.pollSuspended`: ask due suspended stages whether their outside work is done, each by one poller at a time."""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from dataclasses import dataclass
from datetime import timedelta

from engine.commands import PollSuspendedStages, PollSuspendedStagesResult
from engine.definition.suspension import Completion
from engine.definition.workflow import Workflow
from engine.errors import BudgetExceeded
from engine.kernel.changes import Changes
from engine.kernel.course import Course
from engine.kernel.deliveries import Deliveries
from engine.kernel.ending import Failed, Said
from engine.kernel.executor import AnyStage, checked_output, failure, max_cost_of
from engine.kernel.outputs import keep_output
from engine.kernel.reporter import LiveReporter
from engine.kernel.rules.polling import after_error, deadline_passed, next_poll
from engine.model.ids import new_token
from engine.model.records import Claimed, StageRecord
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.work import UnitOfWork

CHECK_SECONDS = 30.0
POLL_LEASE = timedelta(seconds=60)
"""Longer than a check may take: nobody else asks meanwhile."""
AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class _Ready:
    output: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    next_check_in: timedelta | None


@dataclass(frozen=True, slots=True)
class _Broken:
    """The check itself failed; the outside work may be fine."""

    error: str


@dataclass(frozen=True, slots=True)
class _Gone:
    """This process has no such check: somebody else may."""


_Answer = _Ready | _Waiting | Failed | _Broken | _Gone


async def poll(command: PollSuspendedStages, deliveries: Deliveries) -> PollSuspendedStagesResult:
    token = new_token()
    last_start = time.monotonic() + POLL_LEASE.total_seconds() - CHECK_SECONDS
    due = await deliveries.store.transact(lambda work: _claim(work, deliveries, token, command.max_checks))
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(claimed: Claimed) -> str:
        async with gate:
            # A check that began later could outlast its lease: it is due again when that ends.
            return await _poll_one(claimed, deliveries, token) if time.monotonic() <= last_start else "unasked"

    results = await asyncio.gather(*(one(claimed) for claimed in due))
    resumed = [claimed.job.run_id for claimed, result in zip(due, results, strict=True) if result == "resumed"]
    return PollSuspendedStagesResult(
        checked=len(results) - results.count("unasked") - results.count("gone"),
        resumed=len(resumed),
        failed=results.count("failed"),
        resumed_run_ids=list(dict.fromkeys(resumed)),
    )


def _claim(work: UnitOfWork, deliveries: Deliveries, token: str, limit: int) -> list[Claimed]:
    """The due stages whose check this process has; a stage whose definition vanished waits, visibly."""
    known = [one for one in deliveries.registry.ids() if one not in work.pauses.paused()]
    due = work.stages.claim_polls(known, token, work.now + POLL_LEASE, limit)
    # Whoever asked before asks no more: one poller at a time, and the body is over.
    work.ai_calls.interrupt_attempts([(stage.run_id, stage.stage_id, stage.attempt) for stage in due])
    claimed = []
    inputs = work.stages.inputs([stage.id for stage in due])
    run_ids = sorted({stage.run_id for stage in due})
    run_inputs = work.runs.inputs(run_ids)
    outputs = work.stages.outputs(run_ids)
    for stage in due:
        run = work.runs.get(stage.run_id)
        job = work.jobs.due_for(stage.run_id, stage.stage_id)
        if run is None or job is None:
            continue
        claimed.append(
            Claimed(
                job=job,
                stage=stage,
                definition=run.definition,
                input=run_inputs[run.id] if stage.group_no == 1 else inputs[stage.id],
                outputs={stage_id: text for run_id, stage_id, _, text in outputs if run_id == run.id},
                groups={stage_id: group for run_id, stage_id, group, _ in outputs if run_id == run.id},
            )
        )
    return claimed


async def _poll_one(claimed: Claimed, deliveries: Deliveries, token: str) -> str:
    workflow = deliveries.registry.get(claimed.job.workflow_id)
    reporter = LiveReporter(claimed, deliveries.clock, lambda: None)
    answer = await _ask(workflow, claimed, deliveries, reporter)
    said = reporter.close()
    return await deliveries.store.transact(lambda work: _apply(work, deliveries, claimed.stage, token, answer, said))


async def _ask(workflow: Workflow | None, claimed: Claimed, deliveries: Deliveries, reporter: LiveReporter) -> _Answer:
    stage = next((one for one in workflow.stages if one.id == claimed.stage.stage_id), None) if workflow else None
    if stage is None or stage.check is None:
        return _Gone()
    timer = asyncio.timeout(CHECK_SECONDS)
    calls = deliveries.executor.desk.of_delivery(claimed, max_cost_of(stage, claimed.stage), reporter)
    try:
        context = await deliveries.executor.context(stage, claimed, reporter, calls)
        async with timer:
            completion = await _call(stage, context, deliveries)
    except Exception as error:
        if timer.expired():
            return _Broken(f"check_completion took longer than {CHECK_SECONDS:g} s")
        if isinstance(error, BudgetExceeded) and calls.hold is not None:
            return _Waiting(None)
        return _broken_or_failed(error)
    finally:
        await calls.end()
    if not isinstance(completion, Completion):
        return Failed(f"check_completion answered {type(completion).__name__}, not a Completion", None, retryable=False)
    return await _answer(stage, completion, claimed, deliveries)


async def _call(stage: AnyStage, context: object, deliveries: Deliveries) -> object:
    check = stage.check
    assert check is not None
    state = getattr(context, "resume_state", None)
    if stage.check_is_async:
        return await check(state, context)
    result = await deliveries.executor.threads.run(lambda: check(state, context))
    return await result if inspect.isawaitable(result) else result


async def _answer(stage: AnyStage, completion: Completion[object], claimed: Claimed, deliveries: Deliveries) -> _Answer:
    if completion.kind == "waiting":
        return _Waiting(completion.next_check_in)
    if completion.kind == "failed":
        return Failed(completion.error or "check_completion gave it up", None, retryable=False)
    try:
        prefix = f"runs/{claimed.job.run_id}/{stage.id}/{claimed.stage.poll_token or new_token()}"
        return _Ready(await keep_output(deliveries.executor.blobs, prefix, checked_output(stage, completion.output)))
    except Exception as error:
        return _broken_or_failed(error)


def _broken_or_failed(error: Exception) -> _Broken | Failed:
    failed = failure(error)
    return _Broken(failed.error) if failed.retryable else failed


def _apply(
    work: UnitOfWork, deliveries: Deliveries, asked: StageRecord, token: str, answer: _Answer, said: Said
) -> str:
    """Write the answer, if the stage still waits for this poller's."""
    changes = Changes(work)
    course = Course(changes, deliveries.plans)
    changes.lock({asked.run_id})
    stage = work.stages.get([asked.id]).get(asked.id)
    if stage is None or stage.status is not StageStatus.SUSPENDED or stage.poll_token != token:
        return "skipped"
    if changes.run(stage.run_id).status is not RunStatus.RUNNING:
        return "skipped"
    if isinstance(answer, _Gone):
        due = next_poll(work.now, None, None)
        changes.update_stage(stage._replace(next_poll_at=due, poll_token=None))
        changes.write()
        return "gone"
    changes.logs += said.logs
    changes.annotations += said.annotations
    polled = stage._replace(polls=stage.polls + 1, last_poll_at=work.now, poll_token=None)
    cause = f"poll:{token}:{stage.id}"
    late = deadline_passed(work.now, stage.max_wait_until)
    result = "waiting"
    if isinstance(answer, _Ready):
        course.complete(polled, answer.output, None, cause)
        result = "resumed"
    elif late:
        error = f"MAX_WAIT: still not done at max_wait_until {stage.max_wait_until:%Y-%m-%dT%H:%M:%SZ}"
        course.fail(polled, error, "MAX_WAIT", cause)
        result = "failed"
    elif isinstance(answer, _Waiting):
        due = next_poll(work.now, answer.next_check_in, stage.poll_every)
        changes.update_stage(polled._replace(next_poll_at=due, poll_errors=0, error=None))
    elif isinstance(answer, _Broken):
        result = _note_broken_check(course, polled, answer, cause)
    else:
        course.fail(polled, answer.error, answer.code, cause)
        result = "failed"
    if result in ("resumed", "failed"):
        _close_job(changes, stage, JobStatus.COMPLETED if result == "resumed" else JobStatus.FAILED)
    changes.write()
    return result


def _note_broken_check(course: Course, polled: StageRecord, answer: _Broken, cause: str) -> str:
    errors = polled.poll_errors + 1
    due = after_error(course.changes.now, errors, random.random())  # noqa: S311
    if due is None:
        error = f"POLL_FAILED: check_completion failed {errors} times in a row: {answer.error}"
        course.fail(polled._replace(poll_errors=errors), error, "POLL_FAILED", cause)
        return "failed"
    course.changes.update_stage(polled._replace(next_poll_at=due, poll_errors=errors, error=answer.error))
    return "waiting"


def _close_job(changes: Changes, stage: StageRecord, status: JobStatus) -> None:
    job = changes.work.jobs.due_for(stage.run_id, stage.stage_id)
    if job is not None and job.stage_ref == stage.id:
        changes.update_job(job._replace(status=status, completed_at=changes.now))
