"""Keeps leases alive and takes what bodies say to the store, on a thread of its own: a blocked event loop stops
neither."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta

from engine.errors import EngineError
from engine.kernel.ending import ProgressNote
from engine.kernel.reporter import LiveReporter
from engine.model.records import Claimed, LogRecord
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork

log = logging.getLogger(__name__)

LIVE_SECONDS = 0.1
"""How long said things are gathered before they are written together."""
RENEWALS_A_LEASE = 4
ASSUME_LOST = 0.8
"""The part of a lease after which, without a renewal, its holder stops before anybody else may start."""
CHECK_SECONDS = 0.2
"""How often, at most, a hint of change makes the keeper look whether leases still stand."""
SETTLE_LEASES = 5
"""How many leases long an ended delivery is kept for its outcome to be written."""


@dataclass(slots=True, eq=False)
class Watched:
    """A delivery under way."""

    claimed: Claimed
    reporter: LiveReporter
    lease: timedelta
    on_lost: Callable[[], None]
    renewed: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def renew_at(self) -> float:
        return self.renewed + self.lease.total_seconds() / RENEWALS_A_LEASE

    @property
    def lost_at(self) -> float:
        return self.renewed + self.lease.total_seconds() * ASSUME_LOST

    def forgotten(self, now: float) -> bool:
        """Whether its outcome is overdue: whoever had it will not write it any more."""
        return self.ended is not None and now - self.ended > self.lease.total_seconds() * SETTLE_LEASES


@dataclass(slots=True, eq=False)
class Pulse:
    """Something a host writes now and then: that it is alive."""

    every: float
    write: Callable[[UnitOfWork], None]
    due: float = 0.0


News = list[tuple[Watched, list[LogRecord], ProgressNote | None]]


@dataclass(slots=True)
class _Round:
    """What one write of the keeper is about."""

    news: News
    renew: list[Watched]
    check: list[Watched]
    """Only looked at, not written: a write would be a change, which is a reason to look again, and so on."""
    pulses: list[Pulse]

    @property
    def is_empty(self) -> bool:
        return not (self.news or self.renew or self.check or self.pulses)

    @property
    def concerned(self) -> list[Watched]:
        return [*self.renew, *self.check, *(one for one, _, _ in self.news)]


class Keeper:
    """Starts its thread with the first delivery or pulse; `close()` ends it."""

    def __init__(self, store: Persistence) -> None:
        self._store = store
        self._watched: dict[str, Watched] = {}
        self._pulses: list[Pulse] = []
        self._wake = threading.Condition()
        self._news_since: float | None = None
        self._check_at: float | None = None
        self._checked = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, watched: Watched) -> None:
        with self._wake:
            former = self._watched.get(watched.claimed.job.id)
            self._watched[watched.claimed.job.id] = watched
            self._ensure_thread()
        if former is not None:
            # Reaped here and claimed here again: the job is this delivery's now.
            _tell_lost(former)

    def end(self, watched: Watched) -> None:
        """Its news is the outcome's from here on. News taken before is in the writer's queue, ahead of the outcome.

        The lease is kept until `remove`: another body may block the loop that is to write the outcome.
        """
        with self._wake:
            watched.ended = time.monotonic()

    def remove(self, claimed: Claimed) -> None:
        """Its outcome is written, or there is none."""
        with self._wake:
            watched = self._watched.get(claimed.job.id)
            if watched is not None and watched.claimed.lease == claimed.lease:
                del self._watched[claimed.job.id]

    def add_pulse(self, pulse: Pulse) -> None:
        with self._wake:
            self._pulses.append(pulse)
            self._ensure_thread()
            self._wake.notify()

    def remove_pulse(self, pulse: Pulse) -> None:
        with self._wake:
            self._pulses.remove(pulse)

    def news(self) -> None:
        """Somebody said something."""
        if self._news_since is None:
            with self._wake:
                if self._news_since is None:
                    self._news_since = time.monotonic()
                    self._wake.notify()

    def check_soon(self) -> None:
        """Something changed in the store: look soon whether the leases still stand."""
        with self._wake:
            if self._watched and self._check_at is None:
                self._check_at = max(time.monotonic(), self._checked + CHECK_SECONDS)
                self._wake.notify()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wfconsole-keeper", daemon=True)
            self._thread.start()
        else:
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (pause := self._due_in()) > 0:
                    self._wake.wait(pause)
                if self._closed:
                    return
                taken = self._take()
            try:
                self._write(*taken)
            except Exception:
                log.exception("the keeper failed; it goes on")

    def _due_in(self) -> float:
        now = time.monotonic()
        moments = [watched.renew_at for watched in self._watched.values()]
        moments += [pulse.due for pulse in self._pulses]
        if self._news_since is not None:
            moments.append(self._news_since + LIVE_SECONDS)
        if self._check_at is not None:
            moments.append(self._check_at)
        return min(moments, default=now + 3600) - now

    def _take(self) -> tuple[_Round, Future[set[str]] | None]:
        """What is due now, submitted under the lock: so it is ahead of the outcome of any delivery that ends later."""
        now = time.monotonic()
        due = self._due(now)
        for pulse in due.pulses:
            pulse.due = now + pulse.every
        if due.is_empty:
            return due, None
        try:
            future = self._store.submit(lambda work: _keep(work, due), urgent=bool(due.renew))
        except EngineError:
            future = Future()
            future.set_exception(EngineError("the store takes no writes"))
        return due, future

    def _due(self, now: float) -> _Round:
        for one in [one for one in self._watched.values() if one.forgotten(now)]:
            del self._watched[one.claimed.job.id]
        watched = list(self._watched.values())
        news: News = []
        if self._news_since is not None and self._news_since + LIVE_SECONDS <= now:
            self._news_since = None
            talking = [one for one in watched if one.ended is None and one.reporter.has_news]
            news = [(one, *one.reporter.take_live()) for one in talking]
        renew = [one for one in watched if one.renew_at <= now]
        check: list[Watched] = []
        if self._check_at is not None and self._check_at <= now:
            self._check_at, self._checked = None, now
            check = [one for one in watched if one.renew_at > now]
        return _Round(news, renew, check, [pulse for pulse in self._pulses if pulse.due <= now])

    def _write(self, due: _Round, future: Future[set[str]] | None) -> None:
        if future is None:
            return
        started = time.monotonic()
        try:
            held = future.result()
        except EngineError as error:
            log.warning("can't reach the store: %s", error)
            for one, logs, note in due.news:
                one.reporter.put_back(logs, note)
            self._give_up_overdue()
            with self._wake:
                if due.news and self._news_since is None:
                    self._news_since = time.monotonic()
                self._wake.wait(LIVE_SECONDS)
            return
        for one in due.concerned:
            if one.claimed.job.id not in held:
                self._lose(one)
        for one in due.renew:
            one.renewed = started

    def _give_up_overdue(self) -> None:
        now = time.monotonic()
        for one in list(self._watched.values()):
            if one.lost_at <= now:
                self._lose(one)

    def _lose(self, one: Watched) -> None:
        self.remove(one.claimed)
        _tell_lost(one)


def _tell_lost(watched: Watched) -> None:
    if watched.ended is None:
        watched.reporter.cancel()
        watched.on_lost()


def _keep(work: UnitOfWork, due: _Round) -> set[str]:
    """Ids of the jobs still held. What a lost delivery said is dropped."""
    held: set[str] = set()
    for lease in {one.lease for one in due.renew}:
        leases = [one.claimed.lease for one in due.renew if one.lease == lease]
        held |= work.jobs.renew(leases, work.now + lease)
    unsure = {one.claimed.job.id: one.claimed.lease for one in due.concerned if one.claimed.job.id not in held}
    held |= work.jobs.held(list(unsure.values()))
    standing = [(one, logs, note) for one, logs, note in due.news if one.claimed.job.id in held]
    work.logs.append([line for _, logs, _ in standing for line in logs])
    work.logs.progress(
        [
            (one.claimed.stage.id, one.claimed.job.attempt, note.fraction, note.message)
            for one, _, note in standing
            if note is not None
        ]
    )
    for pulse in due.pulses:
        pulse.write(work)
    if standing:
        work.announce()
    return held
