"""The way of AI calls into the store: what is spent is asked and what was spent is written, many calls at once."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import NamedTuple, TypeVar

from engine.errors import EngineError
from engine.kernel.rules.budget import Account, Kind, first_spent, midnight
from engine.model.budgets import NO_BUDGETS, Budgets, plain
from engine.model.records import AICallRecord, RunRecord
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork

T = TypeVar("T")
log = logging.getLogger(__name__)

WAIT_SECONDS = 5.0
"""How long a body waits for the store: then the call goes on, and its row is written later."""
RETRY_SECONDS = 1.0
LONGEST_RETRY = 30.0
AT_ONCE = 500

Verdict = tuple[list[Account], Account | None]
"""What a call is paid from, and which of it is spent."""
UNASKED: Verdict = ([], None)


class Asked(NamedTuple):
    """A call about to be made; `max_cost` is what its stage says it may spend.

    A `free` one costs nothing; one that is not `noted` gets its row later.
    """

    call: AICallRecord
    max_cost: Decimal | None
    free: bool
    noted: bool
    answer: Future[Verdict]


@dataclass(slots=True)
class _Bundle:
    """What one transaction is to write."""

    asked: list[Asked] = field(default_factory=list)
    ended: list[AICallRecord] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    waiters: list[Future[None]] = field(default_factory=list)


class CallLedger:
    """One for a kernel; every method may be called from any thread and loop.

    One transaction is under way at a time: what comes meanwhile goes into the next together, with its runs locked in
    order. What can't be written is kept and tried again; a stage's outcome takes along what is left of its run.
    """

    def __init__(self, store: Persistence, budgets: Budgets = NO_BUDGETS) -> None:
        self._store = store
        self._budgets = budgets
        self._lock = threading.Lock()
        self._asked: deque[Asked] = deque()
        self._ended: deque[AICallRecord] = deque()
        self._interrupted: list[str] = []
        self._waiters: list[Future[None]] = []
        self._busy = False
        self._unwritten: dict[str, AICallRecord] = {}
        self._cut_off: list[str] = []
        """Calls to be interrupted once the store is back."""
        self._retry: threading.Timer | None = None
        self._pause = RETRY_SECONDS
        self._in_trouble = False
        self._closed = False

    @property
    def budgets(self) -> Budgets:
        return self._budgets

    async def open(
        self, call: AICallRecord, max_cost: Decimal | None, *, free: bool = False, noted: bool = True
    ) -> Verdict:
        """Note the call as open, unless a budget is spent. A store that can't be reached refuses nothing."""
        answer: Future[Verdict] = Future()
        self._put(asked=[Asked(call, max_cost, free, noted, answer)])
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.wrap_future(answer), WAIT_SECONDS)
        return UNASKED

    async def close(self, calls: Sequence[AICallRecord]) -> None:
        """Write calls that ended; returns when they are in the store, or kept to be written later."""
        written: Future[None] = Future()
        with self._lock:
            self._unwritten.update((call.id, call) for call in calls)
        self._put(ended=calls, waiters=[written])
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(written), WAIT_SECONDS)

    def interrupt(self, ids: Iterable[str]) -> None:
        """Calls whose end nobody will tell."""
        self._put(interrupted=list(ids))

    def unwritten(self, run_ids: Iterable[str] | None = None) -> list[AICallRecord]:
        """Calls that ended and aren't in the store yet: of these runs, or all."""
        if not self._unwritten:
            return []
        wanted = None if run_ids is None else set(run_ids)
        with self._lock:
            return [call for call in self._unwritten.values() if wanted is None or call.run_id in wanted]

    def written(self, calls: Iterable[AICallRecord]) -> None:
        """Somebody else's transaction took these along."""
        with self._lock:
            for call in calls:
                self._unwritten.pop(call.id, None)
            if not self._unwritten:
                self._in_trouble, self._pause = False, RETRY_SECONDS

    async def flush(self) -> None:
        """Try once more to write everything; what is left then is lost with the process."""
        if self._busy or self._unwritten:
            await self.close(self.unwritten())
        with self._lock:
            self._closed = True
            if self._retry is not None:
                self._retry.cancel()

    def _put(
        self,
        *,
        asked: Iterable[Asked] = (),
        ended: Iterable[AICallRecord] = (),
        interrupted: Iterable[str] = (),
        waiters: Iterable[Future[None]] = (),
    ) -> None:
        with self._lock:
            self._asked.extend(asked)
            self._ended.extend(ended)
            self._interrupted += interrupted
            self._waiters += waiters
            if self._busy:
                return
            self._busy = True
        self._send()

    def _take(self) -> _Bundle | None:
        """What goes next. In trouble calls go one by one: one that can't be written must not hold up the others."""
        most = 1 if self._in_trouble else AT_ONCE
        with self._lock:
            ended = [self._ended.popleft() for _ in range(min(most, len(self._ended)))]
            asked = [self._asked.popleft() for _ in range(min(AT_ONCE, len(self._asked)))]
            interrupted, self._interrupted = self._interrupted, []
            waiters: list[Future[None]] = []
            if not self._ended:
                waiters, self._waiters = self._waiters, []
            if not (ended or asked or interrupted or waiters):
                self._busy = False
                return None
            return _Bundle(asked, ended, interrupted, waiters)

    def _send(self) -> None:
        while (bundle := self._take()) is not None:
            try:
                future = self._store.submit(partial(write, bundle=bundle, budgets=self._budgets))
            except EngineError as error:
                self._settle(bundle, error, [])
                continue
            future.add_done_callback(partial(self._sent, bundle))
            return

    def _sent(self, bundle: _Bundle, done: Future[list[Verdict]]) -> None:
        error = done.exception()
        try:
            self._settle(bundle, error, [] if error is not None else done.result())
        finally:
            self._send()

    def _settle(self, bundle: _Bundle, error: BaseException | None, verdicts: list[Verdict]) -> None:
        if error is None:
            self.written(bundle.ended)
        else:
            log.warning("AI calls wait to be written: %s", error)
            verdicts = [UNASKED] * len(bundle.asked)
            self._try_later(bundle)
        for one, verdict in zip(bundle.asked, verdicts, strict=True):
            _resolve(one.answer, verdict)
        for waiter in bundle.waiters:
            _resolve(waiter, None)

    def _try_later(self, bundle: _Bundle) -> None:
        """Everything that ended is kept; what just failed goes last the next time."""
        with self._lock:
            self._in_trouble = True
            self._ended.clear()
            self._cut_off += bundle.interrupted
            for call in bundle.ended:
                if self._unwritten.pop(call.id, None) is not None:
                    self._unwritten[call.id] = call
            if self._closed or self._retry is not None or not (self._unwritten or self._cut_off):
                return
            self._retry = threading.Timer(self._pause, self._again)
            self._retry.daemon = True
            self._pause = min(self._pause * 2, LONGEST_RETRY)
            self._retry.start()

    def _again(self) -> None:
        with self._lock:
            self._retry = None
            cut_off, self._cut_off = self._cut_off, []
        self._put(ended=self.unwritten(), interrupted=cut_off)


