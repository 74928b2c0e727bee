"""The supervised child: started, ended in time, restarted when it dies, given up when it keeps dying."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_user import Cli

from engine.inspector.views import WorkerView
from wfconsole import embedded_worker
from wfconsole.embedded_worker import EmbeddedWorker, WorkerState, command_line, environment, needed
from wfconsole.gateway import Gateway
from wfconsole.settings import Settings

OBEDIENT = "import sys, signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); sys.stdin.read()"
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
signal.pause()
"""
SLOW = (
    "run", "document-processor", "--input", '{"url": "doc.md"}', "--set-config", "extract-text.delay_ms=600000",
)  # fmt: skip
DYING = "import sys; sys.exit('no such table')"


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A worker whose child runs the given program."""

    def make(program: str) -> EmbeddedWorker:
        monkeypatch.setattr(embedded_worker, "command_line", lambda: [sys.executable, "-c", program])
        return EmbeddedWorker(Settings(db=f"sqlite:///{tmp_path / 'x.db'}"), log_file=tmp_path / "logs" / "worker.log")

    return make


async def until(worker: EmbeddedWorker, phase: str) -> WorkerState:
    async with asyncio.timeout(20):
        while worker.state.phase != phase:
            await asyncio.sleep(0)
    return worker.state


def gone(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_it_starts_and_stops(child) -> None:
    worker = child(OBEDIENT)
    assert worker.state.phase == "stopped"
    await worker.start()
    state = await until(worker, "running")
    await worker.stop(timedelta(seconds=10))
    assert worker.state == WorkerState("stopped")
    assert gone(state.pid)


async def test_a_deaf_child_is_killed_in_time(child) -> None:
    worker = child(STUBBORN)
    await worker.start()
    state = await until(worker, "running")
    async with asyncio.timeout(20):
        while "deaf" not in worker.log_file.read_text():
            await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    await worker.stop()
    assert asyncio.get_running_loop().time() - began < 2.0
    assert gone(state.pid)


async def test_a_child_that_dies_is_restarted(child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_worker, "_BACKOFF_S", (0.0,))
    worker = child(OBEDIENT)
    await worker.start()
    first = (await until(worker, "running")).pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(20):
        while worker.state.pid in (first, None):
            await asyncio.sleep(0)
    assert worker.state.phase == "running"
    await worker.stop()


async def test_one_that_keeps_dying_is_given_up_with_its_last_words(child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_worker, "_BACKOFF_S", (0.0,))
    worker = child(DYING)
    await worker.start()
    state = await until(worker, "failed")
    assert state.reason == "worker exited with 1: no such table"
    assert worker.log_file.stat().st_mode & 0o777 == 0o600
    await worker.stop()


async def test_a_program_that_is_not_there_is_a_state_not_an_exception(child, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = child(OBEDIENT)
    monkeypatch.setattr(embedded_worker, "command_line", lambda: ["/nowhere/at/all"])
    await worker.start()
    state = await until(worker, "failed")
    assert "No such file" in (state.reason or "")
    await worker.stop()


def test_the_real_worker_executes_and_gives_its_leases_back_within_two_seconds(cli: Cli, here: Path) -> None:
    run_id = cli(*SLOW, "-q").out.strip()
    settings = Settings(db=f"sqlite:///{here / 'runs.db'}", workflows=("sample_workflows",))

    async def watch_and_stop() -> float:
        worker = EmbeddedWorker(settings)
        async with Gateway(settings) as gateway:
            await worker.start()
            while not any(stage.status == "RUNNING" for stage in (await gateway.inspector.run(run_id)).stages):
                await gateway.changed(1.0)
        began = asyncio.get_running_loop().time()
        await worker.stop()
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(asyncio.wait_for(watch_and_stop(), 30)) < 2.0
    left = cli("show", run_id, "--json").json
    assert [stage["status"] for stage in left["stages"]] == ["PENDING"]


def test_nothing_secret_is_on_the_command_line(tmp_path: Path) -> None:
    settings = Settings(db="postgresql://u:secret@h/db", workflows=("mine", "other:x"))
    assert not any("secret" in word or "mine" in word for word in command_line())
    given = environment(settings)
    assert given["WFCONSOLE_DB"] == "postgresql://u:secret@h/db"
    assert given["WFCONSOLE_WORKFLOWS"] == "mine,other:x"


def test_the_child_opens_the_same_file_wherever_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment(Settings(blobs={"url": "s3://bucket"}))["WFCONSOLE_BLOBS"] == "s3://bucket"
    assert environment(Settings(db="sqlite:///a.db"))["WFCONSOLE_DB"] == f"sqlite:///{tmp_path / 'a.db'}"


def other(*, alive: bool = True, workflows: tuple[str, ...] = ("a", "b")) -> WorkerView:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return WorkerView(
        id="w", host="h", pid=1, started_at=now, last_seen_at=now, alive=alive, concurrency=8, running=0,
        workflows=dict.fromkeys(workflows, "f"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "workers", "expected"),
    [
        (Settings(db="sqlite:///a.db"), [], True),
        (Settings(db="sqlite:///a.db", read_only=True), [], False),
        (Settings(db="sqlite:///a.db", no_worker=True), [], False),
        (Settings(db="sqlite://"), [], False),
        (Settings(db="postgresql://h/db"), [], False),
        (Settings(db="sqlite:///a.db"), [other()], False),
        (Settings(db="sqlite:///a.db"), [other(alive=False)], True),
        (Settings(db="sqlite:///a.db"), [other(workflows=("a",))], True),
    ],
)
def test_when_a_console_needs_its_own_worker(settings: Settings, workers: list[WorkerView], expected: bool) -> None:
    assert needed(settings, ["a", "b"], workers) is expected
