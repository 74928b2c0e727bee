"""The audit log: one row per operator command that changed something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import Acts, batch, flow, step

from engine import (
    AnnotateRun,
    CancelRun,
    DiscardDeadLetters,
    FailStage,
    PauseWorkflow,
    PollNow,
    ReplayDeadLetters,
    RerunFrom,
    ResumeWorkflow,
    RetryFailed,
    RunNotFound,
)
from engine.inspector import AuditView


async def rows(d: Driver, **fields: Any) -> list[AuditView]:
    return list((await d.inspector.audit(**fields)).items)


async def test_a_cancel_leaves_who_what_and_why(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    await d.kernel.dispatch(CancelRun(run_id=run_id, reason="wrong file", idempotency_key="k"), actor="ann")
    await d.kernel.dispatch(CancelRun(run_id=run_id, reason="wrong file", idempotency_key="k"), actor="ann")
    assert not await d.cancel(run_id)
    (row,) = await rows(d)
    assert (row.actor, row.command, row.target, row.run_id, row.reason) == (
        "ann",
        "run.cancel",
        run_id,
        run_id,
        "wrong file",
    )
    assert (row.before, row.after) == ({"status": "RUNNING"}, {"status": "CANCELLED"})
    assert (row.idempotency_key, row.created_at) == ("k", d.clock.now())


async def test_every_operator_command_leaves_one_row(drive: Drive) -> None:
    d = drive(flow(batch("ask"), id="wait"), flow(step("one", Acts(RuntimeError("no"), RuntimeError("no")))))
    waiting = (await d.through("wait")).id
    await d.dispatch(PollNow(run_id=waiting))
    await d.dispatch(FailStage(run_id=waiting, stage_id="ask", reason="lost"))
    await d.dispatch(RetryFailed(run_id=waiting))
    await d.cancel(waiting)
    await d.dispatch(RerunFrom(run_id=waiting, from_stage_id="ask"))
    await d.dispatch(PauseWorkflow(workflow_id="wait", reason="down"))
    await d.dispatch(ResumeWorkflow(workflow_id="wait"))
    await d.dispatch(AnnotateRun(run_id=waiting, attributes={"note": "looked at"}))
    assert [row.command for row in reversed(await rows(d))] == [
        "stage.pollNow",
        "stage.fail",
        "run.retryFailed",
        "run.cancel",
        "run.rerunFrom",
        "workflow.pause",
        "workflow.resume",
        "run.annotate",
    ]
    assert {row.run_id for row in await rows(d)} == {waiting, None}
    assert [row.command for row in await rows(d, command="workflow.pause")] == ["workflow.pause"]


async def test_what_changes_nothing_leaves_no_row(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = (await d.through()).id
    await d.cancel(run_id)
    await d.dispatch(ResumeWorkflow(workflow_id="flow"))
    await d.dispatch(ReplayDeadLetters())
    await d.dispatch(DiscardDeadLetters(event_ids=["none"], reason="x"))
    with pytest.raises(RunNotFound):
        await d.dispatch(RerunFrom(run_id="0" * 20, from_stage_id="one"))
    assert await rows(d) == []


async def test_dead_letters_replayed_and_discarded_are_on_record(drive: Drive) -> None:
    d = drive(flow(step("one")))
    await d.create()
    d.sink.failures = [OSError("down")] * 3
    for _ in range(3):
        await d.flush()
        d.clock.advance(timedelta(minutes=5))
    (dead,) = (await d.inspector.dead_letters()).items
    await d.dispatch(ReplayDeadLetters(event_ids=[dead.id]))
    d.sink.failures = [OSError("down")] * 3
    for _ in range(3):
        await d.flush()
        d.clock.advance(timedelta(minutes=5))
    await d.dispatch(DiscardDeadLetters(event_ids=[dead.id], reason="old"))
    discard, replay = await rows(d)
    assert (replay.command, replay.target, replay.after) == ("plugin.replayDLQ", dead.id, {"events": [dead.id]})
    assert (discard.command, discard.reason) == ("dlq.discard", "old")


async def test_the_log_is_found_by_field_and_turned_page_by_page(drive: Drive) -> None:
    d = drive(flow(step("one")))
    ids = [await d.create() for _ in range(5)]
    for number, run_id in enumerate(ids):
        await d.kernel.dispatch(CancelRun(run_id=run_id), actor=f"actor{number % 2}")
        d.clock.advance(timedelta(minutes=1))
    assert [row.run_id for row in await rows(d, actor="actor1")] == [ids[3], ids[1]]
    assert [row.run_id for row in await rows(d, run_id=ids[2])] == [ids[2]]
    since = d.clock.now() - timedelta(minutes=2)
    assert [row.run_id for row in await rows(d, since=since)] == [ids[4], ids[3]]
    from engine.model.criteria import PageRequest

    first = await d.inspector.audit(page=PageRequest(limit=3))
    second = await d.inspector.audit(page=PageRequest(limit=3, cursor=first.next_cursor))
    assert [row.run_id for row in [*first.items, *second.items]] == ids[::-1]
    with pytest.raises(RunNotFound):
        await rows(d, run_id="0" * 20)


async def test_secrets_stay_out_of_it(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    secret = "sk-proj-abcdefghijklmnop1234"
    await d.dispatch(AnnotateRun(run_id=run_id, attributes={"api_key": "hunter2", "text": f"key is {secret}"}))
    await d.kernel.dispatch(CancelRun(run_id=run_id, reason=f"leaked {secret}"), actor=f"a {secret}")
    for table in ("audit_log", "workflow_annotations", "outbox_events"):
        found = str(await d.sql(f"SELECT * FROM {table}"))
        assert secret not in found, table
        assert "hunter2" not in found, table
