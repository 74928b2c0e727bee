"""The real program in processes of its own: pipes, signals, what it loads."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_user import Cli

DOC = ("run", "document-processor", "--input", '{"url": "doc.md"}')
SLOW = (*DOC, "--set-config", "extract-text.delay_ms=600000")


@pytest.fixture
def spawn(here: Path, program: list[str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the program; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*argv: str, **kwargs: object) -> subprocess.Popen[str]:
        kwargs = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
        child = subprocess.Popen([*program, *argv], text=True, **kwargs)
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.kill()
        child.wait(30)
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def until(cli: Cli, wanted: Callable[[dict[str, object]], bool], *argv: str) -> dict[str, object]:
    """Ask again and again until the JSON answer is as wanted."""
    deadline = time.monotonic() + 30
    while True:
        answer = cli(*argv, "--json")
        if answer.code == 0 and wanted(answer.json):
            return answer.json
        assert time.monotonic() < deadline, answer


def running(overview: dict[str, object]) -> bool:
    return overview["counts"]["RUNNING"] == 1


def test_a_closed_pipe_ends_quietly(spawn, cli: Cli) -> None:
    cli(*DOC)
    child = spawn("logs", "--follow", "--tail", "all")
    child.stdout.close()
    cli("worker", "--once")
    assert child.wait(30) == 0
    assert child.stderr.read() == ""


def test_a_reader_that_left_before_the_first_line(spawn, cli: Cli) -> None:
    cli(*DOC)
    reading, writing = os.pipe()
    os.close(reading)
    child = spawn("ls", "--json", stdout=writing)
    os.close(writing)
    assert child.wait(30) == 0
    assert child.stderr.read() == ""


def test_interrupting_a_wait_gives_the_lease_back_and_leaves_the_run(spawn, cli: Cli) -> None:
    child = spawn(*SLOW, "--wait", "--json")
    until(cli, running, "status")
    run_id = cli("ls", "-q").out.strip()
    until(cli, lambda run: any(stage["status"] == "RUNNING" for stage in run["stages"]), "show", run_id)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
    assert child.stderr.read() == "wfconsole: interrupted\n"
    left = cli("show", run_id, "--json").json
    assert left["status"] == "RUNNING"
    assert [stage["status"] for stage in left["stages"]] == ["PENDING"]
    assert not any(worker["alive"] for worker in cli("workers", "--json").json["items"])


def test_sigterm_drains_a_worker_and_it_exits_0(spawn, cli: Cli) -> None:
    cli(*DOC, "--set-config", "extract-text.delay_ms=1000")
    child = spawn("--headless", "worker", "--worker-id", "w1")
    until(cli, running, "status")
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 0
    detail = cli("show", "@last", "--json").json
    assert detail["stages"][0]["status"] == "COMPLETED"
    assert detail["stages"][0]["worker_id"] == "w1"


def test_a_worker_ends_when_its_parent_is_gone(spawn, cli: Cli) -> None:
    cli("status")
    child = spawn("--headless", "worker", "--until-stdin-closes", stdin=subprocess.PIPE)
    until(cli, lambda found: any(worker["alive"] for worker in found["items"]), "workers")
    child.stdin.close()
    assert child.wait(30) == 0


def test_a_live_worker_that_knows_the_workflow_takes_the_run(spawn, cli: Cli) -> None:
    cli("status")
    spawn("worker", "--worker-id", "elsewhere")
    until(cli, lambda found: any(worker["alive"] for worker in found["items"]), "workers")
    answer = cli(*DOC, "--wait", "--json")
    assert answer.code == 0
    assert {stage["worker_id"] for stage in answer.json["stages"]} == {"elsewhere"}


def test_cancelling_from_a_second_process(spawn, cli: Cli) -> None:
    child = spawn(*SLOW, "--wait", "--json")
    until(cli, running, "status")
    assert cli("cancel", cli("ls", "-q").out.strip(), "--reason", "enough").code == 0
    assert child.wait(30) == 1
    assert json.loads(child.stdout.read())["status"] == "CANCELLED"


def test_logs_are_followed_to_the_end_of_the_run(spawn, cli: Cli) -> None:
    run_id = cli(*DOC, "-q").out.strip()
    child = spawn("logs", "-f", run_id, "--json")
    heard: list[str] = []
    ear = threading.Thread(target=lambda: heard.extend(child.stdout))
    ear.start()
    cli("worker", "--once")
    assert child.wait(30) == 0
    ear.join(30)
    stored = cli("logs", run_id, "--json", "--tail", "all").json["items"]
    assert [json.loads(line)["id"] for line in heard] == [line["id"] for line in stored]
    assert stored


def asked(spawn, line: tuple[str, ...], answer: str) -> tuple[int, str]:
    """Run with a terminal at standard input and standard error; the exit code and what was said there."""
    ours, theirs = pty.openpty()
    child = spawn(*line, stdin=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while b"? " not in said:
        said += os.read(ours, 1_000)
    os.write(ours, answer.encode() + b"\n")
    code = child.wait(30)
    with contextlib.suppress(OSError):
        said += os.read(ours, 10_000)
    os.close(ours)
    return code, said.decode()


def test_a_person_is_asked_and_no_is_the_default(spawn, cli: Cli) -> None:
    run_id = cli(*DOC, "-q").out.strip()
    code, said = asked(spawn, ("cancel", run_id), "")
    assert code == 4
    assert run_id in said
    assert "document-processor, queued" in said
    assert cli("show", run_id, "--json").json["status"] == "PENDING"
    assert asked(spawn, ("cancel", run_id), "y")[0] == 0
    assert cli("show", run_id, "--json").json["status"] == "CANCELLED"


def test_a_profile_may_want_the_word_typed(spawn, cli: Cli, here: Path) -> None:
    (here / "wfconsole.toml").write_text('[profiles.prod]\nconfirm = "typed"\n')
    run_id = cli(*DOC, "-q").out.strip()
    assert asked(spawn, ("--profile", "prod", "cancel", run_id), "y")[0] == 4
    assert asked(spawn, ("--profile", "prod", "cancel", run_id), run_id[:8])[0] == 0


@pytest.mark.parametrize(
    "line", [["--version"], ["--help"], ["ls", "--json"], ["worker", "--once"], ["demo", "--help"]]
)
def test_without_the_console_textual_is_not_loaded(here: Path, line: list[str]) -> None:
    code = f"""
import sys
from wfconsole.cli.main import run
assert run({line!r}, screen=None) == 0
assert "textual" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_no_traceback_unless_asked_for(here: Path, program: list[str]) -> None:
    (here / "broken.py").write_text("import no_such_module_at_all\n")
    line = [*program, "--workflows", "broken", "workflows"]
    quiet = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert quiet.returncode == 2
    assert quiet.stderr.count("\n") == 1
    assert "no_such_module_at_all" in quiet.stderr
    loud = subprocess.run(line, capture_output=True, text=True, timeout=60, env={**os.environ, "WFCONSOLE_DEBUG": "1"})
    assert "Traceback" in loud.stderr


def test_output_in_an_encoding_without_glyphs(here: Path, program: list[str], cli: Cli) -> None:
    cli(*DOC)
    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*program, "ls"], capture_output=True, timeout=60, env=environ)
    assert done.returncode == 0
    assert b". queued" in done.stdout
