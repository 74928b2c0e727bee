"""Stage bodies in processes of their own: JSON lines over pipes, no pickle.

The child is `python -m engine.hosts.child MODULE:NAME STAGE`. It gets one `start` line and tells what the body says,
asks and ends with, line by line. Its standard input closed means that nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.definition.context import StageStorage
from engine.definition.suspension import StageResult, Suspend
from engine.errors import BudgetExceeded
from engine.kernel.call_wire import from_wire, to_wire
from engine.kernel.ending import Crashed, Failed
from engine.kernel.reporter import LiveReporter
from engine.model.json import Json, dumps, loads
from engine.model.status import LogLevel
from engine.ports.ai_calls import AICallLog

MODULE = "engine.hosts.child"
LONGEST_LINE = 1 << 30
GRACE_SECONDS = 1.0
"""What a cancelled body gets to notice it before its process is killed."""
LAST_LINES = 20
"""How much of a dead process's standard error goes to the log."""

Outcome = StageResult[Any] | Suspend | Failed | Crashed


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to carry out: `address` is `module:name` of the stage, the rest JSON."""

    address: str
    stage_id: str
    input: Json
    config: Json
    outputs: Mapping[str, str]
    facts: Mapping[str, Json]
    """Run id, attempt and the like, as the context shows them."""
    ai: Json = None
    """How the child comes by an AI helper: it makes the calls itself, and asks us to note them."""


async def run_child(order: Order, reporter: LiveReporter, storage: StageStorage, calls: AICallLog) -> Outcome:
    """How the body ended. Cancelling the caller ends the process, and all it started."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        MODULE,
        order.address,
        order.stage_id,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, sys.path)))},
    )
    conversation = _Conversation(process, reporter, storage, calls)
    try:
        return await conversation.hold(order)
    finally:
        await conversation.end()


class _Conversation:
    """With one child, from its start to its end."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reporter: LiveReporter,
        storage: StageStorage,
        calls: AICallLog,
    ) -> None:
        self._process = process
        self._reporter = reporter
        self._storage = storage
        self._calls = calls
        self._answers: set[asyncio.Task[None]] = set()
        self._last_words: deque[str] = deque(maxlen=LAST_LINES)
        self._listener = asyncio.create_task(self._overhear())

    async def hold(self, order: Order) -> Outcome:
        start = {
            "kind": "start",
            "input": order.input,
            "config": order.config,
            "outputs": dict(order.outputs),
            "facts": dict(order.facts),
            "ai": order.ai,
        }
        with contextlib.suppress(ConnectionError):
            await self._say(start)
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            outcome = self._hear(loads(line))
            if outcome is not None:
                return outcome
        return await self._crashed()

    def _hear(self, said: dict[str, Any]) -> Outcome | None:
        match said["kind"]:
            case "log":
                self._reporter.log(LogLevel(said["level"]), said["message"], said["fields"])
            case "progress":
                self._reporter.progress(said["fraction"], said["message"], said["details"])
            case "annotate":
                self._reporter.annotate(said["key"], said["value"])
            case "ask":
                task = asyncio.create_task(self._answer(said))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)
            case _:
                return _outcome(said)
        return None

    async def _answer(self, asked: dict[str, Any]) -> None:
        try:
            value = await self._do(asked["what"], [unpacked(one) for one in asked["arguments"]])
            answer = {"kind": "answer", "id": asked["id"], "value": packed(value)}
        except BudgetExceeded as error:
            spent = {"scope": error.scope, "limit": str(error.limit), "spent": str(error.spent)}
            answer = {"kind": "answer", "id": asked["id"], "budget": spent}
        except KeyError:
            answer = {"kind": "answer", "id": asked["id"], "missing": True}
        except Exception as error:
            answer = {"kind": "answer", "id": asked["id"], "error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(ConnectionError):
            await self._say(answer)

    async def _do(self, what: str, arguments: list[Any]) -> bytes | Json:
        match what:
            case "ai.open":
                await self._calls.open(from_wire(arguments[0]))
                return None
            case "ai.afford":
                await self._calls.afford()
                return None
            case "ai.close":
                await self._calls.close(*map(from_wire, arguments[0]))
                return None
            case "ai.recall":
                found = await self._calls.recall(*arguments)
                return None if found is None else to_wire(found)
            case "ai.recorded":
                return sorted(await self._calls.recorded(*arguments))
        return await getattr(self._storage, _ASKED[what])(*arguments)

    async def _say(self, message: dict[str, Json]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(dumps(message).encode() + b"\n")
        await self._process.stdin.drain()

    async def _overhear(self) -> None:
        """Its standard error goes where ours goes."""
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(65_536):
            text = chunk.decode(errors="replace")
            self._last_words.extend(text.splitlines())
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(text)

    async def _crashed(self) -> Crashed:
        code = await self._process.wait()
        await asyncio.wait([self._listener], timeout=GRACE_SECONDS)
        if self._last_words:
            self._reporter.log(LogLevel.ERROR, "its process wrote, last:", {"lines": list(self._last_words)})
        return Crashed(f"killed by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}")

    async def end(self) -> None:
        """Nothing of the child is left afterwards, however this came about."""
        if self._process.returncode is None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                await self._say({"kind": "cancel"})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        for task in (*self._answers, self._listener):
            task.cancel()


_ASKED = {
    "storage.put": "put",
    "storage.get": "get",
    "storage.has": "has",
    "storage.delete": "delete",
    "storage.list": "list",
}


def _outcome(said: dict[str, Any]) -> Outcome:
    if said["kind"] == "failed":
        return Failed(said["error"], said["code"], said["retryable"])
    if said["kind"] == "suspended":
        first = said["first_poll_at"]
        return Suspend(
            state=said["state"],
            poll_every=timedelta(seconds=said["poll_every"]),
            max_wait=timedelta(seconds=said["max_wait"]),
            first_poll_at=None if first is None else datetime.fromisoformat(first),
        )
    artifacts = {name: unpacked(content) for name, content in said["artifacts"].items()}
    return StageResult(output=said["output"], artifacts=artifacts, metrics=said["metrics"])


def packed(value: bytes | Json) -> Json:
    """Bytes or JSON as JSON."""
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else {"json": value}


def unpacked(value: Json) -> bytes | Json:
    return base64.b64decode(value["bytes"]) if "bytes" in value else value["json"]
