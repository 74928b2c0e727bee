"""A pooler in transaction mode before a Postgres, as hosting companies put there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from postgres_server import as_user, free_port, somebody_else

POOL = 2
"""Sessions of the server, shared by all who connect: fewer than one engine alone would like."""
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")


class NoPooler(Exception):
    """There is no PgBouncer here."""


def find_pooler() -> str:
    """The program. Raises `NoPooler`."""
    found = shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES)))
    if found is None:
        raise NoPooler("no pgbouncer: apt-get install pgbouncer")
    return found


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """The address of that database behind a pooler in transaction mode."""
    program, parts, user = find_pooler(), urlsplit(url), somebody_else()
    port = free_port()
    secret = f" password={parts.password}" if parts.password else ""
    folder = Path(tempfile.mkdtemp(prefix="wfconsole-pooler-"))
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={parts.hostname} port={parts.port or 5432} user={parts.username}{secret}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {POOL}\nmax_client_conn = 200\nlogfile = {folder}/log\n"
    )
    if user:
        for one in (folder, folder / "pgbouncer.ini"):
            shutil.chown(one, user)
    process = subprocess.Popen(
        as_user([program, "-q", str(folder / "pgbouncer.ini")], user),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        _wait_for(process, port, folder / "log")
        yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?notify=off"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            threading.Event().wait(0.01)
    raise AssertionError(f"the pooler did not start: {log.read_text() if log.exists() else ''}")


@contextmanager
def sessions(url: str) -> Iterator[list[psycopg.Connection[tuple[object, ...]]]]:
    """Every session of the pool at once, each inside a transaction; what they say is what strangers find there."""
    address = url.split("?")[0]
    connections = [psycopg.connect(address, prepare_threshold=None) for _ in range(POOL)]
    try:
        for connection in connections:
            connection.execute("SELECT 1")
        yield connections
    finally:
        for connection in connections:
            connection.close()
