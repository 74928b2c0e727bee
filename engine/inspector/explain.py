"""Why a run is where it is: a reason made of facts, and what can be done about it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime

from engine.definition.plan import Plan
from engine.inspector.reasons import Reason, StageReasons, fleet_facts, money_facts, span, stages_named
from engine.inspector.views import Explanation
from engine.model.budgets import BUDGET_CODE
from engine.model.json import loads
from engine.model.read_records import RunRow, Situation, StageRow
from engine.model.records import PauseRecord, WorkerRecord
from engine.model.status import ACTIVE_STAGE, RunStatus, StageStatus

_SHOW = ("open it", "enter", "show")
_LOGS = ("follow its log", "f", "logs")
_READ = ("read its log", "enter", "logs")
_CANCEL = ("cancel it", "c", "cancel")
_ALLOW = ("let it spend more", ":", "budget")
_RETRY = ("retry the failed stages", "F", "retry")
_POLL = ("poll it now", "u", "poll")
_SKIP = ("try again now", "u", "poll")
_NEXT: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "no_worker": (_CANCEL,),
    "definition_gone": (_CANCEL,),
    "lease_held": (_LOGS, _CANCEL),
    "executing": (_LOGS, _CANCEL),
    "backoff": (_SKIP, _LOGS, _CANCEL),
    "poll_due": (_LOGS, _CANCEL),
    "poll_wait": (_POLL, _LOGS, _CANCEL),
    "stage_wait": (_LOGS, _CANCEL),
    "queue": (_CANCEL,),
    "paused": (_CANCEL,),
    "budget": (_ALLOW, _CANCEL),
    "failed": (_RETRY, _READ),
    "done": (_SHOW,),
}
_WITHOUT_WORKERS = frozenset({"no_worker", "definition_gone", "lease_held", "poll_due"})


def explain(situation: Situation, plans: Mapping[tuple[str, str], Plan], now: datetime) -> Explanation:
    """The one reason that matters most. `plans`: of the run, and of what the live workers have."""
    run = situation.run
    live = [worker for worker in situation.workers if worker.alive_until >= now]
    reason = _reason(situation, live, plans, now)
    plan = plans.get((run.workflow_id, run.definition))
    return Explanation(
        run_id=run.id,
        code=reason.code,
        summary=reason.summary,
        since=reason.since,
        until=reason.until,
        facts=reason.facts,
        next=_next(run, reason, plan, anybody=bool(live)),
    )


def definitions_of(situation: Situation) -> set[tuple[str, str]]:
    """(workflow id, fingerprint) of the plans `explain` wants."""
    run = situation.run
    theirs = {
        (run.workflow_id, fingerprint)
        for worker in situation.workers
        if (fingerprint := known_to(worker).get(run.workflow_id)) is not None
    }
    return {(run.workflow_id, run.definition), *theirs}


def known_to(worker: WorkerRecord) -> dict[str, str]:
    """Workflow id to fingerprint, of the definitions a worker has."""
    known = loads(worker.workflows)
    return {str(name): str(fingerprint) for name, fingerprint in known.items()} if isinstance(known, dict) else {}


def _reason(
    situation: Situation, live: list[WorkerRecord], plans: Mapping[tuple[str, str], Plan], now: datetime
) -> Reason:
    run = situation.run
    if run.status == RunStatus.PENDING:
        return _paused(situation.pause, run, now) or _pending(situation, live, now)
    if run.status != RunStatus.RUNNING:
        return _ended(situation, now)
    stages = StageReasons(situation, live, {worker.id: known_to(worker) for worker in live}, plans, now)
    active = [stage for stage in situation.stages if stage.status in ACTIVE_STAGE]
    if not active:
        return Reason(
            "stage_wait",
            f"Every stage of group {run.group_no} has ended; the run moves on at the next tick of a worker.",
            since=run.updated_at,
            facts={"group": run.group_no},
        )
    paused = _paused(situation.pause, run, now)
    if paused is not None and not any(stage.status == StageStatus.RUNNING for stage in active):
        return paused
    reason = min((stages.of(stage) for stage in active), key=lambda found: found.rank)
    return _beside_siblings(run, situation.stages, active, reason)


def _paused(pause: PauseRecord | None, run: RunRow, now: datetime) -> Reason | None:
    if pause is None:
        return None
    why = f": {pause.reason}" if pause.reason else ""
    summary = f"{pause.actor} paused {run.workflow_id} {span(now - pause.paused_at)} ago{why}. Nothing new starts."
    facts = {"workflow_id": run.workflow_id, "actor": pause.actor, "reason": pause.reason}
    return Reason("paused", summary, since=pause.paused_at, facts=facts)


def _pending(situation: Situation, live: list[WorkerRecord], now: datetime) -> Reason:
    run = situation.run
    if run.start_at is not None and run.start_at > now:
        return Reason(
            "queue",
            f"It starts in {span(run.start_at - now)}, as asked for.",
            since=run.created_at,
            until=run.start_at,
            facts={"starts_at": run.start_at},
        )
    able = [worker for worker in live if run.workflow_id in known_to(worker)]
    if not able:
        return Reason(
            "no_worker",
            f"No live worker knows {run.workflow_id}: the run waits until one does.",
            since=run.created_at,
            facts={"workflow_id": run.workflow_id, **fleet_facts(live, able)},
        )
    ahead = situation.ahead.get(run.id, 0)
    facts = {"ahead": ahead, "priority": run.priority, **fleet_facts(live, able)}
    before = f"{ahead} {'run goes' if ahead == 1 else 'runs go'} first" if ahead else "it is the next to be claimed"
    return Reason("queue", f"Queued for {span(now - run.created_at)}: {before}.", since=run.created_at, facts=facts)


def _ended(situation: Situation, now: datetime) -> Reason:
    run = situation.run
    took = span((run.completed_at or now) - (run.started_at or run.created_at))
    if run.status == RunStatus.FAILED and run.error_code == BUDGET_CODE:
        facts = {"stage_id": run.failed_stage, **money_facts(situation, run.error)}
        return Reason("budget", f"Failed after {took}: {run.error}", since=run.completed_at, facts=facts)
    if run.status == RunStatus.FAILED:
        where = f" in {run.failed_stage}" if run.failed_stage else ""
        summary = f"Failed{where} after {took}: {run.error or 'no error was given'}"
        what = {"stage_id": run.failed_stage, "error": run.error, "error_code": run.error_code}
        return Reason("failed", summary, since=run.completed_at, facts=what)
    ended = "Completed" if run.status == RunStatus.COMPLETED else "Cancelled"
    facts = {"status": run.status, "completed_at": run.completed_at}
    return Reason("done", f"{ended} after {took}.", since=run.completed_at, facts=facts)


def _beside_siblings(run: RunRow, group: list[StageRow], active: list[StageRow], reason: Reason) -> Reason:
    """What ended beside the active stages matters once a failure is certain, or while the rest executes."""
    if reason.blocks:
        return reason
    failed = [stage for stage in group if stage.status == StageStatus.FAILED]
    done = [stage for stage in group if stage.status == StageStatus.COMPLETED]
    facts = {
        **reason.facts,
        "failed": [stage.stage_id for stage in failed],
        "done": [stage.stage_id for stage in done],
        "active": [stage.stage_id for stage in active],
        "waits_for": reason.code,
    }
    rest = f"{stages_named(active)} still {'runs' if len(active) == 1 else 'run'}"
    if failed:
        summary = f"{stages_named(failed)} failed for good; {rest}. Then the run fails. {reason.summary}"
        since = min((stage.completed_at for stage in failed if stage.completed_at), default=run.updated_at)
        return Reason("stage_wait", summary, since=since, until=reason.until, facts=facts)
    if done and reason.code == "executing":
        since = max((stage.completed_at for stage in done if stage.completed_at), default=run.updated_at)
        summary = f"{stages_named(done)} done; {rest}. {reason.summary}"
        return Reason("stage_wait", summary, since=since, until=reason.until, facts=facts)
    return reason


def _next(run: RunRow, reason: Reason, plan: Plan | None, *, anybody: bool) -> list[Explanation.Next]:
    found = []
    if reason.code == "no_worker" or (reason.code in _WITHOUT_WORKERS and not anybody):
        found.append(_step("start a worker", "5", "worker"))
    elif reason.code in _WITHOUT_WORKERS:
        found.append(_step("see the workers", "5", "workers"))
    if reason.code == "paused":
        found.append(_step(f"resume {run.workflow_id}", "6", "resume", run.workflow_id))
    for label, key, command in _steps(run, reason):
        words = (command, run.id, "-f") if command == "logs" and run.status == RunStatus.RUNNING else (command, run.id)
        found.append(_step(label, key, *words, *(("AMOUNT",) if command == "budget" else ())))
    start = run.failed_stage or (plan.stages[0].stage_id if plan and plan.stages else None)
    ended = reason.code in ("failed", "done") or (reason.code == "budget" and run.status == RunStatus.FAILED)
    if ended and start is not None and run.started_at is not None:
        found.append(_step(f"rerun from {start}", "R", "rerun", run.id, "--from", start))
    return found


def _steps(run: RunRow, reason: Reason) -> tuple[tuple[str, str, str], ...]:
    if reason.code == "budget" and run.status == RunStatus.FAILED:
        return (_ALLOW, _RETRY, _READ)
    return _NEXT[reason.code]


def _step(label: str, key: str, *words: str) -> Explanation.Next:
    return Explanation.Next(label=label, key=key, cli=shlex.join(("wfconsole", *words)))
