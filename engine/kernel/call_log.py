"""The log of AI calls of one delivery, or of one topic outside of any run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from engine.definition.context import AIHelper
from engine.errors import BudgetExceeded, EngineError, LeaseLost
from engine.kernel.call_ledger import CallLedger
from engine.kernel.recording import Recording, as_recorded
from engine.kernel.rules.budget import Account, again_at
from engine.model.json import Json
from engine.model.records import AICallRecord, Claimed
from engine.model.status import LogLevel
from engine.ports.ai_calls import AICallLog, ReuseScope
from engine.ports.clock import Clock
from engine.ports.persistence import Persistence

log = logging.getLogger(__name__)


class OpenedAI(AIHelper, Protocol):
    """A helper whose opener is done with it some time."""

    async def settle(self) -> None:
        """Wait, for a moment, until every call it made is noted."""


class AIOpener(Protocol):
    """How a helper comes about; whoever opens the engine knows."""

    def open(self, topic: str, calls: AICallLog, *, reuse: bool = False) -> OpenedAI:
        """A helper that notes its calls there. With `reuse` it asks for earlier answers first, whatever the setting."""

    def portable(self) -> Json:
        """All a process of a body's own needs to make one like it, as JSON: `by` is `module:name` of what makes it of
        this."""


class Said(Protocol):
    """Where a warning goes."""

    def log(self, level: LogLevel, message: str, fields: Mapping[str, Json]) -> None: ...

    @property
    def cancelled(self) -> bool: ...


class _Journal:
    """Warnings of a helper without a stage."""

    cancelled = False

    def log(self, level: LogLevel, message: str, fields: Mapping[str, Json]) -> None:
        log.log(logging.getLevelNamesMapping().get(level, logging.WARNING), "%s %s", message, dict(fields))


class Owner(NamedTuple):
    """Whose calls they are; all None outside of runs."""

    run_id: str | None = None
    workflow_id: str | None = None
    stage_id: str | None = None
    attempt: int | None = None
    job_id: str | None = None


NOBODY = Owner()


@dataclass(frozen=True, slots=True)
class Hold:
    """A budget is spent and the stage is to wait; `until` None: for an operator."""

    until: datetime | None


class CallLog:
    """`engine.ports.ai_calls.AICallLog`. Any thread and loop may use it; `end()` when its delivery is over."""

    def __init__(
        self,
        desk: CallDesk,
        owner: Owner = NOBODY,
        *,
        max_cost: Decimal | None = None,
        reuse: bool = False,
        said: Said | None = None,
    ) -> None:
        self._desk = desk
        self._owner = owner
        self._max_cost = max_cost
        self._reuse = reuse
        self._said: Said = said or _Journal()
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self._warned: set[str] = set()
        self._taken: set[str] = set()
        self._began: dict[str, datetime] = {}
        self._helper: OpenedAI | None = None
        self.hold: Hold | None = None
        """Set once a call was refused and its stage is to wait."""

    async def open(self, call: AICallRecord) -> None:
        if self._said.cancelled:
            raise LeaseLost(self._owner.job_id or "")
        # By the store's clock: it decides on which day the money was spent.
        known = self._own(call._replace(created_at=self._began.setdefault(call.id, self._desk.clock.now())))
        free = self._reuse and await self._will_be_replayed(call.request_key)
        await self._judge(known, free=free)
        with self._lock:
            self._open.add(call.id)

    async def afford(self) -> None:
        nothing = AICallRecord("", "", "batch", "", "", self._desk.clock.now())
        await self._judge(self._own(nothing), noted=False)

    async def _judge(self, call: AICallRecord, *, free: bool = False, noted: bool = True) -> None:
        accounts, spent = await self._desk.ledger.open(call, self._max_cost, free=free, noted=noted)
        self._warn(accounts)
        if spent is not None:
            self._refuse(spent)

    async def close(self, *calls: AICallRecord) -> None:
        if not calls:
            return
        with self._lock:
            self._open.difference_update(call.id for call in calls)
            now = self._desk.clock.now()
            timed = [call._replace(created_at=self._began.pop(call.id, now)) for call in calls]
        try:
            await self._desk.ledger.close([self._own(call) for call in timed])
        except Exception:
            log.exception("an AI call could not be noted")

    async def recall(self, request_key: str, scope: ReuseScope) -> AICallRecord | None:
        try:
            if self._reuse:
                return await self._replay(request_key)
            run_id = self._owner.run_id if scope == "run" else None
            if scope == "run" and run_id is None:
                return None
            return await self._desk.store.read(lambda reads: reads.recall(request_key, run_id))
        except EngineError as error:
            log.warning("no earlier answer can be looked for: %s", error)
            return None

    async def _replay(self, request_key: str) -> AICallRecord | None:
        """Each answer of the earlier attempts once: those of the latest first, and of one attempt in order."""
        found = await self._earlier(request_key)
        with self._lock:
            fresh = next((call for call in found if call.id not in self._taken), None)
            if fresh is not None:
                self._taken.add(fresh.id)
        return fresh

    async def _will_be_replayed(self, request_key: str | None) -> bool:
        try:
            found = [] if request_key is None else await self._earlier(request_key)
        except EngineError:
            return False
        return any(call.id not in self._taken for call in found)

    async def _earlier(self, request_key: str) -> list[AICallRecord]:
        run_id, stage_id, attempt = self._owner.run_id, self._owner.stage_id, self._owner.attempt
        if run_id is None or stage_id is None or attempt is None:
            return []
        return await self._desk.store.read(lambda reads: reads.answers(request_key, run_id, stage_id, attempt))

    async def recorded(self, batch_id: str) -> Collection[str]:
        waiting = {call.id for call in self._desk.ledger.unwritten() if call.batch_id == batch_id}
        return waiting | await self._desk.store.read(lambda reads: reads.recorded(batch_id))

    def helper(self, topic: str) -> OpenedAI:
        """The helper that notes its calls here. Raises `EngineError` when the engine has none."""
        if self._helper is None:
            opener = self._desk.opener
            if opener is None:
                raise EngineError(f"{topic} asked for AI, but this engine has no AI helper configured")
            self._helper = opener.open(topic, self, reuse=self._reuse)
        return self._helper

    async def end(self) -> None:
        """Its delivery is over: nobody will tell any more how calls still open then ended."""
        if self._helper is not None:
            await self._helper.settle()
        with self._lock:
            left = sorted(self._open)
            self._open.clear()
        if left:
            self._desk.ledger.interrupt(left)

    def _own(self, call: AICallRecord) -> AICallRecord:
        owner = self._owner
        owned = call._replace(
            run_id=owner.run_id, workflow_id=owner.workflow_id, stage_id=owner.stage_id, attempt=owner.attempt
        )
        return as_recorded(owned, self._desk.recording)

    def _warn(self, accounts: list[Account]) -> None:
        for account in accounts:
            if account.is_near(self._desk.ledger.budgets.warn) and account.kind not in self._warned:
                self._warned.add(account.kind)
                facts = {"budget": account.kind, "limit": f"{account.limit:f}", "spent": f"{account.spent:f}"}
                said = "spent" if account.is_spent else "nearly spent"
                self._said.log(LogLevel.WARN, f"the budget of {account.scope} is {said}", facts)

    def _refuse(self, spent: Account) -> None:
        if self._desk.ledger.budgets.on_exceeded == "suspend":
            self.hold = Hold(again_at(spent, self._desk.clock.now()))
        raise BudgetExceeded(spent.scope, spent.limit, spent.spent)


@dataclass(frozen=True, slots=True)
class CallDesk:
    """Where helpers and their logs come from."""

    store: Persistence
    clock: Clock
    ledger: CallLedger
    recording: Recording = "redacted"
    opener: AIOpener | None = None

    def of_delivery(self, claimed: Claimed, max_cost: Decimal | None, said: Said) -> CallLog:
        job, stage = claimed.job, claimed.stage
        owner = Owner(job.run_id, job.workflow_id, job.stage_id, stage.attempt, job.id)
        return CallLog(self, owner, max_cost=max_cost, reuse=stage.reuse_ai, said=said)


def topic_of(run_id: str, stage_id: str) -> str:
    return f"workflow.{run_id}.stage.{stage_id}"
