"""Claims: which runs begin, which jobs go first, and to whom."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

from kernel_driver import Drive
from kernel_workflows import Acts, flow, step

from engine import ClaimPendingRuns, TransitionRun
from engine.bootstrap import open_engine
from engine.hosts import ServerlessHost


async def test_b023_highest_priority_first_then_the_oldest(drive: Drive) -> None:
    d = drive(flow(step("one")))
    expected = []
    for priority in (1, 10, 5, 10):
        expected.append((-priority, len(expected), await d.create(priority=priority)))
        d.clock.advance(timedelta(seconds=1))
    assert await d.begin() == [run_id for _, _, run_id in sorted(expected)]


async def test_b024_no_more_than_asked_for(drive: Drive) -> None:
    d = drive(flow(step("one")))
    for _ in range(3):
        await d.create()
    assert [len(await d.begin(2)) for _ in range(3)] == [2, 1, 0]


async def test_b025_b026_b028_racing_claimers_get_every_run_once(tmp_path: Path) -> None:
    url, workflow = f"sqlite:///{tmp_path}/runs.db", flow(step("one"))
    async with open_engine(url, workflows=[workflow]) as one, open_engine(url, workflows=[workflow]) as other:
        created = {
            (await one.dispatch({"type": "run.create", "idempotency_key": f"k{n}", "workflow_id": "flow"})).run_id
            for n in range(20)
        }
        claims = await asyncio.gather(
            *(
                engine.dispatch(ClaimPendingRuns(worker_id=f"w{n}", max_claims=3))
                for n, engine in enumerate([one, other] * 5)
            )
        )
        claimed = Counter(run.run_id for result in claims for run in result.claimed)
        assert claimed == Counter(created)
        for run_id in created:
            events = await one.inspector.events(run_id)
            assert [event.type for event in events.items] == ["workflow:created", "workflow:started"]


async def test_b053_racing_workers_carry_out_every_job_once(tmp_path: Path) -> None:
    body = Acts("out")
    url, workflow = f"sqlite:///{tmp_path}/runs.db", flow(step("one", body))
    async with open_engine(url, workflows=[workflow]) as one, open_engine(url, workflows=[workflow]) as other:
        for n in range(12):
            await one.dispatch({"type": "run.create", "idempotency_key": f"k{n}", "workflow_id": "flow"})
        hosts = [ServerlessHost(engine.kernel, f"w{n}") for n, engine in enumerate([one, other] * 2)]
        done = await asyncio.gather(*(host.process_available_jobs(20) for host in hosts))
        assert sum(one.succeeded for one in done) == body.calls == 12
        runs = (await other.inspector.runs()).items
        assert {run.status for run in runs} == {"COMPLETED"}


async def test_b027_only_pending_runs_are_claimed(drive: Drive) -> None:
    d = drive(flow(step("one")))
    cancelled = await d.create()
    await d.cancel(cancelled)
    done = await d.begun()
    await d.drain()
    running = await d.begun()
    assert await d.begin() == []
    statuses = [(await d.run(run_id)).status for run_id in (done, running, cancelled)]
    assert statuses == ["COMPLETED", "RUNNING", "CANCELLED"]


async def test_b029_d07_a_worker_leaves_what_it_does_not_know(drive: Drive, tmp_path: Path) -> None:
    known, unknown = flow(step("one"), id="known"), flow(step("one"), id="unknown")
    url = f"sqlite:///{tmp_path}/runs.db"
    async with open_engine(url, workflows=[known, unknown]) as both, open_engine(url, workflows=[known]) as half:
        ids = []
        for n, name in enumerate(["unknown", "known", "unknown"]):
            wire = {"type": "run.create", "idempotency_key": f"k{n}", "workflow_id": name, "priority": 9 - n}
            ids.append((await both.dispatch(wire)).run_id)
        claimed = await half.dispatch(ClaimPendingRuns(worker_id="half"))
        assert [run.run_id for run in claimed.claimed] == [ids[1]]
        await both.dispatch(ClaimPendingRuns(worker_id="both", max_claims=1))
        host = ServerlessHost(half.kernel, "half")
        assert (await host.process_available_jobs(10)).processed == 1
        statuses = [(await half.inspector.run(run_id)).status for run_id in ids]
        assert statuses == ["RUNNING", "COMPLETED", "PENDING"]
        for waiting in (ids[0], ids[2]):
            assert (await half.inspector.explain(waiting)).code == "no_worker"


async def test_b031_a_run_whose_plan_can_not_be_read_fails_alone(drive: Drive, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    writer = drive(flow(step("one"), id="broken"), flow(step("one"), id="wrong"), flow(step("one")), path=path)
    ids = [await writer.create(workflow_id) for workflow_id in ("broken", "wrong", "flow")]
    await writer.sql("UPDATE workflow_definitions SET plan = '{' WHERE workflow_id = 'broken'")
    await writer.sql("UPDATE workflow_definitions SET plan = '[]' WHERE workflow_id = 'wrong'")
    d = drive(flow(step("one"), id="broken"), flow(step("one"), id="wrong"), flow(step("one")), path=path)
    assert await d.begin() == [ids[2]]
    assert await d.drain() == 1
    runs = await d.kernel.persistence.transact(lambda work: work.runs.lock(ids))
    assert [(runs[run_id].status, runs[run_id].error_code) for run_id in ids] == [
        ("FAILED", "CLAIM_FAILED"),
        ("FAILED", "CLAIM_FAILED"),
        ("COMPLETED", None),
    ]


async def test_a_worker_for_one_run_takes_nothing_else(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(ValueError("x"), "out")), step("two")))
    other, mine = await d.begun(priority=9), await d.create()
    taker = d.kernel.taker("w", timedelta(minutes=5), only_run=mine)
    for stage_id, verdict in (("one", "retrying"), ("one", "completed"), ("two", "completed")):
        (claimed,) = (await d.kernel.turn([], taker, 8)).claimed
        assert (claimed.job.run_id, claimed.job.stage_id) == (mine, stage_id)
        turn = await d.kernel.turn([await d.carry_out(claimed)], taker, 0)
        assert [one.verdict for one in turn.settled] == [verdict]
        d.clock.advance(timedelta(seconds=2))
    assert (await d.kernel.turn([], taker, 8)).claimed == []
    assert ((await d.run(mine)).status, (await d.stage(other, "one")).status) == ("COMPLETED", "PENDING")


async def test_a_worker_for_one_run_leaves_the_stages_it_does_not_know(drive: Drive, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    older = drive(flow(step("one"), step("two")), path=path)
    newer = drive(flow(step("one"), step("renamed")), path=path, clock=older.clock)
    run_id = await older.create()
    taker = newer.kernel.taker("w", timedelta(minutes=5), only_run=run_id)
    (claimed,) = (await newer.kernel.turn([], taker, 8)).claimed
    turn = await newer.kernel.turn([await newer.carry_out(claimed)], taker, 8)
    assert ([one.verdict for one in turn.settled], turn.claimed) == (["completed"], [])
    assert (await newer.stage(run_id, "two")).status == "PENDING"


async def test_b034_a_group_of_three_has_three_rows_and_jobs(drive: Drive) -> None:
    d = drive(flow([step("a"), step("b"), step("c")]))
    run_id = await d.create(priority=7)
    (claimed,) = (await d.dispatch(ClaimPendingRuns(worker_id="w"))).claimed
    assert (claimed.workflow_id, len(set(claimed.job_ids))) == ("flow", 3)
    run = await d.run(run_id)
    assert [(one.stage_id, one.group, one.number, one.status) for one in run.stages] == [
        ("a", 1, 1, "PENDING"),
        ("b", 1, 2, "PENDING"),
        ("c", 1, 3, "PENDING"),
    ]
    jobs = [one.job for one in await d.take(free=9)]
    assert ([job.priority for job in jobs], {job.id for job in jobs}) == ([7, 7, 7], set(claimed.job_ids))


async def test_b037_the_first_delivery_is_attempt_one(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    assert (await d.stage(run_id, "one")).attempt == 0
    claimed = await d.take_one()
    assert (claimed.job.attempt, claimed.job.tries) == (1, 1)
    stage = await d.stage(run_id, "one")
    assert (stage.attempt, stage.tries, stage.status, stage.worker_id) == (1, 1, "RUNNING", "w")


async def test_b038_jobs_go_by_priority_then_age(drive: Drive) -> None:
    d = drive(flow(step("one")))
    expected = []
    for priority in (1, 9, 5, 9, 5):
        expected.append((-priority, len(expected), await d.begun(priority=priority)))
        d.clock.advance(timedelta(seconds=1))
    taken = [(await d.take_one()).job.run_id for _ in expected]
    assert taken == [run_id for _, _, run_id in sorted(expected)]


async def test_b038_an_older_run_comes_first_whichever_stage_it_is_at(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    older = await d.begun()
    d.clock.advance(timedelta(seconds=1))
    younger = await d.begun()
    assert [(await d.take_one()).job.run_id] == [older]
    d.clock.advance(timedelta(minutes=5))
    await d.reap()
    assert [(await d.take_one()).job.run_id for _ in range(2)] == [older, younger]


async def test_b039_a_job_of_the_future_holds_up_nobody(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(ValueError("later"), "out"))), flow(step("one"), id="low"))
    urgent = await d.begun(priority=9)
    await d.execute(urgent, "one")
    low = await d.begun("low", priority=1)
    assert (await d.take_one()).job.run_id == low
    assert await d.take() == []
    d.clock.advance(timedelta(seconds=1))
    assert (await d.take_one()).job.run_id == urgent


async def test_b040_a_leased_job_is_nobody_elses(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    await d.take_one("w1")
    assert await d.take("w2") == []
    ghost = await d.execute(run_id, "one")
    assert (ghost.outcome, ghost.ghost, ghost.retryable) == ("failed", True, False)
    assert (await d.stage(run_id, "one")).worker_id == "w1"


async def test_b041_an_empty_queue_gives_nothing(drive: Drive) -> None:
    d = drive(flow(step("one")))
    assert await d.take(free=5) == []
    done = await d.host.process_available_jobs(5)
    assert (done.processed, done.succeeded, done.failed) == (0, 0, 0)


async def test_b101_b102_b111_transition_moves_nothing_that_is_at_work(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = await d.create()
    for begun in (False, True):
        if begun:
            await d.begin()
        assert (await d.dispatch(TransitionRun(run_id=run_id))).action == "noop"
    await d.drain()
    assert (await d.dispatch(TransitionRun(run_id=run_id))).action == "noop"
    assert (await d.dispatch(TransitionRun(run_id="0" * 20))).action == "noop"
    assert (await d.types(run_id)).count("workflow:completed") == 1


async def test_a_noop_transition_writes_nothing(drive: Drive) -> None:
    """Else a recovery loop would keep a stuck run looking alive for ever."""
    d = drive(flow(step("one"), step("two")))
    run_id = await d.begun()
    d.clock.advance(timedelta(hours=1))
    before = (await d.run(run_id)).idle_ms
    assert (await d.dispatch(TransitionRun(run_id=run_id))).action == "noop"
    assert before
    assert (await d.run(run_id)).idle_ms == before


async def test_d20_a_run_in_hand_gives_way_to_higher_priority(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")), flow(step("one"), id="urgent"))
    run_id = await d.begun()
    claimed = await d.take_one()
    urgent = await d.begun("urgent", priority=9)
    turn = await d.kernel.turn([await d.carry_out(claimed)], d.kernel.taker("w", timedelta(minutes=5)), 1)
    assert [one.job.run_id for one in turn.claimed] == [urgent]
    assert (await d.stage(run_id, "two")).status == "PENDING"


async def test_d20_after_sixteen_stages_in_a_row_a_run_waits_its_turn(drive: Drive) -> None:
    """An older run that came due meanwhile goes on then, at the latest."""
    d = drive(flow(*(step(f"s{n}") for n in range(20)), id="long"), flow(step("one", Acts(ValueError("x"), "out"))))
    older = await d.begun()
    await d.execute(older, "one")
    run_id = await d.create("long")
    taker = d.kernel.taker("w", timedelta(minutes=5))
    claims = (await d.kernel.turn([], taker, 1)).claimed
    d.clock.advance(timedelta(seconds=1))
    order = []
    while claims:
        order.append(claims[0].job.run_id)
        claims = (await d.kernel.turn([await d.carry_out(claims[0])], taker, 1)).claimed
    assert order == [*[run_id] * 16, older, *[run_id] * 4]
    assert (await d.run(run_id)).status == (await d.run(older)).status == "COMPLETED"
