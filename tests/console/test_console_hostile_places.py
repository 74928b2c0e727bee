"""Rule 19 for places 2 to 6: 200 hostile texts in every field, on every line; and on a real terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from console_pilot import dialog_open, opened, screen_text, until
from console_samples import NOON, dead_letter, log_line, run_id_of
from fake_gateway import FakeGateway
from fake_places import FakeCall, hold, lease, schedule, sink, unfinished
from hostile_texts import FORBIDDEN, HOSTILE, TELL, poisoned_database
from test_console_terminal import Terminal

from engine.bootstrap import upgrade_schema
from engine.inspector import QueueRow, WorkerView, WorkflowView
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.widgets.line_table import HEADER, LineTable
from wfconsole.tui.widgets.log_view import LogView


def poisoned() -> FakeGateway:
    found = FakeGateway()
    places = found.inspector
    places.letters = [
        dead_letter(at, type=text, last_error=text, sink=text, fingerprint=text, payload={text: [text]})
        for at, text in enumerate(HOSTILE)
    ]
    places.held = [
        lease(at, worker_id=text, workflow_id=text, stage_id=text, job_id=f"j{at}") for at, text in enumerate(HOSTILE)
    ]
    places.outlets = [sink(text, target=text, last_error=text, failing_since=NOON) for text in HOSTILE]
    places.versions = [
        unfinished(workflow_id=text, fingerprint=text, problems=[text], workers={text: text}) for text in HOSTILE
    ]
    places.timetable = [schedule(workflow_id=text, cron=text, zone=text, last_error=text) for text in HOSTILE]
    places.deeds = [hold(target=text, actor=text, reason=text) for text in HOSTILE]
    call = FakeCall()
    places.paid = [replace(call, workflow=text, stage=text, model=text, topic=text, prompt=text) for text in HOSTILE]
    found.log(
        *(log_line(at + 1, run_id_of(0), text, stage_id=text, fields={text: text}) for at, text in enumerate(HOSTILE))
    )
    return _with_lists(found)


def _with_lists(found: FakeGateway) -> FakeGateway:
    known_workers, known_workflows = found.inspector.workers, found.inspector.workflows

    async def workers() -> list[WorkerView]:
        (one,) = await known_workers()
        evil = [one.model_copy(update={"id": text, "host": text, "workflows": {text: text}}) for text in HOSTILE]
        return [one, *evil]

    async def queue() -> list[QueueRow]:
        return [
            QueueRow(workflow_id=text, pending=1, scheduled=0, running=0, oldest_pending_at=NOON) for text in HOSTILE
        ]

    async def workflows() -> list[WorkflowView]:
        one = (await known_workflows())[0]
        groups = [
            [stage.model_copy(update={"stage_id": TELL, "name": TELL}) for stage in group] for group in one.groups
        ]
        fields = {"paused": True, "groups": groups}
        names = ("id", "name", "description", "fingerprint")
        return [one.model_copy(update={**fields, **dict.fromkeys(names, text)}) for text in HOSTILE]

    found.inspector.workers = workers  # type: ignore[method-assign]
    found.inspector.queue = queue  # type: ignore[method-assign]
    found.inspector.workflows = workflows  # type: ignore[method-assign]
    return found


def assert_clean(app: WorkflowConsole, what: str) -> None:
    text = screen_text(app)
    found = FORBIDDEN.search(text)
    assert found is None, f"{what}: {found[0]!r} in {text[max(0, found.start() - 60) : found.end() + 20]!r}"


def assert_rows_clean(table: LineTable) -> None:
    """Every row, also those below the screen's edge, is as wide as the table and holds nothing that steers."""
    for row in table.rows:
        strip = table._paint(table._look_of(row))
        assert FORBIDDEN.search(strip.text) is None, row.key
        assert strip.cell_length == table.size.width, row.key
    assert HEADER == 1


