"""The kernel: `dispatch` carries out commands; hosts take turns."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast, overload

from engine.commands import Command, ExecuteJob, FlushOutbox, PollSuspendedStages, parse_command, result_type
from engine.definition.registry import WorkflowRegistry
from engine.errors import IdempotencyConflict, IdempotencyInProgress, InvalidInput, Problem
from engine.kernel.call_ledger import CallLedger
from engine.kernel.call_log import AIOpener, CallDesk
from engine.kernel.claiming import Taker
from engine.kernel.deliveries import Deliveries, Turn
from engine.kernel.ending import Delivery
from engine.kernel.executor import Executor
from engine.kernel.handlers import (
    dlq_discard,
    lease_reap_stale,
    plugin_replay_dlq,
    run_annotate,
    run_cancel,
    run_claim_pending,
    run_create,
    run_reap_stuck,
    run_rerun_from,
    run_retry_failed,
    run_set_budget,
    run_transition,
    stage_fail,
    stage_poll_now,
    workflow_pause,
    workflow_resume,
)
from engine.kernel.keeper import Keeper
from engine.kernel.plans import Plans
from engine.kernel.procedures import job_execute, outbox_flush, stage_poll_suspended
from engine.kernel.recording import Recording
from engine.kernel.scene import Scene
from engine.kernel.scheduling import DatabaseScheduler
from engine.kernel.sink_health import SinkHealth
from engine.kernel.threads import BodyThreads
from engine.model.budgets import NO_BUDGETS, Budgets
from engine.model.ids import new_id
from engine.model.json import Json, digest, dumps, loads
from engine.model.records import Claimed, KeyRecord, body_key
from engine.ports.blobs import BlobStore
from engine.ports.clock import Clock
from engine.ports.persistence import Persistence
from engine.ports.sink import EventSink
from engine.ports.work import UnitOfWork

R = TypeVar("R")

HANDLERS: dict[str, Callable[[Any, Scene], Any]] = {
    "run.create": run_create.handle,
    "run.claimPending": run_claim_pending.handle,
    "run.transition": run_transition.handle,
    "run.cancel": run_cancel.handle,
    "run.rerunFrom": run_rerun_from.handle,
    "run.retryFailed": run_retry_failed.handle,
    "run.reapStuck": run_reap_stuck.handle,
    "lease.reapStale": lease_reap_stale.handle,
    "plugin.replayDLQ": plugin_replay_dlq.handle,
    "dlq.discard": dlq_discard.handle,
    "stage.pollNow": stage_poll_now.handle,
    "stage.fail": stage_fail.handle,
    "workflow.pause": workflow_pause.handle,
    "workflow.resume": workflow_resume.handle,
    "run.annotate": run_annotate.handle,
    "run.setBudget": run_set_budget.handle,
}

DISPATCH_LEASE = timedelta(seconds=60)


class Kernel:
    """Turns commands into transactions. No timers, no signals: hosts give it time.

    Usable from any thread and any event loop. `close()` when done.
    """

    def __init__(
        self,
        *,
        persistence: Persistence,
        blobs: BlobStore,
        registry: WorkflowRegistry,
        clock: Clock,
        sink: EventSink | None = None,
        actor: str | None = None,
        ai: AIOpener | None = None,
        budgets: Budgets = NO_BUDGETS,
        ai_recording: Recording = "redacted",
    ) -> None:
        self.persistence = persistence
        self.registry = registry
        self.clock = clock
        self.sink = sink
        self.actor = actor or _somebody()
        self._health = SinkHealth()
        self.keeper = Keeper(persistence)
        self.scheduler = DatabaseScheduler(persistence, self._carry_out_scheduled, HANDLERS.keys(), self.actor)
        self._plans = Plans()
        self.threads = BodyThreads("wfconsole-body")
        self.calls = CallLedger(persistence, budgets)
        self.desk = CallDesk(persistence, clock, self.calls, ai_recording, ai)
        executor = Executor(blobs, clock, self.threads, self.desk)
        self._deliveries = Deliveries(persistence, registry, self._plans, executor, self.keeper, clock)

    @overload
    async def dispatch(self, command: Command[R], *, actor: str | None = None) -> R: ...
    @overload
    async def dispatch(self, command: Mapping[str, Json], *, actor: str | None = None) -> Any: ...
    async def dispatch(self, command: Command[R] | Mapping[str, Json], *, actor: str | None = None) -> Any:
        """Carry out a command, or its wire form; gives the command's own result.

        `actor` is who the audit log names; without it, who opened the engine.
        Raises the errors of `engine.errors`; after one of them nothing was written.
        """
        known = command if isinstance(command, Command) else parse_command(command)
        if isinstance(known, ExecuteJob):
            return await job_execute.execute(known, self._deliveries, self.taker(_dispatcher(), DISPATCH_LEASE))
        if isinstance(known, PollSuspendedStages):
            return await stage_poll_suspended.poll(known, self._deliveries)
        if isinstance(known, FlushOutbox):
            return await outbox_flush.flush(known, self.persistence, self.sink, self._health)
        key: str | None = getattr(known, "idempotency_key", None)
        payload = _payload_hash(known) if key else ""
        who = actor or self.actor
        return await self.persistence.transact(lambda work: self._carry_out(work, known, who, key, payload))

    def _carry_out(self, work: UnitOfWork, command: Command[Any], actor: str, key: str | None, payload: str) -> Any:
        """Key, effect and result in one transaction."""
        if key is not None:
            there = work.keys.begin(KeyRecord(key, command.type, payload, None, None, work.now))
            if there is not None:
                return _replay(command, there, payload)
        scene = Scene(work, self.registry, self._plans, causation=key or new_id(), actor=actor, key=key)
        result = HANDLERS[command.type](command, scene)
        scene.changes.write()
        if key is not None:
            run_id = getattr(result, "run_id", None) or getattr(command, "run_id", None)
            owner = run_id if run_id and scene.changes.has_run(run_id) else None
            work.keys.complete(key, command.type, dumps(result.model_dump(mode="json")), owner)
        return result

    def _carry_out_scheduled(self, work: UnitOfWork, command: Command[Any], actor: str, key: str | None) -> Any:
        return self._carry_out(work, command, actor, key, _payload_hash(command) if key else "")

    # --- for hosts ------------------------------------------------------------------------------------------------

    def taker(self, worker_id: str, lease: timedelta, only_run: str | None = None) -> Taker:
        """Who claims, with everything registered here."""
        bodies = tuple(body_key(workflow.id, stage.id) for workflow in self.registry for stage in workflow.stages)
        return Taker(worker_id, bodies, tuple(self.registry.ids()), lease, only_run)

    async def turn(self, ended: Sequence[Delivery], taker: Taker, free: int) -> Turn:
        """Settle what ended and lease up to `free` jobs, in one transaction."""
        return await self._deliveries.turn(ended, taker, free)

    async def carry_out(self, claimed: Claimed, lease: timedelta) -> Delivery | None:
        """Run a claimed job's body; None when its lease was lost meanwhile."""
        return await self._deliveries.carry_out(claimed, lease)

    def keep_definitions(self, work: UnitOfWork) -> None:
        """Store the plans of all registered workflows."""
        for workflow in self.registry:
            self._plans.keep(work, workflow)

    async def close(self) -> None:
        """End the kernel's threads; the store is its opener's to close."""
        self.keeper.close()
        await self.calls.flush()


def _somebody() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a user id without a name
        return f"{os.getuid()}@{socket.gethostname()}"


def _dispatcher() -> str:
    return f"dispatch:{socket.gethostname()}:{os.getpid()}"


def _payload_hash(command: Command[Any]) -> str:
    try:
        return digest({"type": command.type, **command.model_dump(mode="json", exclude={"idempotency_key"})})
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput([Problem("", f"no JSON: {error}")]) from error


def _replay(command: Command[R], there: KeyRecord, payload: str) -> R:
    if there.payload_hash != payload:
        raise IdempotencyConflict(there.key, command.type)
    if there.result is None:
        raise IdempotencyInProgress(there.key, command.type)
    kept: Any = result_type(type(command))
    return cast("R", kept.model_validate(loads(there.result)))
