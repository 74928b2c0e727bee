"""The demonstration: a scratch database in which sample runs on real documents really execute."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.commands import CreateRun
from engine.errors import EngineError
from engine.inspector.views import Overview
from engine.model.criteria import PageRequest, RunFilter
from engine.model.ids import new_token
from engine.model.status import TERMINAL_RUN
from wfconsole.gateway import Gateway
from wfconsole.settings import Settings

_MOST_DOCUMENTS = 12
_SIZES = range(200, 512 * 1024)
_PATTERNS = ("*.md", "docs/*.md", "*.txt", "*.py")
_TRICKLE_S = 12.0
_TRICKLED = 30
"""With the pause above: six minutes of new runs, then the demonstration comes to rest."""
_EXECUTE_S = 90.0
_DEAD_LETTER_S = 15.0
_DEMO_PRICES = {"model": "offline/demo"}
"""Nobody is billed, but there is money to show."""
_TICKETS = (
    ("Lamp arrived broken", "The lamp arrived broken and the switch is a defect. I am angry: this is terrible."),
    ("Charged twice", "My billing statement shows the order twice. Please correct the billing."),
    ("Where is my parcel?", "The delivery was promised for Monday. The delivery is late and nobody answers."),
    ("A question about care", "I love the lamp. One question: how do I clean it? A question of minutes, I hope."),
)
_REVIEWS = (
    "Great lamp, easy to mount. I love it.",
    "Broken after a week. Terrible.",
    "It is a lamp. It lights the room.",
    "Fast delivery and helpful people.",
    "The switch is awful and the light is poor.",
)

OnProgress = Callable[[int, int], None]
"""Called with how many runs have ended, and of how many."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A prepared demonstration: where it lives, its settings and its documents."""

    folder: Path
    settings: Settings
    documents: tuple[Path, ...]

    @property
    def inbox(self) -> Path:
        """Where the sample notifier delivers to. Missing at first, so that there are dead letters."""
        return self.folder / "inbox"

    def farewell(self) -> str:
        """Where the scratch database is and how to open it again."""
        url = self.settings.db
        return f"the demo's database stays at {url}\nopen it again: wfconsole --db {url}"


def prepare(settings: Settings, source: Path) -> Demo:
    """Make the scratch folder, private to the user, and copy documents of `source` (else our own) into it."""
    folder = Path(tempfile.mkdtemp(prefix="wfconsole-demo-"))
    scratch = settings.model_copy(
        update={
            "db": f"sqlite:///{folder / 'demo.db'}",
            "workflows": ("sample_workflows",),
            "demo": True,
            "read_only": False,
            "profile": None,
        }
    )
    documents = folder / "documents"
    documents.mkdir()
    demo = Demo(folder, scratch, tuple(_copied(source, documents)))
    # The worker that delivers may be this process or a child of it: both read the environment.
    os.environ["WFCONSOLE_SAMPLE_INBOX"] = str(demo.inbox)
    return demo