@pytest.mark.parametrize(
    ("place", "tables"),
    [
        ("dlq", ["#dead-letters"]),
        ("workers", ["#workers", "#queue", "#sinks"]),
        ("workflows", ["#workflows"]),
        ("costs", ["#costs"]),
    ],
)
async def test_r19_every_row_of_every_table(place: str, tables: list[str]) -> None:
    async with opened(poisoned(), place=place) as (app, pilot):
        first = app.screen.query_one(tables[0], LineTable)
        await until(pilot, lambda: first.rows, "rows")
        if place == "costs":
            for _ in range(4):
                await pilot.press("v")
                await until(pilot, lambda: len(first.rows) > 30, "rows of texts")
                assert_rows_clean(first)
        for name in tables:
            table = app.screen.query_one(name, LineTable)
            await until(pilot, lambda table=table: table.rows, "rows")
            assert_rows_clean(table)
        assert_clean(app, place)


async def test_r19_every_detail_dialog_and_reading() -> None:
    async with opened(poisoned(), place="dlq") as (app, pilot):
        table = app.screen.query_one("#dead-letters", LineTable)
        await until(pilot, lambda: len(table.rows) > 30, "the causes")
        for number in range(0, 200, 17):
            table.move_cursor(0)
            key = next(row.key for at, row in enumerate(table.rows) if at == number)
            table.go_to(key)
            await pilot.press("P")
            await dialog_open(app, pilot)
            assert_clean(app, f"replay {number}")
            await pilot.press("escape", "l")
            await until(pilot, lambda: len(table.rows) > 200, "the open group")
            await pilot.press("j", "enter")
            await until(pilot, lambda: "last error" in screen_text(app), "the letter")
            assert_clean(app, f"letter {number}")
            await pilot.press("escape", "h")
            await until(pilot, lambda: len(table.rows) <= 200, "the closed group")


async def test_r19_the_facts_of_every_workflow() -> None:
    async with opened(poisoned(), place="workflows") as (app, pilot):
        table = app.screen.query_one("#workflows", LineTable)
        await until(pilot, lambda: len(table.rows) == 200, "the workflows")
        for number in range(0, 200, 9):
            table.move_cursor(number)
            await pilot.pause(0.02)
            assert_clean(app, f"workflow {number}")
        for key in ("enter", "H"):
            await pilot.press(key)
            await pilot.pause(0.05)
            assert_clean(app, key)
            await pilot.press("escape")


async def test_r19_the_log_of_all_runs() -> None:
    async with opened(poisoned(), place="logs") as (app, pilot):
        log = app.screen.query_one("#logs", LogView)
        await until(pilot, lambda: log.line_count == 200, "the lines")
        for _ in range(8):
            assert_clean(app, "log")
            await pilot.press("pageup")
            await pilot.pause()
        await pilot.press("&", *"stage:EVIL", "enter")
        await pilot.pause()
        assert_clean(app, "a filter")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('poisoned') / 'runs.db'}"
    upgrade_schema(url)
    poisoned_database(url)
    return url


def test_r19_on_a_real_terminal(database: str, tmp_path: Path) -> None:
    terminal = Terminal("--db", database, "--no-worker", "--read-only", "--place", "dlq", home=tmp_path)
    try:
        terminal.until("Dead letters")
        for key, text in (
            ("3", "Costs"),
            ("v", "by workflow"),
            ("5", "Sinks"),
            ("6", "lately"),
            ("2", "follow"),
            ("1", "filter"),
        ):
            terminal.press(key)
            terminal.until(text)
            terminal.read(0.3)
        terminal.press("q")
        terminal.ended(within=15)
        # Textual names the pointer's shape; what else rings is not ours.
        written = re.sub("\x1b]22;[a-z-]*\x07", "", terminal.written.decode("utf-8", "replace"))
    finally:
        terminal.close()
    assert TELL in written
    for sign in ("\x1b]52", "\x1bP", "\x1b_", "\x1b^", "\x1bc", "\x07", "\x00", "\x1b[5i", "\x1b#8"):
        assert sign not in written, repr(sign)
    stray = re.search(
        "[\x01-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069]", written
    )
    assert stray is None, repr(written[max(0, stray.start() - 40) : stray.end() + 20]) if stray else ""
    assert re.search(r"\x1b\[[0-9;?>]*[A-Zacf-ln-z]" + TELL, written) is None, (
        "a sequence of theirs, not a colour of ours"
    )
