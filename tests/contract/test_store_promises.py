"""The stores keep the promises of the ports: SQLite on a file, in memory, Postgres, Postgres without notifications."""

from __future__ import annotations

from promised_stores import InMemory, OnEach, OnFile, OnPostgres, WithoutNotify

from engine.testing.conformance import (
    AuditPromises,
    BlobRowPromises,
    CallPromises,
    CallReadPromises,
    CostPromises,
    DefinitionPromises,
    FleetPromises,
    HistoryPromises,
    IdempotencyPromises,
    JobPromises,
    LogPromises,
    OutboxPromises,
    PausePromises,
    RetentionPromises,
    RunPromises,
    RunReadPromises,
    SchedulePromises,
    StagePromises,
    StageReadPromises,
    StorePromises,
    TotalPromises,
    TrendPromises,
    WatchPromises,
    WorkerPromises,
)


class TestStoreOnFile(OnFile, StorePromises):
    pass


class TestStoreInMemory(InMemory, StorePromises):
    pass


class TestStoreOnPostgres(OnPostgres, StorePromises):
    pass


class TestStoreWithoutNotify(WithoutNotify, StorePromises):
    pass


class TestWatchOnFile(OnFile, WatchPromises):
    pass


class TestWatchInMemory(InMemory, WatchPromises):
    pass


class TestWatchOnPostgres(OnPostgres, WatchPromises):
    pass


class TestWatchWithoutNotify(WithoutNotify, WatchPromises):
    exact = False


class TestJobs(OnEach, JobPromises):
    pass


class TestOutboxs(OnEach, OutboxPromises):
    pass


class TestRuns(OnEach, RunPromises):
    pass


class TestStages(OnEach, StagePromises):
    pass


class TestIdempotency(OnEach, IdempotencyPromises):
    pass


class TestLogs(OnEach, LogPromises):
    pass


class TestDefinitions(OnEach, DefinitionPromises):
    pass


class TestWorkers(OnEach, WorkerPromises):
    pass


class TestPauses(OnEach, PausePromises):
    pass


class TestAudit(OnEach, AuditPromises):
    pass


class TestBlobRows(OnEach, BlobRowPromises):
    pass


class TestSchedules(OnEach, SchedulePromises):
    pass


class TestRetention(OnEach, RetentionPromises):
    pass


class TestReadsOfRuns(OnEach, RunReadPromises):
    pass


class TestHistory(OnEach, HistoryPromises):
    pass


class TestTotals(OnEach, TotalPromises):
    pass


class TestAICalls(OnEach, CallPromises):
    pass


class TestReadsOfAICalls(OnEach, CallReadPromises):
    pass


class TestCosts(OnEach, CostPromises):
    pass


class TestFleet(OnEach, FleetPromises):
    pass


class TestReadsOfStages(OnEach, StageReadPromises):
    pass


class TestTrends(OnEach, TrendPromises):
    pass