def _resolve(future: Future[T], value: T) -> None:
    if future.set_running_or_notify_cancel():
        future.set_result(value)


def write(work: UnitOfWork, bundle: _Bundle, budgets: Budgets) -> list[Verdict]:
    """Write what ended, then judge what is about to begin: it sees all that was spent."""
    calls = [*bundle.ended, *(one.call for one in bundle.asked)]
    run_ids = {call.run_id for call in calls if call.run_id is not None}
    runs = work.runs.lock(run_ids) if run_ids else {}
    work.ai_calls.close([_tied(call, runs) for call in bundle.ended])
    work.ai_calls.interrupt(bundle.interrupted)
    if not bundle.asked:
        return []
    if bundle.ended and runs:
        runs = work.runs.lock(run_ids)
    judge = _Judge(work, budgets, runs)
    verdicts = [judge.verdict(one) for one in bundle.asked]
    judged = zip(bundle.asked, verdicts, strict=True)
    allowed = [one.call for one, (_, spent) in judged if spent is None and one.noted]
    work.ai_calls.open([_tied(call, runs) for call in allowed])
    return verdicts


def close_calls(work: UnitOfWork, calls: Sequence[AICallRecord]) -> None:
    """Write calls that ended."""
    run_ids = {call.run_id for call in calls if call.run_id is not None}
    runs = work.runs.lock(run_ids) if run_ids else {}
    work.ai_calls.close([_tied(call, runs) for call in calls])


def _tied(call: AICallRecord, runs: dict[str, RunRecord]) -> AICallRecord:
    """Money spent for a run that was removed meanwhile is still money spent."""
    return call if call.run_id is None or call.run_id in runs else call._replace(run_id=None)


def _account(kind: Kind, scope: str, limit: Decimal, spent: Decimal) -> Account:
    return Account(kind, scope, plain(limit), plain(spent))


class _Judge:
    """Says of calls whether they can be paid, within one transaction."""

    def __init__(self, work: UnitOfWork, budgets: Budgets, runs: dict[str, RunRecord]) -> None:
        self._work = work
        self._budgets = budgets
        self._runs = runs
        self._limits = work.ai_calls.limits(sorted(runs)) if runs else {}
        self._today: datetime = midnight(work.now)
        self._by_day: dict[str | None, Decimal] = {}
        self._by_stage: dict[tuple[str, str], Decimal] = {}

    def verdict(self, asked: Asked) -> Verdict:
        accounts = [] if asked.free else [*self._of_run(asked), *self._of_day(asked.call)]
        return accounts, first_spent(accounts)

    def _of_run(self, asked: Asked) -> Iterable[Account]:
        call = asked.call
        run = self._runs.get(call.run_id or "")
        if run is None:
            return
        if call.stage_id is not None:
            own = self._budgets.stage if asked.max_cost is None else asked.max_cost
            limit = self._limits.get((run.id, call.stage_id), own)
            if limit is not None:
                yield _account("stage", f"stage {call.stage_id}", limit, self._spent_by_stage(run.id, call.stage_id))
        limit = self._limits.get((run.id, ""), self._budgets.run)
        if limit is not None:
            yield _account("run", f"run {run.id}", limit, run.total_cost or Decimal(0))

    def _of_day(self, call: AICallRecord) -> Iterable[Account]:
        if self._budgets.workflow is not None and call.workflow_id is not None:
            spent = self._spent_today(call.workflow_id)
            yield _account("workflow", f"workflow {call.workflow_id} today", self._budgets.workflow, spent)
        if self._budgets.day is not None:
            yield _account("day", "today", self._budgets.day, self._spent_today(None))

    def _spent_by_stage(self, run_id: str, stage_id: str) -> Decimal:
        key = (run_id, stage_id)
        if key not in self._by_stage:
            self._by_stage[key] = self._work.ai_calls.spent_by_stage(run_id, stage_id)
        return self._by_stage[key]

    def _spent_today(self, workflow_id: str | None) -> Decimal:
        if workflow_id not in self._by_day:
            self._by_day[workflow_id] = self._work.ai_calls.spent_since(self._today, workflow_id)
        return self._by_day[workflow_id]
