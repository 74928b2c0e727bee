"""One stage body in a process of its own: `python -m engine.hosts.child MODULE:NAME STAGE`.

The order comes as a line on standard input, what the body says and asks goes out as lines on what was standard
output; what the body itself prints goes to standard error. When standard input closes the process ends on the spot.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from decimal import Decimal
from itertools import count
from typing import IO, Any

from engine.definition.context import AIHelper, StageContext
from engine.definition.stage import Stage
from engine.definition.suspension import StageResult, Suspend
from engine.errors import BudgetExceeded
from engine.kernel.call_log import AIOpener, OpenedAI, topic_of
from engine.kernel.call_wire import from_wire, to_wire
from engine.kernel.children import packed, unpacked
from engine.kernel.executor import checked_output, failure, validate
from engine.kernel.outputs import LoadedOutputs
from engine.model.json import Json, dumps, loads
from engine.model.records import AICallRecord
from engine.model.status import LogLevel
from engine.ports.ai_calls import ReuseScope

UNUSABLE = 3
"""Exit code when the order itself can't be read."""


class Line:
    """The way to the parent; any thread may speak."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._ids = count(1)
        self._asked: dict[int, Future[Json]] = {}
        self.cancelled = False

    def say(self, **message: Json) -> None:
        line = dumps(message).encode() + b"\n"
        with self._lock:
            self._out.write(line)
            self._out.flush()

    async def ask(self, what: str, *arguments: bytes | Json) -> bytes | Json:
        """The parent's answer. Raises `KeyError` where it found nothing, `RuntimeError` where it failed."""
        number, answer = next(self._ids), Future[Json]()
        self._asked[number] = answer
        self.say(kind="ask", id=number, what=what, arguments=[packed(one) for one in arguments])
        found = await asyncio.wrap_future(answer)
        if spent := found.get("budget"):
            raise BudgetExceeded(spent["scope"], Decimal(spent["limit"]), Decimal(spent["spent"]))
        if "error" in found:
            raise RuntimeError(found["error"])
        if found.get("missing"):
            raise KeyError(*arguments[:1])
        return unpacked(found["value"])

    def listen(self, lines: IO[bytes]) -> None:
        """Until the parent closes its end: then nobody waits for this process any more."""
        for line in lines:
            heard = loads(line)
            if heard["kind"] == "cancel":
                self.cancelled = True
            else:
                self._asked.pop(heard["id"]).set_result(heard)
        os._exit(UNUSABLE)

    # --- engine.definition.context.Reporter -----------------------------------------------------------------------

    def log(self, level: LogLevel, message: str, fields: Mapping[str, Json]) -> None:
        self.say(kind="log", level=str(level), message=message, fields=dict(fields))

    def progress(self, fraction: float, message: str, details: Mapping[str, Json]) -> None:
        self.say(kind="progress", fraction=fraction, message=message, details=dict(details))

    def annotate(self, key: str, value: Json) -> None:
        self.say(kind="annotate", key=key, value=value)


class ParentStorage:
    """`engine.definition.context.StageStorage`, kept by the parent."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def put(self, key: str, value: bytes | Json) -> None:
        await self._line.ask("storage.put", key, value)

    async def get(self, key: str) -> bytes | Json:
        return await self._line.ask("storage.get", key)

    async def has(self, key: str) -> bool:
        return bool(await self._line.ask("storage.has", key))

    async def delete(self, key: str) -> None:
        await self._line.ask("storage.delete", key)

    async def list(self, prefix: str = "") -> list[str]:
        found = await self._line.ask("storage.list", prefix)
        assert not isinstance(found, bytes)
        return [str(one) for one in found]


class ParentCalls:
    """`engine.ports.ai_calls.AICallLog`, kept by the parent: this process only makes the calls."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def open(self, call: AICallRecord) -> None:
        await self._line.ask("ai.open", to_wire(call))

    async def afford(self) -> None:
        await self._line.ask("ai.afford")

    async def close(self, *calls: AICallRecord) -> None:
        await self._line.ask("ai.close", [to_wire(call) for call in calls])

    async def recall(self, request_key: str, scope: ReuseScope) -> AICallRecord | None:
        found = await self._line.ask("ai.recall", request_key, scope)
        assert not isinstance(found, bytes)
        return None if found is None else from_wire(found)

    async def recorded(self, batch_id: str) -> list[str]:
        found = await self._line.ask("ai.recorded", batch_id)
        assert isinstance(found, list)
        return found


