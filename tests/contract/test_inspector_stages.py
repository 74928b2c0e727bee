"""Single stages: attempts with their payloads, artifacts by name, the usual times of a workflow."""

from __future__ import annotations

import pytest
from inspected_store import InspectedStore, ago

from engine.errors import RunNotFound, StageNotFound
from engine.inspector import RunStatus, StageStatus, UsualTimes
from engine.model.payload import BlobPointer, pointer_text


@pytest.fixture
def store(url: str) -> InspectedStore:
    return InspectedStore(url)


async def test_every_attempt_with_its_values_the_current_one_last(store: InspectedStore) -> None:
    run = store.run()
    large = pointer_text(BlobPointer("runs/b", 3, "d"))
    await store.blobs.put("runs/b", b'{"big":1}')
    store.attempt(run, "extract", 1, input='{"n":1}', config='{"size":"tiny"}', error="ValueError: no", error_code="V")
    store.attempt(run, "extract", 2, status=StageStatus.COMPLETED, output=large, error=None)
    store.stage(run, "extract", attempt=3, input_text='{"n":3}', config="{}")
    store.stage(run, "other", attempt=0, status=StageStatus.PENDING)
    first, second, third = await store.inspector.attempts(run.id, "extract")
    assert (first.attempt, first.input, first.config, first.error) == (1, {"n": 1}, {"size": "tiny"}, "ValueError: no")
    assert (second.status, second.output, second.input) == (StageStatus.COMPLETED, {"big": 1}, None)
    assert (third.attempt, third.input, third.output) == (3, {"n": 3}, None)
    assert await store.inspector.attempts(run.id, "other") == []


async def test_a_stage_queued_again_does_not_repeat_its_last_attempt(store: InspectedStore) -> None:
    run = store.run()
    store.attempt(run, "extract", 1)
    store.stage(run, "extract", attempt=1, status=StageStatus.PENDING)
    assert [one.attempt for one in await store.inspector.attempts(run.id, "extract")] == [1]


@pytest.mark.parametrize("wrong", ["nothing", "\x00", "\ud800"])
async def test_unknown_runs_and_stages_are_told_apart(store: InspectedStore, wrong: str) -> None:
    run = store.run()
    store.stage(run, "extract")
    with pytest.raises(RunNotFound):
        await store.inspector.attempts(wrong, "extract")
    with pytest.raises(StageNotFound):
        await store.inspector.attempts(run.id, wrong)


async def test_what_a_waiting_stage_remembers(store: InspectedStore) -> None:
    run = store.run()
    store.stage(run, "digest", status=StageStatus.SUSPENDED, suspended_state='{"batch_id":"batch-1"}')
    store.stage(run, "extract")
    assert await store.inspector.suspended_state(run.id, "digest") == {"batch_id": "batch-1"}
    assert await store.inspector.suspended_state(run.id, "extract") is None


async def test_b187_an_artifact_is_read_by_name_of_the_latest_attempt_or_a_named_one(store: InspectedStore) -> None:
    run = store.run()
    store.artifact(run, "extract", 1, "page.md")
    store.artifact(run, "extract", 2, "page.md")
    await store.blobs.put("k", b"bytes")
    found = await store.inspector.artifact(run.id, "extract", "page.md")
    assert found is not None
    assert (found.name, found.media_type, found.content) == ("page.md", "text/plain", b"bytes")
    assert await store.inspector.artifact(run.id, "extract", "page.md", attempt=1) is not None
    for stage_id, name, attempt in (("extract", "page.md", 3), ("extract", "nothing", None), ("x", "page.md", None)):
        assert await store.inspector.artifact(run.id, stage_id, name, attempt=attempt) is None
    assert await store.inspector.artifact(run.id, "extract", "\x00") is None


async def test_b187_an_artifact_whose_blob_is_gone_is_none(store: InspectedStore) -> None:
    run = store.run()
    store.artifact(run, "extract", 1, "page.md")
    assert await store.inspector.artifact(run.id, "extract", "page.md") is None


async def test_usual_times_come_from_completed_stages_of_completed_runs_of_that_workflow(store: InspectedStore) -> None:
    ended = {"status": RunStatus.COMPLETED, "completed_at": ago(1)}
    for number in range(1, 21):
        run = store.run(**ended)
        store.stage(run, "extract", status=StageStatus.COMPLETED, started_at=ago(100), completed_at=ago(100 - number))
        store.stage(run, "left", status=StageStatus.SKIPPED, started_at=ago(9), completed_at=ago(8))
    other = store.run(workflow_id="another", **ended)
    store.stage(other, "extract", status=StageStatus.COMPLETED, started_at=ago(1000), completed_at=ago(0))
    failed = store.run(status=RunStatus.FAILED)
    store.stage(failed, "extract", status=StageStatus.COMPLETED, started_at=ago(1000), completed_at=ago(0))
    usual = await store.inspector.usual_times("flow")
    assert usual == {"extract": UsualTimes(runs=20, p50_ms=11_000, p95_ms=20_000)}
    assert await store.inspector.usual_times("never ran") == {}
