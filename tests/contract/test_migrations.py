"""The schema: made at once or step by step it is the same, made by two at once it is made once."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from engine.stores import sqlite_file
from engine.stores.sql import migrate
from engine.stores.sql.migrate import HEAD, VERSION_TABLE, run_migrations
from engine.stores.sql.tables import metadata
from engine.stores.sqlite_connection import connect
from engine.stores.sqlite_file import prepare_file, schema_state, upgrade_file


def schema(path: Path) -> dict[str, list[str]]:
    """Every table and index as the parts of its definition, in an order of their own."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    finally:
        connection.close()
    return {name: parts(sql) for name, sql in rows}


def parts(sql: str) -> list[str]:
    text = re.sub(r"\s+", " ", sql.replace('"', "")).replace("( ", "(").replace(" )", ")")
    if text.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX")):
        return [text]
    head, _, body = text.partition("(")
    body, _, tail = body.rpartition(")")
    return [head.strip(), tail.strip(), *sorted(one.strip() for one in re.split(r",(?![^(]*\))", body))]


def migrated(path: Path) -> None:
    """Empty to head by the migrations, one after the other."""
    path.touch()
    connection = connect(path)
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    run_migrations(connection)
    connection.exec_driver_sql("COMMIT")
    connection.close()


def version(path: Path) -> list[tuple[str]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()
    finally:
        connection.close()


def test_step_by_step_and_at_once_give_the_same_schema(tmp_path: Path) -> None:
    upgrade_file(tmp_path / "at_once.db")
    migrated(tmp_path / "stepwise.db")
    at_once, stepwise = schema(tmp_path / "at_once.db"), schema(tmp_path / "stepwise.db")
    assert len([name for name in at_once if name.startswith("table")]) > len(metadata.tables)
    assert stepwise == at_once
    assert version(tmp_path / "stepwise.db") == version(tmp_path / "at_once.db") == [(HEAD,)]


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    upgrade_file(tmp_path / "one.db")
    upgrade_file(tmp_path / "other.db")
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("DROP INDEX ix_job_queue_claim")
    connection.execute(
        "CREATE INDEX ix_job_queue_claim ON job_queue (priority, created_at, id) WHERE status = 'PENDING'"
    )
    connection.execute("ALTER TABLE workflow_logs ADD COLUMN extra TEXT")
    connection.close()
    one, other = schema(tmp_path / "one.db"), schema(tmp_path / "other.db")
    assert {name for name in one if one[name] != other[name]} == {"index ix_job_queue_claim", "table workflow_logs"}


def test_alembic_sees_nothing_to_do(tmp_path: Path) -> None:
    migrated(tmp_path / "runs.db")
    connection = connect(tmp_path / "runs.db")
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": False})
    assert compare_metadata(context, metadata) == []
    connection.close()


def test_an_upgrade_runs_the_migrations_that_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a version table without a version, the migrations are what makes the schema."""
    path = tmp_path / "runs.db"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(f"INSERT INTO {VERSION_TABLE} VALUES ('0000')")
    connection.commit()
    connection.close()
    ran: list[Connection] = []
    monkeypatch.setattr(migrate, "run_migrations", ran.append)
    assert upgrade_file(path) == "0000"
    assert len(ran) == 1


CREATE = """
import sys
from pathlib import Path
from engine.stores.sqlite_file import prepare_file
print("ready", flush=True)
for line in sys.stdin:
    prepare_file(Path(line.strip()), migrate=True, read_only=False)
    print("done", flush=True)
"""


def test_several_processes_create_one_file_at_once(tmp_path: Path) -> None:
    """Several times over: only now and then do two of them meet at the same step."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", CREATE]
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    answers = [process.stdout for process in processes if process.stdout is not None]
    assert [answer.readline() for answer in answers] == ["ready\n"] * 4
    for number in range(10):
        path = tmp_path / f"{number}.db"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        assert [answer.readline() for answer in answers] == ["done\n"] * 4
        assert version(path) == [(HEAD,)]
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4


class Meeting(sqlite3.Connection):
    """Meets another connection twice as it switches a new file to its log: SQLite refuses it without waiting."""

    refused = 0

    def cursor(self, factory: Any = None) -> Any:
        return MeetingCursor(self)


class MeetingCursor(sqlite3.Cursor):
    def execute(self, sql: str, *parameters: Any) -> Self:
        if "journal_mode" in sql and Meeting.refused < 2:
            Meeting.refused += 1
            raise sqlite3.OperationalError("database is locked")
        super().execute(sql, *parameters)
        return self


def test_who_meets_another_at_the_switch_to_the_log_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = sqlite3.connect

    def meeting(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return opening(*arguments, **options, factory=Meeting)

    monkeypatch.setattr(Meeting, "refused", 0)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", meeting)
    upgrade_file(tmp_path / "runs.db")
    assert Meeting.refused == 2
    monkeypatch.undo()
    assert schema_state(tmp_path / "runs.db").ok


class Interrupted(BaseException):
    """As a signal would."""


def test_a_creation_that_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.db"

    def half(connection: Connection) -> None:
        for table in metadata.sorted_tables[:5]:
            table.create(connection)
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_file, "bring_to_head", half)
        with pytest.raises(Interrupted):
            upgrade_file(path)
    assert schema(path) == {}
    assert schema_state(path).found is None
    assert upgrade_file(path) is None
    assert schema_state(path).ok


DIE = """
import os, signal, sys
from pathlib import Path
from engine.stores import sqlite_file
from engine.stores.sql.tables import metadata

def half(connection):
    for table in metadata.sorted_tables[:5]:
        table.create(connection)
    os.kill(os.getpid(), signal.SIGKILL)

sqlite_file.bring_to_head = half
sqlite_file.upgrade_file(Path(sys.argv[1]))
"""


def test_a_creation_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    done = subprocess.run([sys.executable, "-c", DIE, path], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert schema(path) == {}
    prepare_file(path, migrate=True, read_only=False)
    assert schema_state(path).ok
    assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


def test_opening_a_file_that_is_up_to_date_does_not_load_alembic(tmp_path: Path) -> None:
    """It costs most of a second."""
    path = tmp_path / "runs.db"
    upgrade_file(path)
    probe = (
        "import sys; from pathlib import Path; import engine.bootstrap; "
        "from engine.stores.sqlite_file import prepare_file; "
        "prepare_file(Path(sys.argv[1]), migrate=True, read_only=False); "
        "prepare_file(Path(sys.argv[1] + '.new'), migrate=True, read_only=False); "
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe, path], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
