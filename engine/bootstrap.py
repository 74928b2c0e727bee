"""Opening an engine: the one module that knows everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakSet

from engine.blobs.database import DatabaseBlobStore
from engine.blobs.filesystem import FilesystemBlobStore
from engine.blobs.memory import MemoryBlobStore
from engine.blobs.objects import blob_store_at
from engine.commands import Command
from engine.definition.ai import Cache
from engine.definition.context import AIHelper
from engine.definition.plugin import Plugin
from engine.definition.registry import WorkflowRegistry
from engine.definition.workflow import Workflow
from engine.errors import EngineError, ReadOnly
from engine.hosts.identity import default_worker_id
from engine.hosts.worker import WorkerHost
from engine.inspector import Inspector, RunDetail
from engine.inspector.fsck import Finding, check
from engine.kernel.call_log import AIOpener, CallLog, OpenedAI
from engine.kernel.kernel import Kernel
from engine.kernel.recording import Recording
from engine.kernel.retention import PruneReport, forget_texts, prune
from engine.model.budgets import NO_BUDGETS, Budgets
from engine.model.json import Json
from engine.model.records import AICallRecord
from engine.model.redaction import REDACTOR, password_of, secrets_of_environment
from engine.model.status import TERMINAL_RUN
from engine.plugins import PluginRunner
from engine.ports.ai_calls import AICallLog
from engine.ports.blobs import BlobStore
from engine.ports.clock import Clock
from engine.ports.persistence import Persistence, Watch
from engine.ports.scheduler import Scheduler
from engine.ports.sink import EventSink
from engine.sinks.fan_out import FanOut
from engine.stores.clock import SystemClock
from engine.stores.databases import SQLITE, Migrate, PostgresDatabase, SqliteDatabase, database_at
from engine.stores.foreign_jobs import ForeignJobs, Transport
from engine.stores.sql.migrate import HEAD, SchemaState
from engine.stores.sql.roles import role_script
from engine.stores.sql.statistics import DatabaseStats
from engine.stores.sqlite_connection import Durability

if TYPE_CHECKING:
    from engine.ai import Providers, ProviderSettings
    from engine.ai.opening import Given, HelperOpener

R = TypeVar("R")


class Engine:
    """An open engine: commands, reads and workers on one database. Made by `open_engine`."""

    def __init__(
        self,
        kernel: Kernel,
        inspector: Inspector,
        blobs: BlobStore,
        scheduler: Scheduler | None = None,
        *,
        read_only: bool,
    ) -> None:
        self.kernel = kernel
        self.scheduler = scheduler or kernel.scheduler
        self._blobs = blobs
        self.inspector = inspector
        self._read_only = read_only
        self._watch: Watch | None = None
        self._calls: WeakSet[CallLog] = WeakSet()

    @overload
    async def dispatch(self, command: Command[R], *, actor: str | None = None) -> R: ...
    @overload
    async def dispatch(self, command: Mapping[str, Json], *, actor: str | None = None) -> Any: ...
    async def dispatch(self, command: Command[R] | Mapping[str, Json], *, actor: str | None = None) -> Any:
        """Carry out a command, or its wire form. `ReadOnly` on an engine opened for reading.

        `actor` is who the audit log names; without it, who opened the engine.
        """
        if self._read_only:
            raise ReadOnly
        return await self.kernel.dispatch(command, actor=actor)

    def worker(
        self,
        worker_id: str | None = None,
        concurrency: int = 8,
        *,
        stale_lease_threshold: timedelta = timedelta(seconds=60),
        drain_timeout: timedelta = timedelta(seconds=30),
        only_run: str | None = None,
    ) -> WorkerHost:
        """A worker in this process: `async with engine.worker(...)`. With `only_run` it takes nothing but that
        run's jobs."""
        if self._read_only:
            raise ReadOnly
        return WorkerHost(
            self.kernel,
            worker_id,
            concurrency,
            stale_lease_threshold=stale_lease_threshold,
            drain_timeout=drain_timeout,
            only_run=only_run,
        )

    def ai(self, topic: str) -> AIHelper:
        """A helper for calls outside of any run, noted under `topic`. Raises `ReadOnly`."""
        if self._read_only:
            raise ReadOnly
        calls = CallLog(self.kernel.desk)
        self._calls.add(calls)
        return calls.helper(topic)

    async def wait(self, run_id: str, timeout: float | None = None) -> RunDetail:
        """The run once it is terminal. Raises `TimeoutError` after `timeout` seconds, `RunNotFound`."""
        watch = self.kernel.persistence.watch()
        try:
            async with asyncio.timeout(timeout):
                while (run := await self.inspector.run(run_id)).status not in TERMINAL_RUN:
                    await watch.wait(1.0)
                return run
        finally:
            watch.close()

    async def changed(self, timeout: float) -> bool:
        """Wait until something was committed by any process since the last call (True), or `timeout` seconds
        (False)."""
        if self._watch is None:
            self._watch = self.kernel.persistence.watch()
        return await self._watch.wait(timeout)

    async def prune(
        self,
        older_than: timedelta,
        *,
        keep_failed: bool = False,
        batch: int = 500,
        dry_run: bool = False,
        on_progress: Callable[[int, int], None] = lambda done, all_: None,
    ) -> PruneReport:
        """Remove runs that ended before, with everything of theirs, in bounded batches; what is active stays."""
        if self._read_only and not dry_run:
            raise ReadOnly
        return await prune(
            self.kernel.persistence,
            self._blobs,
            older_than,
            keep_failed=keep_failed,
            batch=batch,
            dry_run=dry_run,
            on_progress=on_progress,
        )

    async def forget_ai_texts(self, older_than: timedelta) -> int:
        """Drop the prompts and answers of AI calls made before, in bounded batches; how many. Their money stays."""
        if self._read_only:
            raise ReadOnly
        return await forget_texts(self.kernel.persistence, older_than)

    async def fsck(self) -> list[Finding]:
        """What is wrong with the database and its blobs; nothing is changed. An empty list: all is sound."""
        return await check(self.kernel.persistence, self._blobs)

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        for calls in list(self._calls):
            await calls.end()
        await self.kernel.close()
        await self.kernel.persistence.close()


