"""Workflows whose bodies tell where they are through files, and go on when a file appears.

The input names the folder. A body of attempt 1 leaves `entered-1`, waits for `open`, and leaves `left-1`; later
attempts don't wait. So a test can stop the world while a body is exactly where it wants it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from engine import NoConfig, RetryPolicy, StageContext, Workflow, WorkflowBuilder, stage

LOOK_SECONDS = 0.005
QUICK_RETRY = RetryPolicy(max_attempts=3, initial_delay=timedelta(0), jitter=False)


class Folder(BaseModel):
    path: str
    tag: str = ""

    def file(self, name: str) -> Path:
        return Path(self.path) / name


class Attempt(BaseModel):
    attempt: int


def mark(file: Path, text: str = "") -> None:
    """Make `file` appear with all its text at once."""
    made = file.with_name(f"{file.name}.new")
    made.write_text(text)
    made.rename(file)


async def appeared(file: Path) -> None:
    never = asyncio.Event()
    while not file.exists():
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await never.wait()
        except TimeoutError:
            continue


def wait_here_for(file: Path) -> None:
    """Holds the thread it is called on."""
    while not file.exists():
        threading.Event().wait(LOOK_SECONDS)


def talk(ctx: StageContext[Folder, NoConfig], words: str) -> None:
    ctx.log("INFO", words, attempt=ctx.attempt)
    ctx.progress(0.75, words)
    ctx.annotate("said", words)


@stage(id="hold", retry=QUICK_RETRY)
async def hold(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    talk(ctx, "before")
    mark(ctx.input.file(f"entered-{ctx.attempt}"))
    if ctx.attempt == 1:
        await appeared(ctx.input.file("open"))
    talk(ctx, "after")
    mark(ctx.input.file(f"left-{ctx.attempt}"))
    return Attempt(attempt=ctx.attempt)


@stage(id="hold", retry=QUICK_RETRY)
async def deaf_hold(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    """Goes on whatever it is told."""
    talk(ctx, "before")
    mark(ctx.input.file(f"entered-{ctx.attempt}"))
    while ctx.attempt == 1 and not ctx.input.file("open").exists():
        try:
            await appeared(ctx.input.file("open"))
        except asyncio.CancelledError:
            continue
    talk(ctx, "after")
    mark(ctx.input.file(f"left-{ctx.attempt}"))
    return Attempt(attempt=ctx.attempt)


@stage(id="hold", retry=QUICK_RETRY)
def plain_hold(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    talk(ctx, "before")
    mark(ctx.input.file(f"entered-{ctx.attempt}"))
    if ctx.attempt == 1:
        wait_here_for(ctx.input.file("open"))
    talk(ctx, "after")
    mark(ctx.input.file(f"left-{ctx.attempt}"))
    return Attempt(attempt=ctx.attempt)


@stage(id="hold", retry=QUICK_RETRY)
def chatty_hold(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    """Always has something to say that the store doesn't have yet."""
    talk(ctx, "before")
    mark(ctx.input.file(f"entered-{ctx.attempt}"))
    while ctx.attempt == 1 and not ctx.input.file("open").exists():
        talk(ctx, "still here")
        threading.Event().wait(LOOK_SECONDS)
    for _ in range(100 if ctx.attempt == 1 else 0):
        talk(ctx, "never again")
        threading.Event().wait(LOOK_SECONDS)
    mark(ctx.input.file(f"left-{ctx.attempt}"))
    return Attempt(attempt=ctx.attempt)


