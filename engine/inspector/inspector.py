"""The inspector: every question a console may ask, as a coroutine that returns frozen views."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from engine.errors import InvalidInput, Problem, RunNotFound
from engine.inspector import fleet, history
from engine.inspector.details import DetailParts, detail_of
from engine.inspector.explain import definitions_of, explain
from engine.inspector.money import MoneyInspector, PriceOf
from engine.inspector.notes import LEGACY, AnnotationView, annotation_view, legacy_views
from engine.inspector.operations import OperationsInspector
from engine.inspector.payloads import Payloads
from engine.inspector.places import PlacesInspector, Registered
from engine.inspector.plans import PlanCache
from engine.inspector.stages import StagesInspector
from engine.inspector.summaries import RunParts, summary_of
from engine.inspector.views import (
    EventView,
    Explanation,
    LogLine,
    Overview,
    QueueRow,
    RunDetail,
    RunSummary,
    WorkerView,
    WorkflowView,
)
from engine.model.criteria import AnnotationFilter, Page, PageRequest, RunFilter
from engine.model.status import LogLevel, RunStatus
from engine.ports.blobs import BlobStore
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore

EVERY_RUN = RunFilter()
FIRST_PAGE = PageRequest()
MOST_LINES = 10_000
_MOST_CANDIDATES = 10
_RATE_WINDOW = timedelta(minutes=1)
_FAIL_WINDOW = timedelta(hours=1)
R = TypeVar("R")


class Inspector(OperationsInspector, StagesInspector, PlacesInspector, MoneyInspector):
    """Reads only, each answer from one snapshot of the store. `registered`: the workflows this process knows;
    `price_of`: what models cost.

    `InvalidInput` says what is wrong with a page's sort field or cursor, or with a filter.
    """

    def __init__(
        self, persistence: Persistence, blobs: BlobStore, registered: Registered, price_of: PriceOf | None = None
    ) -> None:
        self._persistence = persistence
        self._price_of = price_of
        self._blobs = blobs
        self._registered = registered
        self._plans = PlanCache()

    async def overview(self) -> Overview:
        """The store as a whole: from rollups and small indexes, never by counting runs."""
        return await self._persistence.read(_overview)

    async def runs(self, filter: RunFilter = EVERY_RUN, page: PageRequest = FIRST_PAGE) -> Page[RunSummary]:  # noqa: A002
        """Runs that match, the newest first unless the page says otherwise."""

        def read(reads: ReadStore) -> Page[RunSummary]:
            found = reads.runs(filter, page)
            ids = [run.id for run in found.items]
            reached = defaultdict(list)
            for stage in reads.reached([run.id for run in found.items if run.group_no]):
                reached[stage.run_id].append(stage)
            unpriced = reads.unpriced_runs(ids)
            plans = self._plans.of(reads, {(run.workflow_id, run.definition) for run in found.items})
            items = [
                summary_of(
                    RunParts(run, reached[run.id], plans.get((run.workflow_id, run.definition)), run.id in unpriced),
                    reads.now,
                )
                for run in found.items
            ]
            return Page[RunSummary](items=items, next_cursor=found.next_cursor)

        return await self._persistence.read(read)

    async def run(self, run_id: str) -> RunDetail:
        """One run whole, payloads resolved; raises `RunNotFound`."""

        def read(reads: ReadStore) -> DetailParts | None:
            whole = reads.run(run_id)
            if whole is None:
                return None
            key = (whole.row.workflow_id, whole.row.definition)
            plan = self._plans.of(reads, [key]).get(key)
            unpriced = bool(reads.unpriced_runs([run_id]))
            return DetailParts(
                whole=whole,
                summary=RunParts(whole.row, reads.reached([run_id]), plan, unpriced),
                stages=reads.stages(run_id),
                attempts=reads.attempts(run_id),
                artifacts=reads.artifacts(run_id),
                unpriced=frozenset(reads.unpriced_attempts(run_id)),
                now=reads.now,
            )

        parts = await self._read_of(run_id, read)
        if parts is None:
            raise RunNotFound(run_id)
        return detail_of(parts, await Payloads.fetch(self._blobs, parts.texts()))

    async def resolve(self, prefix: str) -> list[str]:
        """Ids of the runs that begin with `prefix`, at most 10."""
        return await self._persistence.read(lambda reads: reads.resolve(prefix, _MOST_CANDIDATES))

    async def explain(self, run_id: str) -> Explanation:
        """Why the run is where it is; raises `RunNotFound`."""

        def read(reads: ReadStore) -> Explanation | None:
            situation = reads.situation(run_id)
            if situation is None:
                return None
            return explain(situation, self._plans.of(reads, definitions_of(situation)), reads.now)

        explanation = await self._read_of(run_id, read)
        if explanation is None:
            raise RunNotFound(run_id)
        return explanation

    async def logs(
        self,
        run_id: str | None = None,
        *,
        stage_id: str | None = None,
        level: LogLevel | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
        page: PageRequest = FIRST_PAGE,
    ) -> Page[LogLine]:
        """Log lines, the newest first unless the page is sorted by `created_at`; of one run, or of all.

        `level` is the least one shown; `search` is found literally, in any case, in message and fields. A page of all
        runs looks through 100,000 lines at most: with fewer lines than it takes, or none, it may still have a
        `next_cursor`.
        Raises `RunNotFound`.
        """
        least = None if level is None else _level(level)

        def read(reads: ReadStore) -> Page[LogLine]:
            found = reads.logs(
                page,
                run_id=run_id,
                stage_id=stage_id,
                level=least,
                since=since,
                until=until,
                search=search,
            )
            if not found.items:
                _must_exist(reads, run_id)
            return Page[LogLine](items=list(map(history.log_line, found.items)), next_cursor=found.next_cursor)

        return await self._read_of(run_id, read)

    async def tail_logs(
        self, run_id: str | None = None, *, after: str | None = None, limit: int = 500
    ) -> Page[LogLine]:
        """The lines after the line `after`, in commit order; without it the last `limit` lines (1 to 10,000).

        `next_cursor` is the last line seen, always given: asking again with it misses nothing.
        Raises `RunNotFound`.
        """
        seen = None if after is None else _line(after)

        def read(reads: ReadStore) -> Page[LogLine]:
            found = reads.tail(run_id, seen, max(1, min(limit, MOST_LINES)))
            if not found:
                _must_exist(reads, run_id)
            last = found[-1].seq if found else seen or 0
            return Page[LogLine](items=list(map(history.log_line, found)), next_cursor=str(last))

        return await self._read_of(run_id, read)

    async def events(self, run_id: str, page: PageRequest = FIRST_PAGE) -> Page[EventView]:
        """The run's history in order of `sequence`, unless the page names a sort. Raises `RunNotFound`."""

        def read(reads: ReadStore) -> Page[EventView]:
            found = reads.events(run_id, page)
            if not found.items:
                _must_exist(reads, run_id)
            return Page[EventView](items=list(map(history.event_view, found.items)), next_cursor=found.next_cursor)

        return await self._read_of(run_id, read)

    async def dead_letters(
        self,
        run_id: str | None = None,
        page: PageRequest = FIRST_PAGE,
        *,
        fingerprint: str | None = None,
        sink: str | None = None,
        prefix: str | None = None,
    ) -> Page[EventView]:
        """Events given up, the latest first unless the page names a sort; of one cause, one sink, or whose ids begin
        with `prefix`. Raises `RunNotFound`."""

        def read(reads: ReadStore) -> Page[EventView]:
            found = reads.dead_letters(run_id, page, fingerprint=fingerprint, sink=sink, prefix=prefix)
            if not found.items:
                _must_exist(reads, run_id)
            return Page[EventView](items=list(map(history.event_view, found.items)), next_cursor=found.next_cursor)

        return await self._read_of(run_id, read)

    async def annotations(
        self,
        run_id: str,
        *,
        key: str | None = None,
        key_prefix: str | None = None,
        scope: str | None = None,
        scope_id: str | None = None,
        actor: str | None = None,
        actor_kind: str | None = None,
        attempt: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page: PageRequest = FIRST_PAGE,
    ) -> Page[AnnotationView]:
        """What was attached to the run, in the order it was written; what is given must all match.

        `key` wins over `key_prefix`, which is literal; `since` and `until` are included. Fields of the run's metadata
        stand as `legacy.metadata.<field>` on the first page, unless such annotations were written. `RunNotFound`.
        """
        wanted = AnnotationFilter(
            key=key,
            key_prefix=None if key is not None else key_prefix,
            scope=scope,
            scope_id=scope_id,
            actor=actor,
            actor_kind=actor_kind,
            attempt=attempt,
            since=since,
            until=until,
        )

        def read(reads: ReadStore) -> Page[AnnotationView]:
            found = reads.annotations(run_id, page, wanted)
            shown = list(map(annotation_view, found.items))
            if page.cursor is None and not reads.has_annotations(run_id, LEGACY):
                whole = reads.run(run_id)
                if whole is None:
                    raise RunNotFound(run_id)
                shown = [*legacy_views(whole, wanted), *shown][: page.limit]
            return Page[AnnotationView](items=shown, next_cursor=found.next_cursor)

        return await self._read_of(run_id, read)

    async def workers(self) -> list[WorkerView]:
        """Every worker that registered and did not leave, by id."""
        return await self._persistence.read(fleet.workers)

    async def queue(self) -> list[QueueRow]:
        """What waits, by workflow."""
        return await self._persistence.read(fleet.queue)

    async def workflows(self) -> list[WorkflowView]:
        """The workflows registered here and those the store has seen, by id."""
        registered = self._known_here()
        return await self._persistence.read(lambda reads: fleet.workflows(reads, registered, self._plans))


