"""Retention: what ended long ago goes, whole; what is active or young stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import LEASE, Drive, Driver
from kernel_workflows import Acts, batch, flow, step

from engine import PollNow
from engine.inspector.fsck import check
from engine.kernel.retention import PruneReport, collect_orphans, prune

DAY = timedelta(days=1)
LONG = "x" * 300_000


async def pruned(d: Driver, older_than: timedelta = 30 * DAY, **options: Any) -> PruneReport:
    return await prune(d.kernel.persistence, d.blobs, older_than, **options)


async def sound(d: Driver) -> bool:
    return await check(d.kernel.persistence, d.blobs) == []


async def test_what_ended_long_ago_goes_with_all_that_is_its_own(drive: Drive) -> None:
    def body(ctx: Any) -> Any:
        ctx.log("INFO", "hello")
        ctx.annotate("a", 1)
        return LONG

    d = drive(flow(step("one", body)))
    old = (await d.through()).id
    d.clock.advance(31 * DAY)
    young = (await d.through()).id
    assert len(await d.blobs.list()) == 2
    report = await pruned(d)
    assert (report.runs, report.blobs, report.undelivered) == (1, 1, 5)
    assert [run.id for run in (await d.inspector.runs()).items] == [young]
    for table in ("workflow_stages", "workflow_logs", "workflow_annotations", "outbox_events", "job_queue"):
        rows = await d.sql(f"SELECT run_id FROM {table}")
        assert {row[0] for row in rows} == {young}, table
    assert [key.split("/")[1] for key in await d.blobs.list()] == [young]
    assert old not in str(await d.sql("SELECT * FROM idempotency_keys"))
    assert (await d.inspector.overview()).counts["COMPLETED"] == 1
    assert await d.sql("SELECT * FROM blob_garbage") == []
    assert await sound(d)
    assert (await pruned(d)).runs == 0


async def test_what_is_active_stays_however_old(drive: Drive) -> None:
    d = drive(flow(batch("ask"), id="wait"), flow(step("one")))
    waiting, pending = (await d.through("wait")).id, await d.create(start_at=d.clock.now() + 900 * DAY)
    d.clock.advance(400 * DAY)
    assert (await pruned(d)).runs == 0
    assert {run.id for run in (await d.inspector.runs()).items} == {waiting, pending}
    await d.dispatch(PollNow(run_id=waiting))


async def test_failed_runs_can_be_kept(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(RuntimeError("no")))), flow(step("one"), id="fine"))
    failed = (await d.exhaust(await d.begun())).id
    await d.through("fine")
    d.clock.advance(31 * DAY)
    assert await pruned(d, dry_run=True) == PruneReport(runs=2, dry_run=True)
    assert (await pruned(d, dry_run=True, keep_failed=True)).runs == 1
    assert (await pruned(d, keep_failed=True)).runs == 1
    assert [run.id for run in (await d.inspector.runs()).items] == [failed]
    assert await sound(d)


async def test_it_goes_in_batches_and_two_may_do_it(drive: Drive) -> None:
    d = drive(flow(step("one")))
    for _ in range(23):
        await d.create()
    await d.drain()
    for run in (await d.inspector.runs()).items:
        await d.cancel(run.id)
    d.clock.advance(31 * DAY)
    seen: list[tuple[int, int]] = []
    one, other = await asyncio.gather(
        pruned(d, batch=5, on_progress=lambda done, of: seen.append((done, of))), pruned(d, batch=4)
    )
    assert one.runs + other.runs == 23
    assert seen == sorted(seen)
    assert await d.count_runs() == 0
    assert await sound(d)


async def test_definitions_nobody_refers_to_go(drive: Drive, tmp_path: Any) -> None:
    older = drive(flow(step("one")), path=tmp_path / "runs.db")
    await older.through()
    older.clock.advance(31 * DAY)
    newer = drive(flow(step("one"), step("two")), path=tmp_path / "runs.db", clock=older.clock)
    kept = (await newer.through()).definition
    assert (await pruned(newer)).definitions == 1
    assert await newer.sql("SELECT fingerprint FROM workflow_definitions") == [(kept,)]


async def test_blobs_of_a_delivery_that_was_lost_are_collected(drive: Drive) -> None:
    d = drive(flow(step("one", lambda ctx: LONG)))
    run_id = await d.begun()
    delivery = await d.carry_out(await d.take_one())
    d.clock.advance(2 * LEASE)
    await d.reap()
    again = await d.take_one()
    second = await d.carry_out(again)
    assert await d.settle(delivery) == ["ghost"]
    assert len(await d.blobs.list()) == 2
    assert await collect_orphans(d.kernel.persistence, d.blobs) == 1, "the one under way is left"
    assert await d.settle(second) == ["completed"]
    assert await collect_orphans(d.kernel.persistence, d.blobs) == 0
    assert (await d.run(run_id)).output == LONG
    assert await sound(d)


async def test_b125_an_earlier_attempt_keeps_its_blob_over_a_rerun(drive: Drive) -> None:
    from engine import RerunFrom

    def store(ctx: Any) -> Any:
        return ctx.block_on(ctx.storage.put("k", b"kept")) or LONG

    d = drive(flow(step("one", store, plain=True)))
    run_id = (await d.through()).id
    await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="one"))
    await d.drain()
    assert await collect_orphans(d.kernel.persistence, d.blobs) == 0
    assert len([key for key in await d.blobs.list() if key.endswith("output.json")]) == 2
    assert await sound(d)


@pytest.mark.parametrize("options", [{"batch": 0}, {"older_than": -DAY}])
async def test_what_makes_no_sense_is_refused(drive: Drive, options: Any) -> None:
    with pytest.raises(ValueError, match="batch"):
        await pruned(drive(flow(step("one"))), **options)
