"""The course of a run: what a stage's end does to it, whoever tells of that end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.definition.plan import Plan, PlannedStage
from engine.kernel.changes import Changes
from engine.kernel.plans import Plans
from engine.kernel.rules.advance import advance
from engine.model.fingerprint import fingerprint
from engine.model.ids import new_id
from engine.model.json import dumps, loads
from engine.model.payload import INLINE_LIMIT, is_pointer
from engine.model.records import JobRecord, RunRecord, StageRecord
from engine.model.status import JobStatus, RunStatus, StageStatus


class Course:
    """Moves runs on through `Changes`; the runs concerned are locked."""

    def __init__(self, changes: Changes, plans: Plans) -> None:
        self.changes = changes
        self._plans = plans

    def plan(self, run: RunRecord) -> Plan:
        return self._plans.get(self.changes.work, run.workflow_id, run.definition)

    def complete(self, stage: StageRecord, output: str, metrics: str | None, cause: str) -> None:
        """The stage's output stands; the run moves on if it was the last of its group."""
        changes = self.changes
        done = stage._replace(
            status=StageStatus.COMPLETED,
            completed_at=changes.now,
            output=output,
            metrics=metrics if metrics is not None else stage.metrics,
            error=None,
            error_code=None,
            error_fingerprint=None,
            next_poll_at=None,
            poll_token=None,
            retry_at=None,
        )
        changes.complete_stage(done, output)
        duration = milliseconds(stage.started_at, changes.now)
        changes.event(
            stage.run_id,
            "stage:completed",
            cause,
            stage_id=stage.stage_id,
            stage_name=stage.name,
            duration_ms=duration,
        )
        changes.update_run(stage.run_id, open_stages=changes.run(stage.run_id).open_stages - 1)
        self.move_on(stage.run_id, cause)

    def fail(self, stage: StageRecord, error: str, code: str | None, cause: str) -> None:
        """The stage failed for good; the run fails with the first such error once the group's last stage ended."""
        changes = self.changes
        failed = failed_stage(stage, error, code, changes.now)
        changes.update_stage(failed)
        self.report_failure(failed, cause)
        run = changes.run(stage.run_id)
        first = {} if run.failed_stage else {"failed_stage": stage.stage_id, **error_fields(error, code)}
        changes.update_run(run.id, open_stages=run.open_stages - 1, **first)
        self.move_on(run.id, cause)

    def report_failure(self, failed: StageRecord, cause: str) -> None:
        self.changes.event(
            failed.run_id,
            "stage:failed",
            cause,
            stage_id=failed.stage_id,
            stage_name=failed.name,
            error=failed.error,
            code=failed.error_code,
        )

    def move_on(self, run_id: str, cause: str) -> str:
        """Advance, complete or fail the run if its group is done; the name of the move."""
        run = self.changes.run(run_id)
        plan = self.plan(run)
        move = advance(
            groups=len(plan.groups),
            group=run.group_no,
            open_stages=run.open_stages,
            failed=run.failed_stage is not None,
        )
        match move.kind:
            case "next":
                assert move.group is not None
                self.open_group(run_id, plan, move.group)
            case "complete":
                self._complete_run(run, plan, cause)
            case "fail":
                self.fail_run(run_id, run.error or "Stage failed", run.error_code, cause)
            case "wait":
                pass
        return move.kind

    def open_group(self, run_id: str, plan: Plan, group: int) -> None:
        """Create the stages of a group, and their jobs, due at once."""
        changes = self.changes
        run = changes.run(run_id)
        configs = loads(run.config)
        planned = plan.groups[group - 1]
        text = None if group == 1 else group_output(plan, group - 1, changes.outputs(run_id, _members(plan, group - 1)))
        before = changes.last_attempts(run_id) if run.generation else {}
        for one in planned:
            self._open_stage(run, one, before.get(one.stage_id, 0), text, configs.get(one.stage_id))
        changes.update_run(run_id, group_no=group, open_stages=len(planned))
        changes.work.announce()

    def _open_stage(
        self, run: RunRecord, planned: PlannedStage, attempt: int, input_text: str | None, config: object
    ) -> None:
        stage = StageRecord(
            id=new_id(),
            run_id=run.id,
            stage_id=planned.stage_id,
            name=planned.name,
            group_no=planned.group,
            number=planned.number,
            status=StageStatus.PENDING,
            generation=run.generation,
            queued_at=self.changes.now,
            attempt=attempt,
            max_attempts=planned.retry.max_attempts,
            config=dumps(config if config is not None else {}),
            reuse_ai=run.reuse_ai,
        )
        self.changes.create_stage(stage, input_text)
        self.changes.enqueue(job_for(run, stage))

    def _complete_run(self, run: RunRecord, plan: Plan, cause: str) -> None:
        changes = self.changes
        outputs = changes.outputs(run.id, _members(plan, len(plan.groups)))
        last = plan.groups[-1]
        # A blob's pointer stands for a single output; of several, readers put the parts together.
        output = outputs[last[0].stage_id][1] if len(last) == 1 else group_output(plan, len(plan.groups), outputs)
        changes.update_run(run.id, status=RunStatus.COMPLETED, completed_at=changes.now, output=output)
        changes.event(
            run.id,
            "workflow:completed",
            cause,
            duration_ms=milliseconds(run.started_at, changes.now),
            total_cost=run.total_cost,
            total_tokens=run.total_tokens,
            output=None if output is None or is_pointer(output) else loads(output),
        )
        changes.work.announce()

    def fail_run(self, run_id: str, error: str, code: str | None, cause: str) -> None:
        """The run is over; stages and jobs of it that still wait are cancelled by the caller, if there can be any."""
        self.changes.update_run(
            run_id, status=RunStatus.FAILED, completed_at=self.changes.now, **error_fields(error, code)
        )
        self.changes.event(run_id, "workflow:failed", cause, error=error, code=code)
        self.changes.work.announce()