def first_runs(demo: Demo, *, delay_ms: int) -> list[CreateRun]:
    """What the demonstration begins with: something of everything, failures included."""
    paced = {"delay_ms": delay_ms}
    imports: list[tuple[str, dict[str, Any], int]] = [
        ("stock-north.csv", {"fail_times": 3}, delay_ms // 4),
        # It fails at once, so that whoever has just come sees a failure, and soon its dead letter.
        ("stock-south.csv", {"bad_rows": 3}, 0),
        ("stock-west.csv", {"fail_times": 1}, delay_ms // 4),
    ]
    runs = [
        _create(
            "flaky-import",
            {"source": source, "rows": 120},
            {"fetch-rows": {"delay_ms": fetch_ms}, "validate-rows": ask, "load-rows": paced},
            priority=8,
        )
        for source, ask, fetch_ms in imports
    ]
    digest = {"seconds_to_ready": max(delay_ms / 100, 0.5), "poll_seconds": max(delay_ms / 1000, 0.2)}
    runs.append(
        _create(
            "batch-digest",
            {"path": str(demo.folder / "documents"), "pattern": "*", "limit": _MOST_DOCUMENTS},
            {"digest": digest},
            priority=8,
        )
    )
    runs.append(_create("bulk-classify", {"texts": list(_REVIEWS)}, {"classify": _DEMO_PRICES}, priority=8))
    runs += [_ticket_run(at, delay_ms) for at in range(len(_TICKETS))]
    return runs + [_document_run(path, delay_ms + 400 * (at % 4)) for at, path in enumerate(demo.documents)]


async def fill(demo: Demo, *, delay_ms: int) -> list[str]:
    """Create the first runs; their ids."""
    async with Gateway(demo.settings) as gateway:
        return [(await gateway.send(command)).run_id for command in first_runs(demo, delay_ms=delay_ms)]


async def execute(demo: Demo, on_progress: OnProgress = lambda done, of: None) -> Overview:
    """Create the first runs and execute them here, quickly; the overview afterwards. Bounded in time."""
    async with Gateway(demo.settings) as gateway:
        run_ids = [(await gateway.send(command)).run_id for command in first_runs(demo, delay_ms=20)]
        async with gateway.engine.worker(concurrency=8, drain_timeout=timedelta(seconds=5)):
            await _until_ended(gateway, run_ids, on_progress)
            await _until_dead_letter(gateway)
        return await gateway.inspector.overview()


class Trickle:
    """New runs beside the interactive console, which has the main thread: `with Trickle(demo): …`."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="demo-trickle", daemon=True)

    def __enter__(self) -> Trickle:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=1.0)

    def _serve(self) -> None:
        # A trickle that can't go on is no reason to spoil the screen: that shows its own connection.
        with contextlib.suppress(EngineError):
            asyncio.run(self._trickle())

    async def _trickle(self) -> None:
        async with Gateway(self._demo.settings) as gateway:
            for number in range(_TRICKLED):
                if await asyncio.to_thread(self._over.wait, _TRICKLE_S):
                    return
                if not self._demo.inbox.exists() and (await gateway.inspector.overview()).dead_letters:
                    # From now on events arrive, and a dead letter that is replayed does too.
                    self._demo.inbox.mkdir()
                await gateway.send(_next_run(self._demo, number))


def _next_run(demo: Demo, number: int) -> CreateRun:
    if number % 5 == 4 or not demo.documents:
        source = f"stock-{number}.csv"
        return _create("flaky-import", {"source": source, "rows": 200}, {"load-rows": {"delay_ms": 6_000}}, priority=5)
    if number % 5 == 2:
        return _ticket_run(number, 3_000)
    return _document_run(demo.documents[number % len(demo.documents)], 3_000)


def _document_run(path: Path, delay_ms: int) -> CreateRun:
    stages = ("extract-text", "keywords", "summary", "readability", "report")
    # Different paces, so that the stages side by side don't end together.
    config: dict[str, dict[str, Any]] = {
        stage: {"delay_ms": delay_ms * (at + 2) // 4} for at, stage in enumerate(stages)
    }
    config["summary"].update(_DEMO_PRICES)
    return _create("document-processor", {"url": str(path)}, config, priority=5)


def _ticket_run(number: int, delay_ms: int) -> CreateRun:
    subject, body = _TICKETS[number % len(_TICKETS)]
    config = {stage: {**_DEMO_PRICES, "delay_ms": delay_ms // 2} for stage in ("classify", "mood", "draft")}
    return _create("ticket-triage", {"subject": subject, "body": body}, config, priority=6)


def _create(workflow_id: str, given: dict[str, Any], config: dict[str, dict[str, Any]], *, priority: int) -> CreateRun:
    return CreateRun(
        idempotency_key=f"demo-{new_token()}",
        workflow_id=workflow_id,
        input=given,
        config=config,
        priority=priority,
    )


async def _until_ended(gateway: Gateway, run_ids: Sequence[str], on_progress: OnProgress) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _EXECUTE_S
    waiting = RunFilter(ids=tuple(run_ids))
    while loop.time() < deadline:
        page = await gateway.inspector.runs(waiting, PageRequest(limit=len(run_ids)))
        ended = sum(run.status in TERMINAL_RUN for run in page.items)
        on_progress(ended, len(run_ids))
        if ended == len(run_ids):
            return
        await gateway.changed(0.5)


async def _until_dead_letter(gateway: Gateway) -> None:
    """The notifier's inbox is missing: its events end as dead letters after their few deliveries."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DEAD_LETTER_S
    while loop.time() < deadline and not (await gateway.inspector.overview()).dead_letters:
        await gateway.changed(0.5)


def _copied(source: Path, target: Path) -> Iterator[Path]:
    found = _documents_of(source)
    for path in found:
        name = path.name if path.parent == source else f"{path.parent.name}-{path.name}"
        yield Path(shutil.copyfile(path, target / name))
    if not found:
        yield from _own_documents(target)


def _documents_of(source: Path) -> list[Path]:
    found: list[Path] = []
    for pattern in _PATTERNS:
        with contextlib.suppress(OSError):
            found += [path for path in sorted(source.glob(pattern)) if _fits(path)]
    return found[:_MOST_DOCUMENTS]


def _fits(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size in _SIZES and os.access(path, os.R_OK)
    except OSError:
        return False


def _own_documents(target: Path) -> Iterator[Path]:
    """For an installed program in an empty folder: its own description and the samples' sources."""
    with contextlib.suppress(PackageNotFoundError):
        about = metadata("wfconsole")
        if "Description" in about:
            readme = target / "README.md"
            readme.write_text(about["Description"], encoding="utf-8")
            yield readme
    for path in _documents_of(Path(str(files("sample_workflows")))):
        yield Path(shutil.copyfile(path, target / path.name))
