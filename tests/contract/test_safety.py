"""Secrets stay where they are, files are private, and who may only read can only read."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import select, text

from engine import (
    AnnotateRun,
    CancelRun,
    CreateRun,
    FailStage,
    NoConfig,
    NonRetryable,
    PauseWorkflow,
    StageContext,
    StageResult,
    WorkflowBuilder,
    stage,
)
from engine.bootstrap import Engine, open_engine, upgrade_schema
from engine.errors import ReadOnly, StoreUnavailable
from engine.model.redaction import REDACTOR
from engine.ports.persistence import Persistence
from engine.stores.sql.tables import metadata
from engine.testing import CollectingEventSink
from wfconsole.settings import Settings

SECRET = "sk-live-0123456789abcdefghij"
EXACT = "correct horse battery"
"""A secret by its value alone."""
PASSWORD = "hunter22hunter22"
THEIRS = {"workflow_runs.input", "workflow_runs.config", "workflow_runs.output", "workflow_stages.input"} | {
    "workflow_stages.output",
    "workflow_stages.config",
    "workflow_stages.suspended_state",
    "stage_attempts.input",
    "stage_attempts.output",
    "stage_attempts.config",
    "workflow_runs.metadata",
    "blobs.content",
}
"""What people give to be worked on is kept as it is."""


class Text(BaseModel):
    text: str


@stage(id="talk")
async def talk(ctx: StageContext[Text, NoConfig]) -> StageResult[Text]:
    for secret in (SECRET, EXACT):
        ctx.log("INFO", f"the key is {secret}", key=secret, deep={"api_key": secret, "list": [f"x {secret}"]})
        ctx.progress(0.5, f"with {secret}", note=secret)
        ctx.annotate("with", f"a {secret}")
        ctx.annotate("password", secret)
    return StageResult(output=ctx.input, metrics={"note": f"{SECRET} {EXACT}"})


@stage(id="fail")
async def fail(ctx: StageContext[Text, NoConfig]) -> Text:
    raise NonRetryable(f"GET https://ann:{PASSWORD}@host/ said no to {SECRET} and {EXACT}")


TALK = WorkflowBuilder("talk", "Talk", input=Text).pipe(talk).pipe(fail).build()


@pytest.fixture
def known() -> None:
    REDACTOR.know([EXACT])


async def everything(persistence: Persistence) -> dict[str, str]:
    """All that stands in the database, by table and column."""

    def read(reads: Any) -> dict[str, str]:
        found: dict[str, str] = {}
        for table in metadata.sorted_tables:
            rows = reads._connection.execute(select(table)).all()
            for number, column in enumerate(table.c):
                found[f"{table.name}.{column.name}"] = repr([row[number] for row in rows])
        return found

    return await persistence.read(read)


async def say_it_everywhere(engine: Engine) -> None:
    hostile = f"because of {SECRET} and {EXACT}"
    created = await engine.dispatch(CreateRun(idempotency_key="k", workflow_id="talk", input=Text(text="x")))
    async with engine.worker():
        assert (await engine.wait(created.run_id, 30)).status == "FAILED"
    waiting = await engine.dispatch(
        CreateRun(
            idempotency_key="k2",
            workflow_id="talk",
            input=Text(text="x"),
            annotations={"password": SECRET, "note": hostile},
        )
    )
    actor = f"ann {SECRET}"
    await engine.dispatch(AnnotateRun(run_id=waiting.run_id, attributes={"why": hostile}, actor=actor), actor=actor)
    await engine.dispatch(PauseWorkflow(workflow_id="talk", reason=hostile), actor=actor)
    await engine.dispatch(CancelRun(run_id=waiting.run_id, reason=hostile), actor=actor)


@pytest.mark.usefixtures("known")
async def test_what_is_said_is_written_down_without_secrets(url: str) -> None:
    sink = CollectingEventSink()
    async with open_engine(url, workflows=[TALK], event_sink=sink) as engine:
        await say_it_everywhere(engine)
        written = await everything(engine.kernel.persistence)
    leaks = [
        place
        for place, content in written.items()
        if place not in THEIRS and any(secret in content for secret in (SECRET, EXACT, PASSWORD))
    ]
    assert leaks == []
    assert "[redacted]" in written["workflow_logs.message"]
    assert "[redacted]" in written["workflow_runs.error"]
    assert all(secret not in repr(event) for event in sink.events for secret in (SECRET, EXACT, PASSWORD))


@pytest.mark.parametrize("command", ["dlq ls", "status", "worker --once"])
def test_no_address_is_shown_with_its_password(command: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "WFCONSOLE_DB": f"postgresql://ann:{PASSWORD}@127.0.0.1:9/db",
        "WFCONSOLE_DEBUG": "1",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "wfconsole", *command.split()],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=100,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_settings_show_no_address() -> None:
    address = f"postgresql://ann:{PASSWORD}@host/db"
    settings = Settings(
        db=address,
        profiles={"prod": {"db": address}},
        sinks={"hook": {"type": "webhook", "url": f"https://host/{PASSWORD}"}},
        providers={"openai": {"base_url": f"https://ann:{PASSWORD}@host"}},
    )
    assert PASSWORD not in f"{settings!r} {settings}"


def test_the_workers_log_has_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    from wfconsole.cli.worker import _WithoutSecrets

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_WithoutSecrets("%(message)s"))
    logger = logging.getLogger("wfconsole.test.safety")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise ValueError(f"https://ann:{PASSWORD}@host said no to {SECRET}")
    except ValueError:
        logger.exception("it broke: %s", SECRET)
    finally:
        logger.removeHandler(handler)
    shown = capsys.readouterr().err
    assert "it broke" in shown
    assert SECRET not in shown
    assert PASSWORD not in shown


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def lax_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("lax_umask")
async def test_everything_on_disk_is_the_users_own(tmp_path: Path) -> None:
    long = Text(text="x" * 400_000)
    async with open_engine(f"sqlite:///{tmp_path}/runs.db", workflows=[TALK]) as engine, engine.worker():
        created = await engine.dispatch(CreateRun(idempotency_key="k", workflow_id="talk", input=long))
        await engine.wait(created.run_id, 30)
        modes = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert any(path.is_dir() for path in modes)
    assert any(".blobs" in path.parent.as_posix() for path in modes)
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@pytest.mark.usefixtures("lax_umask")
def test_what_the_console_keeps_is_the_users_own(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": "", "XDG_DATA_HOME": "", "WFCONSOLE_DB": ""}
    words = ["run", "document-processor", "--input", '{"url": "https://example.org"}']
    done = subprocess.run(
        [sys.executable, "-m", "wfconsole", *words],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=100,
        check=False,
        cwd=tmp_path,
    )
    files = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert files, done.stderr
    assert set(files.values()) == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in files} == {0o700}


# --- reading only ---------------------------------------------------------------------------------------------------

ESCAPES = {
    "delete": "DELETE FROM workflow_runs",
    "update": "UPDATE workflow_runs SET priority = 9",
    "schema": "CREATE TABLE escaped (x TEXT)",
}


@pytest.mark.parametrize("way", ESCAPES)
@pytest.mark.parametrize("read_only", [True, False])
async def test_a_reading_connection_really_only_reads(url: str, way: str, read_only: bool) -> None:
    upgrade_schema(url)
    async with open_engine(url, workflows=[TALK]) as writing:
        await writing.dispatch(CreateRun(idempotency_key="k", workflow_id="talk", input=Text(text="x")))
    async with open_engine(url, read_only=read_only) as engine:

        def escape(reads: Any) -> None:
            # Out of the transaction the store began, into one that doesn't say how it is meant.
            for statement in ("ROLLBACK", "BEGIN"):
                reads._connection.connection.driver_connection.execute(statement)
            reads._connection.execute(text(ESCAPES[way]))

        with pytest.raises(StoreUnavailable, match=r"(?i)read-?only"):
            await engine.kernel.persistence.read(escape)
        assert len((await engine.inspector.runs()).items) == 1


@pytest.mark.parametrize(
    "command",
    [
        lambda run_id: CancelRun(run_id=run_id),
        lambda run_id: AnnotateRun(run_id=run_id, attributes={"a": 1}),
        lambda run_id: FailStage(run_id=run_id, stage_id="talk", reason="no"),
        lambda run_id: {"type": "run.cancel", "run_id": run_id},
    ],
)
async def test_no_command_goes_through_an_engine_for_reading(url: str, command: Callable[[str], Any]) -> None:
    upgrade_schema(url)
    async with open_engine(url, read_only=True) as engine:
        with pytest.raises(ReadOnly):
            await engine.dispatch(command("0" * 20))
        with pytest.raises(ReadOnly):
            engine.worker()
        with pytest.raises(ReadOnly):
            await engine.kernel.dispatch(command("0" * 20))


# --- code -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workflow_id", ["antigravity", "tests.contract.other", "this"])
async def test_nothing_in_a_database_makes_a_module_be_loaded(url: str, workflow_id: str) -> None:
    """Runs of workflows that nobody here has wait; their names lead to no code."""
    flow = WorkflowBuilder(workflow_id, "Flow", input=Text).pipe(talk).build()
    async with open_engine(url, workflows=[flow]) as engine:
        command = CreateRun(idempotency_key="k", workflow_id=workflow_id, input=Text(text="x"))
        run_id = (await engine.dispatch(command)).run_id
    before = set(sys.modules)
    async with open_engine(url, workflows=[TALK]) as engine, engine.worker():
        assert (await engine.inspector.run(run_id)).status == "PENDING"
        assert (await engine.inspector.explain(run_id)).code == "no_worker"
    assert workflow_id not in set(sys.modules) - before
