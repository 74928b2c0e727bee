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


@dataclass(slots=True, eq=False)
class Watched:
    """A delivery under way."""

    claimed: Claimed
    reporter: LiveReporter
    lease: timedelta
    on_lost: Callable[[], None]
    renewed: float = field(default_factory=time.monotonic)

    @property
    def renew_at(self) -> float:
        return self.renewed + self.lease.total_seconds() / RENEWALS_A_LEASE

    @property
    def lost_at(self) -> float:
        return self.renewed + self.lease.total_seconds() * ASSUME_LOST


@dataclass(slots=True, eq=False)
class Pulse:
    """Something a host writes now and then: that it is alive."""

    every: float
    write: Callable[[UnitOfWork], None]
    due: float = 0.0


News = list[tuple[Watched, list[LogRecord], ProgressNote | None]]


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
            self._watched[watched.claimed.job.id] = watched
            self._ensure_thread()

    def remove(self, watched: Watched) -> None:
        """Its news is the outcome's from here on. News taken before is in the writer's queue, ahead of the outcome."""
        with self._wake:
            self._watched.pop(watched.claimed.job.id, None)

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

    def _take(self) -> tuple[News, list[Watched], list[Pulse], Future[set[str]] | None]:
        """What is due now, submitted under the lock: so it is ahead of the outcome of any delivery removed later."""
        now = time.monotonic()
        news: News = []
        if self._news_since is not None and self._news_since + LIVE_SECONDS <= now:
            self._news_since = None
            news = [(one, *one.reporter.take_live()) for one in self._watched.values() if one.reporter.has_news]
        check = self._check_at is not None and self._check_at <= now
        renew = [one for one in self._watched.values() if check or one.renew_at <= now]
        if check:
            self._check_at, self._checked = None, now
        pulses = [pulse for pulse in self._pulses if pulse.due <= now]
        for pulse in pulses:
            pulse.due = now + pulse.every
        if not (news or renew or pulses):
            return news, renew, pulses, None
        try:
            future = self._store.submit(lambda work: _keep(work, news, renew, pulses), urgent=bool(renew))
        except EngineError:
            future = Future()
            future.set_exception(EngineError("the store takes no writes"))
        return news, renew, pulses, future

    def _write(self, news: News, renew: list[Watched], pulses: list[Pulse], future: Future[set[str]] | None) -> None:
        if future is None:
            return
        started = time.monotonic()
        concerned = {one.claimed.job.id: one for one in [*renew, *(one for one, _, _ in news)]}
        try:
            held = future.result()
        except EngineError as error:
            log.warning("can't reach the store: %s", error)
            for one, logs, note in news:
                one.reporter.put_back(logs, note)
            self._give_up_overdue()
            with self._wake:
                if news and self._news_since is None:
                    self._news_since = time.monotonic()
                self._wake.wait(LIVE_SECONDS)
            return
        for job_id, one in concerned.items():
            if job_id not in held:
                self._lose(one)
        for one in renew:
            one.renewed = started

    def _give_up_overdue(self) -> None:
        now = time.monotonic()
        for one in list(self._watched.values()):
            if one.lost_at <= now:
                self._lose(one)

    def _lose(self, one: Watched) -> None:
        with self._wake:
            known = self._watched.pop(one.claimed.job.id, None)
        if known is one:
            one.reporter.cancel()
            one.on_lost()


def _keep(work: UnitOfWork, news: News, renew: list[Watched], pulses: list[Pulse]) -> set[str]:
    """Ids of the jobs still held. What a lost delivery said is dropped."""
    held: set[str] = set()
    for lease in {one.lease for one in renew}:
        leases = [one.claimed.lease for one in renew if one.lease == lease]
        held |= work.jobs.renew(leases, work.now + lease)
    held |= work.jobs.held([one.claimed.lease for one, _, _ in news if one.claimed.job.id not in held])
    standing = [(one, logs, note) for one, logs, note in news if one.claimed.job.id in held]
    work.logs.append([line for _, logs, _ in standing for line in logs])
    work.logs.progress(
        [
            (one.claimed.stage.id, one.claimed.job.attempt, note.fraction, note.message)
            for one, _, note in standing
            if note is not None
        ]
    )
    for pulse in pulses:
        pulse.write(work)
    if standing:
        work.announce()
    return held