class LazyOpener:
    """`engine.kernel.call_log.AIOpener`: what it takes to ask models is loaded by the first who does."""

    def __init__(self, providers: Given, cache: Cache) -> None:
        self._given = providers, cache

    @cached_property
    def _opener(self) -> HelperOpener:
        from engine.ai.opening import HelperOpener

        return HelperOpener(*self._given)

    def open(self, topic: str, calls: AICallLog, *, reuse: bool = False) -> OpenedAI:
        return self._opener.open(topic, calls, reuse=reuse)

    def portable(self) -> Json:
        return self._opener.portable()


def price_of(model: str, usage: AICallRecord) -> Decimal | None:
    """What the tokens of a call cost on `model` (`provider/model`); None where nobody knows."""
    from engine.ai.cost import price_of as price_at

    provider, _, name = model.partition("/")
    return price_at(provider, name, usage, batch=usage.call_type == "batch")


class Opening:
    """`async with open_engine(...) as engine`."""

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments
        self._engine: Engine | None = None

    async def __aenter__(self) -> Engine:
        self._engine = await asyncio.to_thread(_open, **self._arguments)
        return self._engine

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._engine is not None:
            await self._engine.close()


def open_engine(
    url: str = SQLITE,
    *,
    workflows: Iterable[Workflow] = (),
    plugins: Iterable[Plugin] = (),
    migrate: Migrate = "auto",
    read_only: bool = False,
    durability: Durability = "full",
    persistence: Persistence | None = None,
    job_transport: Transport | None = None,
    blob_store: BlobStore | str | None = None,
    event_sink: EventSink | Sequence[EventSink] | None = None,
    clock: Clock | None = None,
    scheduler: Scheduler | None = None,
    registry: WorkflowRegistry | None = None,
    actor: str | None = None,
    providers: Providers | Mapping[str, ProviderSettings | Mapping[str, Any]] | None = None,
    budgets: Budgets = NO_BUDGETS,
    ai_recording: Recording = "redacted",
    ai_cache: Cache = "off",
) -> Opening:
    """Open the engine on a database: `sqlite:///path`, `sqlite://` (in memory) or `postgresql://user:pw@host:port/db`.

    An empty database is created and an older SQLite file upgraded, unless `migrate` is False or the engine is
    `read_only`; an older Postgres only with `migrate=True`. The named ports can be replaced;
    several event sinks have a delivery state each; `job_transport` gives, for a unit of work, what queues its jobs, its
    own `work.jobs` wrapped perhaps. `blob_store` may be an address too: `s3://bucket/prefix`,
    `gs://…`, `az://…`, `file:///folder`. AI calls go to `providers` (settings by name, or adapters), are held
    to `budgets`, their words written as `ai_recording` says (whole, without secrets, or not at all) and, with
    `ai_cache`, answered as equal ones were before. Entering raises
    `StoreUnavailable`, `SchemaTooOld`, `SchemaTooNew`, or `EngineError` for an address that is none.
    """
    return Opening(
        url=url,
        registry=registry or WorkflowRegistry(workflows),
        plugins=tuple(plugins),
        migrate=migrate,
        read_only=read_only,
        durability=durability,
        persistence=persistence,
        transport=job_transport,
        blobs=blob_store,
        sink=event_sink,
        clock=clock,
        actor=actor,
        scheduler=scheduler,
        ai=LazyOpener(providers, ai_cache),
        budgets=budgets,
        ai_recording=ai_recording,
    )