def named(address: str) -> Any:
    """What goes by `module:name`."""
    module, _, name = address.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def stage_at(address: str, stage_id: str) -> Stage[Any, Any, Any]:
    """The stage of that name. Raises what its module raises, and `LookupError` for another stage's name."""
    found = named(address)
    if not isinstance(found, Stage) or found.id != stage_id:
        raise LookupError(f"{address} is no stage {stage_id!r}")
    return found


def carry_out(stage: Stage[Any, Any, Any], order: dict[str, Any], line: Line) -> None:
    """Run the body on this thread, a coroutine on the loop beside it, and tell how it ended."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="loop", daemon=True).start()
    facts = order["facts"]
    helpers = Helpers(order, line)
    context: StageContext[Any, Any] = StageContext(
        **facts,
        input=validate(stage, "input", order["input"]),
        config=validate(stage, "config", order["config"]),
        reporter=line,
        outputs=LoadedOutputs(order["outputs"]),
        storage=ParentStorage(line),
        ai=helpers.opening,
        loop=loop,
    )
    try:
        result: Any = stage.body(context)
        if isinstance(result, Coroutine):
            result = asyncio.run_coroutine_threadsafe(result, loop).result()
    finally:
        helpers.settle(loop)
    if isinstance(result, Suspend):
        first = result.first_poll_at
        line.say(
            kind="suspended",
            state=result.state,
            poll_every=result.poll_every.total_seconds(),
            max_wait=result.max_wait.total_seconds(),
            first_poll_at=None if first is None else first.isoformat(),
        )
        return
    whole = result if isinstance(result, StageResult) else StageResult(output=result)
    line.say(
        kind="completed",
        output=checked_output(stage, whole.output),
        artifacts={str(name): packed(content) for name, content in whole.artifacts.items()},
        metrics=dict(whole.metrics),
    )


class Helpers:
    """The AI helper of this process, made when the body asks for it."""

    def __init__(self, order: dict[str, Any], line: Line) -> None:
        self._ai, self._facts, self._line = order["ai"], order["facts"], line
        self._opened: OpenedAI | None = None

    @property
    def opening(self) -> Callable[[], AIHelper] | None:
        return None if self._ai is None else self._open

    def _open(self) -> OpenedAI:
        opener: AIOpener = named(self._ai["opener"]["by"])(self._ai["opener"])
        topic = topic_of(self._facts["run_id"], self._facts["stage_id"])
        self._opened = opener.open(topic, ParentCalls(self._line), reuse=self._ai["reuse"])
        return self._opened

    def settle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Every call is noted before the parent hears how the body ended."""
        if self._opened is not None:
            asyncio.run_coroutine_threadsafe(self._opened.settle(), loop).result()


def main(address: str, stage_id: str) -> None:
    with os.fdopen(os.dup(1), "wb") as out, os.fdopen(os.dup(0), "rb") as lines:
        # What the body or its libraries print must not come between our lines.
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        line = Line(out)
        order = loads(lines.readline() or b"null")
        if order is None:
            sys.exit(UNUSABLE)
        threading.Thread(target=line.listen, args=(lines,), name="line", daemon=True).start()
        try:
            carry_out(stage_at(address, stage_id), order, line)
        except BaseException as error:
            failed = failure(error)
            line.say(kind="failed", error=failed.error, code=failed.code, retryable=failed.retryable)
        # Threads the body left behind hold nothing up.
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
