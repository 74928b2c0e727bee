"""Leases, unfinished runs by definition, groups of dead letters: on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from inspected_store import NOW, InspectedStore, ago, make_flow

from engine.definition.workflow import Workflow
from engine.inspector import JobStatus, RunStatus, StageStatus

FLOW = make_flow()


@pytest.fixture
def registered() -> dict[str, Workflow]:
    return {"flow": FLOW}


@pytest.fixture
def store(url: str, registered: dict[str, Workflow]) -> InspectedStore:
    return InspectedStore(url, registered)


async def test_an_empty_store(store: InspectedStore) -> None:
    assert await store.inspector.leases() == []
    assert await store.inspector.unfinished() == []
    assert await store.inspector.dead_letter_groups() == []
    assert await store.inspector.events_by_id(["nobody"]) == []
    assert await store.inspector.events_by_id([]) == []


async def test_leases_are_the_jobs_being_executed(store: InspectedStore) -> None:
    run = store.run()
    first = store.stage(run, "extract", started_at=ago(50), attempt=2)
    second = store.stage(run, "left", started_at=ago(70))
    running: dict[str, Any] = {"status": JobStatus.RUNNING, "worker_id": "w1", "leased_until": NOW}
    short, long = store.job(first, run, attempt=2, **running), store.job(second, run, attempt=1, **running)
    store.job(second, run)
    found = await store.inspector.leases()
    assert [lease.job_id for lease in found] == [long.id, short.id]
    lease = found[1]
    assert (lease.worker_id, lease.run_id, lease.workflow_id, lease.stage_id) == ("w1", run.id, "flow", "extract")
    assert (lease.attempt, lease.since, lease.leased_until) == (2, ago(50), NOW)


async def test_r28_unfinished_runs_by_definition_and_who_has_it(store: InspectedStore) -> None:
    store.definition(FLOW)
    store.put_old_plan("flow", ago(900))
    old = next(one for one in await _fingerprints(store) if one != FLOW.fingerprint)
    store.run(definition=FLOW.fingerprint, status=RunStatus.PENDING, group_no=0)
    store.run(definition=FLOW.fingerprint, status=RunStatus.COMPLETED)
    run = store.run(definition=old)
    store.stage(run, "old", status=StageStatus.RUNNING)
    store.worker("new", {"flow": FLOW.fingerprint})
    store.worker("behind", {"flow": old})
    store.worker("gone", {"flow": old}, alive_until=ago(1))
    found = {view.fingerprint: view for view in await store.inspector.unfinished()}
    assert (found[FLOW.fingerprint].runs, found[FLOW.fingerprint].registered) == (1, True)
    assert (found[FLOW.fingerprint].survives, found[FLOW.fingerprint].problems) == (True, [])
    assert (found[old].runs, found[old].registered, found[old].survives) == (1, False, False)
    assert found[old].problems == ["stage old is gone"]
    assert found[old].workers == {"behind": old, "new": FLOW.fingerprint}


async def _fingerprints(store: InspectedStore) -> list[str]:
    return await store.read(_all_definitions)


def _all_definitions(reads: Any) -> list[str]:
    from engine.stores.sql.tables import definitions

    return list(reads._connection.execute(definitions.select()).scalars("fingerprint"))


async def test_r28_a_stage_that_is_done_may_vanish(url: str) -> None:
    store = InspectedStore(url, {"flow": FLOW})
    store.put_old_plan("flow", ago(900))
    (old,) = await _fingerprints(store)
    run = store.run(definition=old)
    store.stage(run, "old", status=StageStatus.COMPLETED)
    (view,) = await store.inspector.unfinished()
    assert (view.survives, view.problems) == (True, [])


async def test_r28_workflows_not_registered_here_are_their_workers_business(url: str) -> None:
    store = InspectedStore(url, {})
    store.definition(FLOW)
    store.run(definition=FLOW.fingerprint)
    (view,) = await store.inspector.unfinished()
    assert view.problems == ["no workflow of this id is registered"]
    store.worker("there", {"flow": FLOW.fingerprint})
    (view,) = await store.inspector.unfinished()
    assert (view.survives, view.registered) == (True, False)


async def test_r11_dead_letters_by_cause_and_sink(store: InspectedStore) -> None:
    run, other = store.run(), store.run()
    dead: dict[str, Any] = {"fingerprint": "f1", "sink": "hook", "last_error": "500"}
    first = store.event(run, 1, dead_at=ago(90), **dead)
    store.event(run, 2, dead_at=ago(10), type="workflow:failed", **dead)
    store.event(other, 1, dead_at=ago(50), **dead)
    store.event(other, 2, dead_at=ago(40), **{**dead, "sink": "mail"})
    store.event(other, 3, dead_at=ago(30), fingerprint=None, sink=None)
    store.event(other, 4, dead_at=ago(20), discarded_at=NOW, **dead)
    store.event(other, 5, **dead)
    found = await store.inspector.dead_letter_groups()
    top = found[0]
    assert (top.fingerprint, top.sink, top.events, top.runs) == ("f1", "hook", 3, 2)
    assert {(group.fingerprint, group.sink) for group in found} == {("f1", "hook"), ("f1", "mail"), (None, None)}
    assert (top.first_at, top.last_at, top.example) == (ago(90), ago(10), "500")
    assert top.types == ["stage:started", "workflow:failed"]
    page = await store.inspector.dead_letters(fingerprint="f1", sink="hook")
    assert len(page.items) == 3
    assert [event.id for event in (await store.inspector.dead_letters(prefix=first.id)).items] == [first.id]
    assert list((await store.inspector.dead_letters(prefix="zz")).items) == []


async def test_events_by_id_whatever_became_of_them(store: InspectedStore) -> None:
    run = store.run()
    sent = store.event(run, 1, published_at=NOW)
    waits = store.event(run, 2)
    found = {event.id: event.delivery for event in await store.inspector.events_by_id([waits.id, sent.id, "nobody"])}
    assert found == {sent.id: "delivered", waits.id: "pending"}
