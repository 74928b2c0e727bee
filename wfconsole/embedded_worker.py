"""The interactive console's own worker: a supervised child process, so that no stage can freeze the screen.

`wfconsole --headless worker` on the same database and workflows. It ends by itself when its standard input
closes, so a console that was killed leaves no worker behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import site
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from io import FileIO
from pathlib import Path
from typing import Literal

import platformdirs

from engine.inspector.views import WorkerView
from wfconsole.settings import APP, Settings

_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_SETTLED_S = 30.0
"""A worker that lived this long was healthy: its next death starts the backoff anew."""
_MOST_DEATHS = 6
_LAST_WORDS = 4
_LONGEST_LOG = 5_000_000
"""Bytes; then the file makes room, and one former file is kept."""
_GRACE_S = 1.0
_APART_S = 0.2


@dataclass(frozen=True, slots=True)
class WorkerState:
    """How the child is. `pid` while it runs, `reason` when it failed or is being restarted."""

    phase: Literal["starting", "running", "restarting", "stopped", "failed"]
    pid: int | None = None
    reason: str | None = None


class EmbeddedWorker:
    """`await start()`, later `await stop(drain)`; a child that dies meanwhile is restarted, with backoff."""

    def __init__(self, settings: Settings, *, log_file: Path | None = None) -> None:
        self._settings = settings
        self._log_file = log_file or platformdirs.user_log_path(APP, appauthor=False) / "worker.log"
        self._child: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = False
        self._state = WorkerState("stopped")

    @property
    def state(self) -> WorkerState:
        return self._state

    @property
    def log_file(self) -> Path:
        """Where the child's output goes, readable by the user alone."""
        return self._log_file

    async def start(self) -> None:
        """Start the child and its supervision. Never raises for a child that can't start: see `state`."""
        if self._supervisor is not None and not self._supervisor.done():
            return
        self._stopping = False
        self._state = WorkerState("starting")
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded-worker")

    async def stop(self, drain: timedelta = timedelta(0)) -> None:
        """End the child: it may drain for that long, then gives its leases back, then is killed."""
        self._stopping = True
        child = self._child
        if child is not None and child.returncode is None:
            await _end(child, drain)
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        self._child, self._supervisor = None, None
        self._state = WorkerState("stopped")

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            began = loop.time()
            try:
                reason = await self._live()
            except OSError as error:
                self._state = WorkerState("failed", reason=f"can't start: {error.strerror or error}")
                return
            if self._stopping:
                return
            deaths = 1 if loop.time() - began > _SETTLED_S else deaths + 1
            if deaths >= _MOST_DEATHS:
                self._state = WorkerState("failed", reason=reason)
                return
            self._state = WorkerState("restarting", reason=reason)
            await asyncio.sleep(_BACKOFF_S[min(deaths, len(_BACKOFF_S)) - 1])

    async def _live(self) -> str:
        """One life of the child; why it ended."""
        with _open_private(self._log_file) as log:
            began_at = log.seek(0, os.SEEK_END)
            child = await asyncio.create_subprocess_exec(
                *command_line(),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment(self._settings),
                # Ctrl-C at the console's terminal is the console's: it decides how the worker ends.
                start_new_session=True,
            )
        self._child = child
        self._state = WorkerState("running", pid=child.pid)
        code = await child.wait()
        words = _last_words(self._log_file, began_at)
        return f"worker exited with {code}" + (f": {words}" if words else "")


def needed(settings: Settings, workflow_ids: Iterable[str], workers: Iterable[WorkerView]) -> bool:
    """Whether the console needs its own worker: on a SQLite file, when nobody else knows all workflows."""
    if settings.read_only or settings.no_worker or settings.database_file is None:
        return False
    wanted = set(workflow_ids)
    return not any(worker.alive and wanted <= worker.workflows.keys() for worker in workers)


def command_line() -> list[str]:
    """Nothing on it is secret: every user of the machine can read it."""
    # -P: a folder named `engine` in the working directory must not stand in for ours.
    return [sys.executable, "-P", "-m", "wfconsole", "--headless", "worker", "--until-stdin-closes"]


def environment(settings: Settings) -> dict[str, str]:
    """The child's environment: this one's, with the database, the workflows and where our packages are."""
    given = {name: value for name, value in os.environ.items() if name not in ("WFCONSOLE_PROFILE", "WFCONSOLE_CONFIG")}
    file = settings.database_file
    given["WFCONSOLE_DB"] = f"sqlite:///{file.absolute()}" if file is not None else settings.database
    given["WFCONSOLE_WORKFLOWS"] = ",".join(settings.workflows)
    if settings.blobs.url is not None:
        given["WFCONSOLE_BLOBS"] = settings.blobs.url
    given["WFCONSOLE_READ_ONLY"] = given["WFCONSOLE_NO_WORKER"] = "0"
    home = Path(__file__).resolve().parent.parent
    installed = {Path(place).resolve() for place in (*site.getsitepackages(), site.getusersitepackages())}
    if home not in installed:
        given["PYTHONPATH"] = os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))
    return given


async def _end(child: asyncio.subprocess.Process, drain: timedelta) -> None:
    """Signals as an operator gives them: the first drains, the second releases the leases; then the kill."""
    # A moment at least between the two, or they count as one.
    patience = max(drain.total_seconds(), _APART_S)
    steps = ((signal.SIGTERM, patience), (signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None))
    for number, wait_s in steps:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), wait_s)
            return


def _open_private(path: Path) -> FileIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        if path.stat().st_size > _LONGEST_LOG:
            path.replace(path.with_name(f"{path.name}.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    return FileIO(descriptor, "ab")


def _last_words(path: Path, offset: int) -> str:
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(offset)
        lines = deque((line.strip() for line in file), maxlen=_LAST_WORDS)
        return b" ".join(line for line in lines if line).decode(errors="replace")[:500]
    return ""