def causation(job: JobRecord) -> str:
    """The events of one delivery belong together."""
    return f"{job.id}:{job.attempt}"


def job_for(run: RunRecord, stage: StageRecord) -> JobRecord:
    """A stage's place in the queue: due at once."""
    return JobRecord(
        id=new_id(),
        stage_ref=stage.id,
        run_id=run.id,
        workflow_id=run.workflow_id,
        stage_id=stage.stage_id,
        status=JobStatus.PENDING,
        priority=run.priority,
        created_at=run.created_at,
        attempt=stage.attempt,
        max_attempts=stage.max_attempts,
    )


def group_output(plan: Plan, group: int, outputs: dict[str, tuple[int, str]]) -> str | None:
    """What a group hands on: bare from one stage, else by stage id. None: too long to copy, or partly in blobs."""
    members = _members(plan, group)
    texts = [outputs[stage_id][1] for stage_id in members]
    if len(members) == 1:
        return texts[0] if not is_pointer(texts[0]) else None
    if any(map(is_pointer, texts)) or sum(map(len, texts)) > INLINE_LIMIT:
        return None
    return "{" + ",".join(f"{dumps(stage_id)}:{text}" for stage_id, text in zip(members, texts, strict=True)) + "}"


def _members(plan: Plan, group: int) -> list[str]:
    return [planned.stage_id for planned in plan.groups[group - 1]]


def failed_stage(stage: StageRecord, error: str, code: str | None, now: datetime) -> StageRecord:
    return stage._replace(
        status=StageStatus.FAILED,
        completed_at=now,
        next_poll_at=None,
        poll_token=None,
        **error_fields(error, code),
    )


def error_fields(error: str, code: str | None) -> dict[str, Any]:
    return {"error": error, "error_code": code, "error_fingerprint": fingerprint(code, error)}


def milliseconds(since: datetime | None, until: datetime) -> int | None:
    return None if since is None else round((until - since).total_seconds() * 1000)
