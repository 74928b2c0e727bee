"""The read side on SQL."""

from __future__ import annotations

from engine.stores.sql.blobs import BlobReads
from engine.stores.sql.fsck import FsckReads
from engine.stores.sql.operations import OperationReads
from engine.stores.sql.reads_fleet import FleetReads
from engine.stores.sql.reads_history import HistoryReads
from engine.stores.sql.reads_runs import RunReads
from engine.stores.sql.reads_stages import StageReads
from engine.stores.sql.reads_totals import TotalReads
from engine.stores.sql.reads_trends import TrendReads
from engine.stores.sql.retention import RetentionReads
from engine.stores.sql.schedules import ScheduleReads
from engine.stores.sql.sink_rows import SinkReads


class SqlReads(
    RunReads,
    StageReads,
    HistoryReads,
    TotalReads,
    FleetReads,
    TrendReads,
    BlobReads,
    OperationReads,
    FsckReads,
    RetentionReads,
    ScheduleReads,
    SinkReads,
):
    """`engine.ports.reads.ReadStore`, on a connection inside a transaction that is a snapshot."""
