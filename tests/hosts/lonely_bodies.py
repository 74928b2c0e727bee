"""Stages whose bodies run in processes of their own: each at the top of this module, where a child finds it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine import NoConfig, NonRetryable, RetryPolicy, StageContext, StageResult, WorkflowBuilder, stage

QUICK = RetryPolicy(initial_delay=timedelta(milliseconds=1), jitter=False)


class Order(BaseModel):
    what: str = ""
    path: str = ""
    size: int = 0


class Settings(BaseModel):
    word: str = "default"


def _enter(ctx: StageContext[Order, NoConfig]) -> None:
    Path(ctx.input.path, f"entered-{ctx.attempt}").write_text(str(os.getpid()))


FIRST_PIDS: dict[str, int] = {}
"""Where the first stage of a run was carried out, if in this process."""


@stage(id="first")
async def first(ctx: StageContext[Order, NoConfig]) -> dict[str, Any]:
    FIRST_PIDS[ctx.run_id] = os.getpid()
    return ctx.input.model_dump()


@stage(id="alone", isolation="process", retry=QUICK, timeout=timedelta(seconds=20))
def alone(ctx: StageContext[Order, Settings]) -> Any:
    """Does what the run's input says."""
    print("printed to standard output", flush=True)
    match ctx.input.what:
        case "tell":
            ctx.log("WARN", "from the child", pid=os.getpid())
            ctx.progress(0.5, "half")
            ctx.annotate("note", {"n": 1})
            before = ctx.require("first")
            ctx.block_on(ctx.storage.put("kept", b"\x00\xff"))
            kept = ctx.block_on(ctx.storage.get("kept"))
            facts = [ctx.run_id, ctx.workflow_id, ctx.stage_number, ctx.attempt, ctx.idempotency_key]
            return {"pid": os.getpid(), "before": before, "kept": list(kept), "word": ctx.config.word, "facts": facts}
        case "extras":
            return StageResult(output="o", artifacts={"a.bin": b"\x00\x01", "b.json": [1]}, metrics={"m": 2})
        case "large":
            return "x" * ctx.input.size
        case "think":
            asked = [ctx.block_on(ctx.ai.generate_text("offline/demo", "What is new?")) for _ in range(2)]
            return [asked[0].text == asked[1].text, asked[0].call_id, str(ctx.ai.topic)]
        case "refuse":
            raise NonRetryable("no")
        case "raise":
            raise ValueError("bad")
        case "kill":
            sys.stderr.write("last words\n")
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(7)
        case "sys.exit":
            sys.exit(9)
        case "missing":
            return ctx.block_on(ctx.storage.get("nothing"))
        case "hold":
            _enter(ctx)
            while not ctx.cancelled:
                threading.Event().wait(0.01)
            Path(ctx.input.path, "noticed").touch()
        case "deaf":
            _enter(ctx)
            threading.Event().wait()
    return None


@stage(id="brief", isolation="process", retry=RetryPolicy(max_attempts=1), timeout=timedelta(seconds=0.3))
def brief(ctx: StageContext[Order, NoConfig]) -> Any:
    _enter(ctx)
    threading.Event().wait()


@stage(id="killer", retry=QUICK)
def killer(ctx: StageContext[Order, NoConfig]) -> Any:
    """Takes its process along: in the worker's own process, the worker."""
    _enter(ctx)
    while len(list(Path(ctx.input.path).parent.glob("neighbour-*/entered-*"))) < ctx.input.size:
        threading.Event().wait(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


@stage(id="neighbour", retry=QUICK)
async def neighbour(ctx: StageContext[Order, NoConfig]) -> Any:
    _enter(ctx)
    if ctx.attempt == 1:
        # Long enough to be beside the killer when it strikes.
        await asyncio.to_thread(threading.Event().wait, 0.3)
    return ctx.attempt


lonely = WorkflowBuilder("lonely", "Lonely", input=Order).pipe(first).pipe(alone).build()
impatient = WorkflowBuilder("impatient", "Impatient", input=Order).pipe(brief).build()
deadly = WorkflowBuilder("deadly", "Deadly", input=Order).pipe(killer).build()
harmless = WorkflowBuilder("harmless", "Harmless", input=Order).pipe(neighbour).build()
WORKFLOWS = [lonely, impatient, deadly, harmless]