def _overview(reads: ReadStore) -> Overview:
    now = reads.now
    counts = dict.fromkeys((status.value for status in RunStatus), 0)
    for one in reads.counts():
        counts[one.status] += one.count
    retrying, waiting = reads.derived_counts()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    activity = reads.activity(long_window=now - _FAIL_WINDOW, short_window=now - _RATE_WINDOW, day=midnight)
    return Overview(
        counts=counts,
        rate_per_s=activity.ended_lately / _RATE_WINDOW.total_seconds(),
        fail_rate=activity.ended_failed / activity.ended if activity.ended else 0.0,
        workers_alive=activity.workers_alive,
        workers_known=activity.workers_known,
        queue=counts[RunStatus.PENDING] + activity.due_jobs,
        undelivered=activity.undelivered,
        dead_letters=activity.dead_letters,
        cost_today=Decimal(activity.cost),
        unpriced_today=activity.unpriced,
        as_of=now,
        retrying=retrying,
        waiting=waiting,
    )


def _must_exist(reads: ReadStore, run_id: str | None) -> None:
    """Asked only where nothing was found: an empty answer and an unknown run must not look alike."""
    if run_id is not None and not reads.exists(run_id):
        raise RunNotFound(run_id)


def _level(level: LogLevel | str) -> LogLevel:
    try:
        return LogLevel(level.upper())
    except ValueError:
        known = ", ".join(LogLevel)
        raise InvalidInput([Problem("level", f"{level!r} is no level; there are: {known}")]) from None


def _line(after: str) -> int:
    if not (after.isascii() and after.isdigit() and int(after) < 2**63):
        raise InvalidInput([Problem("after", "it is no id of a log line")])
    return int(after)
