"""The console beside what could hold it up: stages that burn or hold the processor, a database that goes away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer, create_database
from pseudo_terminal import Terminal

from engine.bootstrap import upgrade_schema

FLOWS = '''
"""Work that leaves nothing to anybody else, until it was enough."""
from pathlib import Path
from engine import NoConfig, NoInput, StageContext, WorkflowBuilder, stage

HERE = Path(__file__).parent

@stage(id="work")
def hold(ctx: StageContext[NoInput, NoConfig]) -> None:
    """Each call into C keeps the interpreter's lock for seconds."""
    while not (HERE / "enough").exists():
        with (HERE / "calls").open("a") as calls:
            calls.write(".")
        sum(range(100_000_000))

@stage(id="work")
def burn(ctx: StageContext[NoInput, NoConfig]) -> None:
    (HERE / "calls").touch()
    while not (HERE / "enough").exists():
        for number in range(1_000_000):
            number * number

workflows = [
    WorkflowBuilder(name, name, input=NoInput).pipe(one).build() for name, one in (("hold", hold), ("burn", burn))
]
'''
KEYS = 10
SIZE = (120, 36)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    made = PostgresServer(durable=True)
    yield made
    made.remove()


def press_keys(terminal: Terminal) -> None:
    """Keys that are seen to be answered, one after the other."""
    for _ in range(KEYS // 2):
        terminal.press("?")
        terminal.until("Keys in Runs")
        terminal.press("\x1b")
        terminal.until(lambda: "Keys in Runs" not in terminal.text)


@pytest.mark.parametrize("workflow", ["hold", "burn"])
def test_a_stage_that_takes_the_whole_processor_delays_no_key(tmp_path: Path, workflow: str) -> None:
    """While one stage of the console's own worker runs all keys are answered: none waits for its end."""
    (tmp_path / "greedy_flows.py").write_text(FLOWS)
    database = f"sqlite:///{tmp_path / 'runs.db'}"
    terminal = Terminal("--db", database, "--workflows", "greedy_flows", home=tmp_path, cwd=tmp_path, size=SIZE)
    try:
        terminal.until("workers 1/1")
        run(database, tmp_path, workflow, "one")
        calls = tmp_path / "calls"
        terminal.until(calls.exists)
        press_keys(terminal)
        assert "running 1" in terminal.text
        # Had each key waited for one of the calls, there would be as many as keys at least.
        assert len(calls.read_text()) < KEYS
        (tmp_path / "enough").touch()
        terminal.until("ok 1")
    finally:
        terminal.close()


def run(database: str, tmp_path: Path, workflow: str, key: str) -> None:
    """Create a run as somebody else would, from a process of its own."""
    words = ["--db", database, "--workflows", "greedy_flows", "--no-worker", "run", workflow]
    command = [sys.executable, "-m", "wfconsole", *words, "--key", key]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)


def test_a_database_that_dies_under_it_is_said_and_nothing_is_missed_after(
    server: PostgresServer, tmp_path: Path
) -> None:
    (tmp_path / "greedy_flows.py").write_text(FLOWS)
    database = create_database(server.url(), "outage")
    upgrade_schema(database)
    run(database, tmp_path, "hold", "before")
    terminal = Terminal("--db", database, "--no-worker", home=tmp_path, size=SIZE)
    try:
        terminal.until("queued 1 ")
        server.stop("immediate")
        terminal.until("retry in")
        press_keys(terminal)
        assert "hold" in terminal.text, "what was there stays to be read"
        server.start()
        run(database, tmp_path, "burn", "after")
        terminal.until("queued 2 ")
        terminal.until("● live")
        terminal.until("burn")
        assert b"Traceback" not in terminal.written
        terminal.press("q")
        assert terminal.ended(within=10.0) == 0
        assert terminal.restored
    finally:
        terminal.close()