@stage(id="hold", retry=QUICK_RETRY)
async def loop_hold(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    """Async by name only: nothing else runs on the loop until it is let go."""
    talk(ctx, "before")
    mark(ctx.input.file(f"entered-{ctx.attempt}"))
    wait_here_for(ctx.input.file("open"))
    return Attempt(attempt=ctx.attempt)


_handed_over: dict[str, asyncio.Event] = {}


def _baton(run_id: str) -> asyncio.Event:
    return _handed_over.setdefault(run_id, asyncio.Event())


@stage(id="leader")
async def leader(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    """Its last act makes `follower` block the loop a few turns later, before anybody can write its outcome."""
    mark(ctx.input.file(f"leader-{ctx.attempt}"))
    await appeared(ctx.input.file("open"))
    _baton(ctx.run_id).set()
    return Attempt(attempt=ctx.attempt)


@stage(id="follower")
async def follower(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    mark(ctx.input.file(f"entered-{ctx.attempt}"))
    await _baton(ctx.run_id).wait()
    for _ in range(int(ctx.input.tag)):
        await asyncio.sleep(0)
    mark(ctx.input.file("blocking"))
    wait_here_for(ctx.input.file("release"))
    return Attempt(attempt=ctx.attempt)


@stage(id="after")
async def after(ctx: StageContext[Attempt, NoConfig]) -> Attempt:
    return ctx.input


@stage(id="endless", retry=QUICK_RETRY)
def endless(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    mark(ctx.input.file(f"entered-{ctx.attempt}"))
    if ctx.attempt == 1:
        threading.Event().wait()
    return Attempt(attempt=ctx.attempt)


@stage(id="exits", retry=RetryPolicy(max_attempts=1))
def exits(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    raise SystemExit(3)


@stage(id="watchful")
def watchful(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    """Looks at `ctx.cancelled`, and says when it saw it."""
    mark(ctx.input.file("entered-1"))
    while not ctx.cancelled:
        threading.Event().wait(LOOK_SECONDS)
    mark(ctx.input.file("noticed"), str(time.time()))
    return Attempt(attempt=ctx.attempt)


@stage(id="interrupted")
async def interrupted(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    """Says when its task was cancelled."""
    mark(ctx.input.file("entered-1"))
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        assert ctx.cancelled
        mark(ctx.input.file("noticed"), str(time.time()))
        raise
    return Attempt(attempt=ctx.attempt)


@stage(id="quick")
async def quick(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    return Attempt(attempt=ctx.attempt)


ROUNDS = 9


def _words(ctx: StageContext[Folder, NoConfig], turn: int) -> None:
    ctx.log("INFO", f"word {turn}", at=time.time())


def _steps(ctx: StageContext[Folder, NoConfig], turn: int) -> None:
    ctx.progress((turn + 1) / ROUNDS, f"step {turn} {time.time()}")


@stage(id="talk")
async def async_talk(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    """Says something, waits until the test heard it, and so on."""
    for turn in range(ROUNDS):
        (_steps if ctx.input.tag == "progress" else _words)(ctx, turn)
        await appeared(ctx.input.file(f"heard-{turn}"))
    return Attempt(attempt=ctx.attempt)


@stage(id="talk")
def plain_talk(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    for turn in range(ROUNDS):
        (_steps if ctx.input.tag == "progress" else _words)(ctx, turn)
        wait_here_for(ctx.input.file(f"heard-{turn}"))
    return Attempt(attempt=ctx.attempt)


@stage(id="talk")
async def loop_talk(ctx: StageContext[Folder, NoConfig]) -> Attempt:
    """Never lets go of the loop meanwhile."""
    for turn in range(ROUNDS):
        (_steps if ctx.input.tag == "progress" else _words)(ctx, turn)
        wait_here_for(ctx.input.file(f"heard-{turn}"))
    return Attempt(attempt=ctx.attempt)


def _built(name: str, *stages: object) -> Workflow:
    builder = WorkflowBuilder(name, name, input=Folder)
    for one in stages:
        builder = builder.pipe(one)
    return builder.build()


WORKFLOWS = [
    _built("gated", hold, after),
    _built("gated-deaf", deaf_hold, after),
    _built("gated-plain", plain_hold, after),
    _built("gated-chatty", chatty_hold, after),
    _built("gated-loop", loop_hold, after),
    WorkflowBuilder("relay", "Relay", input=Folder).parallel([leader, follower]).build(),
    _built("endless", endless),
    _built("exits", exits),
    _built("watchful", watchful),
    _built("interrupted", interrupted),
    _built("quick", quick),
    _built("talk-async", async_talk),
    _built("talk-plain", plain_talk),
    _built("talk-loop", loop_talk),
]