def _open(
    *,
    url: str,
    registry: WorkflowRegistry,
    plugins: tuple[Plugin, ...],
    migrate: Migrate,
    read_only: bool,
    durability: Durability,
    persistence: Persistence | None,
    transport: Transport | None,
    blobs: BlobStore | str | None,
    sink: EventSink | Sequence[EventSink] | None,
    clock: Clock | None,
    actor: str | None,
    scheduler: Scheduler | None,
    ai: AIOpener,
    budgets: Budgets,
    ai_recording: Recording,
) -> Engine:
    REDACTOR.know([*secrets_of_environment(), *filter(None, [password_of(url)])])
    if isinstance(blobs, str):
        blobs = blob_store_at(blobs)
    if persistence is None:
        database = database_at(url)
        database.prepare(migrate, read_only=read_only)
        clock = clock or database.clock()
        persistence = database.store(clock, read_only=read_only, durability=durability)
        blobs = blobs or _default_blobs(database, persistence)
    clock = clock or SystemClock()
    blobs = blobs or MemoryBlobStore()
    if transport is not None:
        persistence = ForeignJobs(persistence, transport)
    kernel = Kernel(
        persistence=persistence,
        blobs=blobs,
        registry=registry,
        clock=clock,
        sink=_one_sink(sink, plugins),
        actor=actor,
        ai=ai,
        budgets=budgets,
        ai_recording=ai_recording,
    )
    inspector = Inspector(persistence, blobs, registry, price_of)
    return Engine(kernel, inspector, blobs, scheduler, read_only=read_only)


def _one_sink(given: EventSink | Sequence[EventSink] | None, plugins: tuple[Plugin, ...]) -> EventSink | None:
    """Plugins are one sink beside the others."""
    sinks = [] if given is None else list(given) if isinstance(given, Sequence) else [given]
    if plugins:
        sinks.insert(0, PluginRunner(plugins, max(plugin.max_retries for plugin in plugins)))
    return FanOut(sinks) if len(sinks) > 1 else next(iter(sinks), None)


def _default_blobs(database: SqliteDatabase | PostgresDatabase, persistence: Persistence) -> BlobStore:
    if isinstance(database, PostgresDatabase):
        return DatabaseBlobStore(persistence)
    return MemoryBlobStore() if database.path is None else FilesystemBlobStore(blob_folder(database.path))


def display_url(url: str) -> str:
    """The address without its password, fit to show."""
    try:
        parts = urlsplit(url)
        if parts.password is None and "@" not in parts.netloc:
            return url
        host = parts.hostname or ""
        netloc = f"{parts.username or ''}@{host}" + (f":{parts.port}" if parts.port else "")
        return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
    except ValueError:
        return "(an address that can't be read)"


def blob_folder(path: Path) -> Path:
    """Where the blobs of a SQLite file lie: beside it."""
    return path.with_name(path.name + ".blobs")


def check_schema(url: str) -> SchemaState:
    """What schema the database has and what this program needs; creates nothing. Raises `StoreUnavailable`."""
    return database_at(url).schema()


def upgrade_schema(url: str) -> tuple[str | None, str]:
    """Create or upgrade the schema: the versions before (None: empty) and after."""
    return database_at(url).upgrade(), HEAD


def database_statistics(url: str) -> DatabaseStats:
    """How large the database is, table by table; changes nothing. Raises `StoreUnavailable`."""
    return database_at(url).statistics()


def database_roles(url: str, prefix: str) -> str:
    """SQL that makes a role for writers and one for readers; raises `EngineError` for a database without roles."""
    database = database_at(url)
    if isinstance(database, SqliteDatabase):
        raise EngineError("a SQLite file has no roles: its permissions say who may read and write it")
    return role_script(database.address.url.database or "", prefix)


__all__ = [
    "DatabaseStats",
    "Engine",
    "EventSink",
    "PruneReport",
    "SchemaState",
    "blob_folder",
    "check_schema",
    "database_roles",
    "database_statistics",
    "default_worker_id",
    "display_url",
    "open_engine",
    "upgrade_schema",
]
