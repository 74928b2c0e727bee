"""Takes the pictures of this folder: the real console, its worker beside it, on a scratch database of sample runs.

`python docs/screens/capture.py [--theme NAME] [--to FOLDER]`. What is seen happened a moment ago; only the name of the
machine is painted over.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from drawing import drawn
from textual.pilot import Pilot

from engine.inspector import Overview, PageRequest, RunFilter
from wfconsole.demo import Demo, execute, fill, prepare
from wfconsole.gateway import Gateway
from wfconsole.settings import Settings
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.feed import Link

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LARGE, SMALL = (120, 36), (80, 24)
WATCHABLE_MS = 4_000
PATIENCE_S = 60.0
QUIET_S = 0.6
"""What a dialog and the answers to a first question take at most."""


class Camera:
    """Goes from place to place in one console. Every picture begins at the runs."""

    def __init__(self, app: WorkflowConsole, pilot: Pilot[None], to: Path) -> None:
        self.app, self._pilot, self._to = app, pilot, to

    async def until(self, condition: Callable[[Overview], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.app.overview is None or not condition(self.app.overview):
                await self._pilot.pause(0.1)

    async def take(self, name: str, *keys: str, run: str = "", tab: str = "graph", small: bool = False) -> None:
        """Open the run, press the keys, and draw what is there then; a text of many letters is typed."""
        await self._home()
        if run:
            self.app.open_run(run, tab=tab)
            await self._quiet()
        for key in keys:
            await self._pilot.press(*(key.removeprefix("'") if key.startswith("'") else [key]))
            await self._quiet()
        await self._draw(name)
        if small:
            await self._pilot.resize_terminal(*SMALL)
            await self._quiet()
            await self._draw(f"{name}-80x24")
            await self._pilot.resize_terminal(*LARGE)

    async def _home(self) -> None:
        while len(self.app.screen_stack) > 1:
            self.app.pop_screen()
            await self._pilot.pause()
        await self.app.switch_mode("runs")
        self.app.enter_line("view all")
        await self._pilot.press("escape", "g")
        await self._quiet()

    async def _quiet(self) -> None:
        await self._pilot.pause(QUIET_S)
        await self.until(lambda _: self.app.feed.asking_since is None and "Asking" not in self._text)
        await self._pilot.pause()

    @property
    def _text(self) -> str:
        return "".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def _draw(self, name: str) -> None:
        machine = socket.gethostname()
        other = "host-of-the-demo".ljust(len(machine), "-")[: len(machine)]
        picture = re.sub(rf"\b{re.escape(machine)}\b", other, drawn(self.app))
        (self._to / f"{name}.svg").write_text(picture, encoding="utf-8")


async def newest(demo: Demo, criteria: RunFilter) -> str:
    """The id of the newest run of that kind."""
    async with Gateway(demo.settings) as gateway:
        page = await gateway.inspector.runs(criteria, PageRequest(limit=50))
    return page.items[0].id


async def side_by_side(demo: Demo) -> str:
    """The id of a run in which several stages execute, once there is one."""
    async with Gateway(demo.settings) as gateway, asyncio.timeout(PATIENCE_S):
        while True:
            page = await gateway.inspector.runs(of("document-processor", "RUNNING"), PageRequest(limit=50))
            for run in page.items:
                if len(run.current_stages) > 2:
                    return run.id
            await gateway.changed(0.5)


async def visit(camera: Camera, demo: Demo) -> None:
    """All pictures."""
    await camera.until(lambda seen: seen.counts["RUNNING"] - seen.waiting >= 6)
    await camera.take("runs", *"jjjjjj", small=True)
    await camera.take("run-graph", run=await side_by_side(demo), small=True)
    await camera.take("workers", "5")
    retried, done = await newest(demo, of("flaky-import")), await newest(demo, of("document-processor"))
    await camera.take("run-timeline", run=retried, tab="timeline")
    await camera.take("run-logs", run=done, tab="logs")
    await camera.take("run-data", run=done, tab="data")
    await camera.take("run-ai", run=await newest(demo, of("ticket-triage")), tab="ai")
    await camera.take("run-events", *"[[[[[[", run=retried, tab="events")
    await camera.take("logs", "2")
    await camera.take("costs", "3", "v", small=True)
    await camera.take("dead-letters", "4", "enter", "j", small=True)
    await camera.take("workflows", "6", "j", "j")
    await camera.take("causes", "colon", "'view causes", "enter")
    await camera.take("rerun", "R", "down", "down", run=done)
    await camera.take("bulk", "colon", "'filter status:failed", "enter", "*", "F")
    await camera.take("command", "colon", "'retry --filter status:failed", "enter")
    await camera.take("help", "?")


def of(workflow: str, status: str = "COMPLETED") -> RunFilter:
    return RunFilter(workflow_id=(workflow,), status=(status,))


async def main(theme: str, to: Path) -> None:
    demo = prepare(Settings(tz="utc", theme=theme, actor="operator"), ROOT)
    try:
        await execute(demo)
        await fill(demo, delay_ms=WATCHABLE_MS)
        app = WorkflowConsole(demo.settings)
        async with app.run_test(size=LARGE) as pilot:
            camera = Camera(app, pilot, to)
            await camera.until(lambda _: app.feed.pulse.link is Link.LIVE)
            await visit(camera, demo)
    finally:
        shutil.rmtree(demo.folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--theme", default="dark")
    parser.add_argument("--to", type=Path, default=HERE)
    given = parser.parse_args()
    asyncio.run(main(given.theme, given.to))
