"""Upgrades of a database that is behind: by several processes at once, killed half way, refused out of range."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

import engine.stores.sql
from engine.bootstrap import check_schema, open_engine, upgrade_schema
from engine.errors import EngineError, SchemaTooNew, SchemaTooOld
from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import connect as connect_postgres
from engine.stores.sql.migrate import HEAD, VERSION_TABLE
from engine.stores.sqlite_connection import connect as connect_sqlite

FIRST = "0001"


def connect(url: str) -> Connection:
    if not url.startswith("sqlite"):
        return connect_postgres(PostgresAddress.parse(url), "schema")
    path = Path(url.removeprefix("sqlite:///"))
    path.touch(mode=0o600)
    return connect_sqlite(path)


def say(url: str, statement: str) -> None:
    connection = connect(url)
    connection.execute(text(statement))
    connection.invalidate()


@pytest.fixture(params=["sqlite", "postgres"])
def first(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the first of all schemas, and a run in it."""
    sqlite = request.param == "sqlite"
    url: str = f"sqlite:///{tmp_path}/runs.db" if sqlite else request.getfixturevalue("empty_postgres_url")
    connection = connect(url)
    connection.exec_driver_sql("BEGIN")
    config = Config()
    config.set_main_option("script_location", str(Path(engine.stores.sql.__path__[0]) / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, FIRST)
    connection.exec_driver_sql(
        "INSERT INTO workflow_definitions (workflow_id, fingerprint, plan, created_at)"
        f" VALUES ('flow', 'f', '{{}}', {'0' if sqlite else 'now()'})"
    )
    connection.exec_driver_sql("COMMIT")
    connection.invalidate()
    assert check_schema(url).found == FIRST
    return url


def definitions(url: str) -> int:
    connection = connect(url)
    found = connection.execute(text("SELECT count(*) FROM workflow_definitions")).scalar_one()
    connection.invalidate()
    return int(found)


UPGRADE = """
import sys
from engine.bootstrap import upgrade_schema
sys.stdin.readline()
print(*upgrade_schema(sys.argv[1]))
"""


def test_several_processes_upgrade_one_database_at_once(first: str) -> None:
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", UPGRADE, first]
    processes = [subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=100) for process in processes]
    assert sorted(said.strip() for said, _ in answers) == [f"{FIRST} {HEAD}"] + [f"{HEAD} {HEAD}"] * 2, answers
    assert check_schema(first).ok
    assert definitions(first) == 1


DIE = """
import os, signal, sys
from alembic import op
from engine.bootstrap import upgrade_schema
create, made = op.create_table, []

def dying(*arguments, **options):
    create(*arguments, **options)
    made.append(arguments)
    if len(made) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

op.create_table = dying
upgrade_schema(sys.argv[1])
"""


def test_an_upgrade_that_was_killed_half_way_is_taken_up_again(first: str) -> None:
    done = subprocess.run([sys.executable, "-c", DIE, first], check=False, capture_output=True, timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert check_schema(first).found == FIRST
    assert upgrade_schema(first) == (FIRST, HEAD)
    assert check_schema(first).ok
    assert definitions(first) == 1


def test_an_upgrade_that_fails_leaves_the_version_before(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    def failing(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_table", failing)
        with pytest.raises(OSError, match="no room"):
            upgrade_schema(first)
    assert check_schema(first).found == FIRST
    assert upgrade_schema(first) == (FIRST, HEAD)


async def opened(url: str, **options: Any) -> None:
    async with open_engine(url, **options):
        pass


@pytest.mark.parametrize("options", [{"migrate": False}, {"read_only": True}])
async def test_what_is_too_old_is_refused_with_both_versions(first: str, options: dict[str, bool]) -> None:
    with pytest.raises(SchemaTooOld) as caught:
        await opened(first, **options)
    assert FIRST in str(caught.value)
    assert HEAD in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"migrate": True}, {"read_only": True}])
async def test_what_is_too_new_is_refused_with_both_versions(first: str, options: dict[str, bool]) -> None:
    say(first, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(SchemaTooNew) as caught:
        await opened(first, **options)
    assert "9999" in str(caught.value)
    assert HEAD in str(caught.value)
    with pytest.raises(SchemaTooNew):
        upgrade_schema(first)


async def test_an_old_file_upgrades_itself_and_an_old_server_waits_to_be_told(first: str) -> None:
    if first.startswith("sqlite"):
        await opened(first)
    else:
        with pytest.raises(SchemaTooOld):
            await opened(first)
        await opened(first, migrate=True)
    assert check_schema(first).ok
    assert definitions(first) == 1


@pytest.mark.parametrize("version", ["", "x", "0", "00001", "0001; DROP TABLE workflow_runs"])
async def test_a_version_that_is_none_is_no_invitation(first: str, version: str) -> None:
    connection = connect(first)
    connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :version"), {"version": version[:32]})
    connection.invalidate()
    with pytest.raises(EngineError):
        await opened(first, migrate=False)
    assert definitions(first) == 1


PROBE = """
import asyncio, sys
from engine.bootstrap import check_schema, open_engine

async def main():
    async with open_engine(sys.argv[1]) as engine:
        await engine.inspector.overview()

asyncio.run(main())
print(check_schema(sys.argv[1]).ok, "alembic" in sys.modules)
"""


def test_alembic_is_loaded_only_to_upgrade(url: str) -> None:
    upgrade_schema(url)
    done = subprocess.run([sys.executable, "-c", PROBE, url], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.split() == ["True", "False"]
