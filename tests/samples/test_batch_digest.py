"""batch-digest: the folder, the waiting, and a service that keeps its promises over restarts."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from workbench import Workbench

from engine import NonRetryable, Suspend
from sample_workflows.batch_digest import check_digest, collect, digest, digest_report
from sample_workflows.batch_provider import KEPT_DAYS, BatchProvider, Request


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "batches"
    monkeypatch.setenv("WFCONSOLE_SAMPLE_BATCHES", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "a.md").write_text("# Tides\n\nThe tide floods the harbour twice a day, and nobody stops it.\n")
    (papers / "b.md").write_text("# Winds\n\nThe wind turns the mill when the miller wants no flour at all.\n")
    (papers / "c.txt").write_text("not asked for")
    return papers


async def test_a_folder_is_handed_in_waited_for_and_reported(workbench: Workbench, service: Path, folder: Path) -> None:
    listed = await workbench.run(collect, {"path": str(folder)})
    assert [Path(path).name for path in listed["paths"]] == ["a.md", "b.md"]
    suspended = await workbench.run(digest, listed, {"seconds_to_ready": 0})
    assert isinstance(suspended, Suspend)
    ctx = workbench.context(digest, listed)
    ready = await check_digest(suspended.state, ctx)
    assert ready.kind == "ready"
    assert ready.output is not None
    report = await workbench.run(digest_report, digest.output.dump(ready.output))
    lines = report["markdown"].splitlines()
    assert lines[0] == f"# Digest of {folder}"
    assert "a.md" in lines[2]
    assert "The tide floods the harbour" in lines[2]
    assert "The wind turns the mill" in lines[3]
    assert (report["documents"], report["unreadable"]) == (2, 0)
    assert workbench.result.artifacts["digest.md"] == report["markdown"].encode()


async def test_a_batch_is_waited_for_no_longer_than_it_takes(workbench: Workbench, service: Path, folder: Path) -> None:
    listed = await workbench.run(collect, {"path": str(folder)})
    config = {"seconds_to_ready": 3600, "poll_seconds": 7}
    suspended = await workbench.run(digest, listed, config)
    assert suspended.poll_every == timedelta(seconds=7)
    assert suspended.max_wait > timedelta(seconds=3600)
    waiting = await check_digest(suspended.state, workbench.context(digest, listed, config))
    assert (waiting.kind, waiting.next_check_in) == ("waiting", timedelta(seconds=7))


async def test_a_second_delivery_hands_nothing_in_again(workbench: Workbench, service: Path, folder: Path) -> None:
    listed = await workbench.run(collect, {"path": str(folder)})
    first = await workbench.run(digest, listed)
    crashed_before_it_was_noted = await workbench.run(digest, listed)
    delivered_again = await workbench.run(digest, listed, resume_state=first.state)
    assert first.state == crashed_before_it_was_noted.state == delivered_again.state
    another_run = await workbench.run(digest, listed, idempotency_key="key-2")
    assert another_run.state != first.state
    assert len(list(service.glob("batch-*.json"))) == 2


async def test_a_lost_batch_fails_the_stage_and_handing_in_again_mends_it(
    workbench: Workbench, service: Path, folder: Path
) -> None:
    listed = await workbench.run(collect, {"path": str(folder)})
    suspended = await workbench.run(digest, listed, {"seconds_to_ready": 0})
    for file in service.iterdir():
        file.unlink()
    ctx = workbench.context(digest, listed)
    lost = await check_digest(suspended.state, ctx)
    assert lost.kind == "failed"
    assert "no longer knows batch-" in str(lost.error)
    again = await workbench.run(digest, listed, {"seconds_to_ready": 0})
    assert (await check_digest(again.state, ctx)).kind == "ready"


async def test_one_unreadable_document_costs_the_others_nothing(
    workbench: Workbench, service: Path, folder: Path
) -> None:
    (folder / "d.md").write_bytes(b"\0\0\0")
    listed = await workbench.run(collect, {"path": str(folder)})
    suspended = await workbench.run(digest, listed, {"seconds_to_ready": 0})
    ready = await check_digest(suspended.state, workbench.context(digest, listed))
    report = await workbench.run(digest_report, digest.output.dump(ready.output))
    assert (report["documents"], report["unreadable"]) == (2, 1)
    assert "d.md** could not be read: " in report["markdown"]
    with pytest.raises(NonRetryable, match="none of the 1 documents could be read"):
        await workbench.run(digest, {"folder": "x", "paths": [str(folder / "d.md")], "left_out": 0})


async def test_folders_that_cannot_be_listed_say_why(workbench: Workbench, folder: Path) -> None:
    for given, sentence in (
        ({"path": str(folder / "none")}, "no such folder"),
        ({"path": str(folder / "a.md")}, "is a file"),
        ({"path": str(folder), "pattern": "*.rst"}, "no document in"),
        ({"path": str(folder), "pattern": "../*"}, "leaves the folder"),
        ({"path": str(folder), "pattern": "/etc/*"}, "leaves the folder"),
        ({"path": str(folder), "pattern": "**.md"}, "is not usable"),
    ):
        with pytest.raises(NonRetryable, match=sentence):
            await workbench.run(collect, given)


async def test_more_documents_than_asked_for_are_left_out_aloud(workbench: Workbench, folder: Path) -> None:
    listed = await workbench.run(collect, {"path": str(folder), "pattern": "*", "limit": 1})
    assert (len(listed["paths"]), listed["left_out"]) == (1, 2)
    assert "WARN" in workbench.reporter.levels


def test_the_service_answers_after_its_time_and_after_a_restart(tmp_path: Path) -> None:
    now = [1000.0]
    batch = BatchProvider(tmp_path, lambda: now[0]).submit("k", [Request(name="a", text="Boats float.")], 60)
    restarted = BatchProvider(tmp_path, lambda: now[0])
    found = restarted.find(batch.id)
    assert found == batch
    assert restarted.seconds_left(batch) == 60
    now[0] += 61
    assert restarted.seconds_left(batch) == 0
    assert [answer.digest for answer in restarted.answers(batch)] == ["Boats float."]


def test_many_at_once_with_one_key_hand_in_one_batch(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    seen: list[float] = []

    def submit(number: int) -> None:
        provider = BatchProvider(tmp_path, lambda: float(number))
        gate.wait()
        seen.append(provider.submit("k", [Request(name="a", text="b")], 1).submitted_at)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert [file.name[:6] for file in tmp_path.iterdir()] == ["batch-"]


def test_a_damaged_batch_is_a_lost_one_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    provider = BatchProvider(tmp_path)
    old = provider.submit("old", [], 0)
    (tmp_path / f"{old.id}.json").write_text("{")
    assert provider.find(old.id) is None
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    os.utime(tmp_path / f"{old.id}.json", (long_ago, long_ago))
    provider.submit("new", [], 0)
    assert not (tmp_path / f"{old.id}.json").exists()
