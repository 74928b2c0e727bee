"""Place 4, DLQ: events no sink would take, by cause; replayed or discarded one, marked, a group or all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.worker import Worker

from engine.errors import EngineError
from engine.inspector import DeadLetterGroup, EventView, PageRequest
from wfconsole import letters
from wfconsole.actions import DISCARD, EVENT_OPERATIONS, REPLAY, Action, cli
from wfconsole.bulk import Item, Report
from wfconsole.formatting import TimeMode, count
from wfconsole.tui.layout.letter_rows import COLUMNS, key_of, letter_parts, rows_of
from wfconsole.tui.screens.letters_dialog import Chosen, LetterReading, LettersDialog
from wfconsole.tui.screens.live import LiveScreen, bindings_of
from wfconsole.tui.teaching import among_letters
from wfconsole.tui.widgets.line import Line, Part, line_of
from wfconsole.tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

EMPTY = "Events no sink would take. Failed runs are in 1 (v)."
OPEN_BELOW = 20
"""So few letters are shown at once, without opening their groups."""
SHOWN = 200
"""Letters read of an open group."""
FOLLOW = timedelta(seconds=20)
CANARY = timedelta(seconds=60)
TWIN_IDS = 20


class DeadLettersScreen(LiveScreen):
    """Groups by cause and sink; enter opens a group, then a letter."""

    PLACE = "dlq"
    TITLE_TEXT = "dead letters"
    BINDINGS = [*bindings_of("dlq"), ("l,right", "unfold(True)"), ("h,left", "unfold(False)")]  # noqa: RUF012
    AUTO_FOCUS = "#dead-letters"

    class Snapshot(Message):
        """The groups, the letters of the open ones, and whether anybody delivers."""

        def __init__(
            self, groups: Sequence[DeadLetterGroup], shown: Mapping[str, Sequence[EventView]], live: bool
        ) -> None:
            super().__init__()
            self.groups, self.shown, self.live = groups, shown, live

    def __init__(self) -> None:
        super().__init__()
        self._unfolded: set[str] = set()
        self._folded: set[str] = set()
        self._painted = self.Snapshot((), {}, live=True)
        self._bulk: Worker[None] | None = None

    def body(self) -> ComposeResult:
        yield Line(id="note")
        yield LineTable(
            COLUMNS, id="dead-letters", ascii_only=self.console.settings.ascii, empty="Asking the database …"
        )

    # -- asking ----------------------------------------------------------------------------------

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        groups = await gateway.inspector.dead_letter_groups()
        few = sum(group.events for group in groups) <= OPEN_BELOW
        shown: dict[str, Sequence[EventView]] = {}
        for group in groups:
            key = key_of(group)
            if key in self._unfolded or (few and key not in self._folded):
                shown[key] = await self._letters_of(gateway, group)
        return self.Snapshot(groups, shown, await letters.flusher_alive(gateway))

    async def _letters_of(self, gateway: Gateway, group: DeadLetterGroup) -> Sequence[EventView]:
        page = PageRequest(limit=SHOWN, sort="-dead_at")
        found = await gateway.inspector.dead_letters(page=page, fingerprint=group.fingerprint, sink=group.sink)
        return [event for event in found.items if (event.fingerprint, event.sink) == (group.fingerprint, group.sink)]

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self._painted = message
        table = self.query_one(LineTable)
        table.empty_text, first = EMPTY, not table.rows
        self.tick()
        if first and len(table.rows) > 1 and self._letter(table.rows[1].key) is not None:
            # Where the letters are shown at once, the keys begin with one of them, not with all.
            table.move_cursor(1)
        self._say()
        self.refresh_frame()

    def tick(self) -> None:
        shown, console = self._painted, self.console
        rows = rows_of(
            shown.groups, shown.shown, console.now(), console.zone, console.time_mode, ascii_only=console.settings.ascii
        )
        self.query_one(LineTable).tell(rows)

    def show_times(self, mode: TimeMode) -> None:
        self.tick()

    def _say(self) -> None:
        total, table = sum(group.events for group in self._painted.groups), self.query_one(LineTable)
        parts: list[Part | str] = [(" Dead letters", "bold")]
        if total:
            causes = len(self._painted.groups)
            parts.append((f"  {count(total)} with {causes} cause{'s' if causes > 1 else ''}", "$quiet"))
        if table.marks:
            parts.append((f"   {len(table.marks)} {'*' if self.console.settings.ascii else '◆'}", "$mark"))
        if total and not self._painted.live:
            parts.append(("   no live worker delivers: a replay would wait", "$status-retrying"))
        if progress := self.console.letters_under_way:
            parts.append((f"   {progress} (escape stops it)", "$status-running"))
        elif self.console.settings.demo and (hint := among_letters(total)):
            parts.append((f"   {hint}", "$status-retrying"))
        self.query_one("#note", Line).show(line_of(*parts))

    # -- moving ----------------------------------------------------------------------------------

    @property
    def _cursor(self) -> str | None:
        return self.query_one(LineTable).cursor_key

    def _group(self, key: str | None) -> DeadLetterGroup | None:
        return next((group for group in self._painted.groups if key_of(group) == key), None)

    def _letter(self, key: str | None) -> EventView | None:
        return next((event for shown in self._painted.shown.values() for event in shown if event.id == key), None)

    def action_unfold(self, unfold: bool) -> None:
        """Open or close the group of the cursor line."""
        key = self._cursor
        if self._group(key) is None:
            letter = self._letter(key)
            key = next((one for one, shown in self._painted.shown.items() if letter in shown), None)
            if key is None or unfold:
                return
            self.query_one(LineTable).go_to(key)
        assert key is not None
        (self._unfolded if unfold else self._folded).add(key)
        (self._folded if unfold else self._unfolded).discard(key)
        self.console.feed.poke()

    @on(LineTable.Opened)
    def _enter(self, event: LineTable.Opened) -> None:
        event.stop()
        letter = self._letter(self._cursor)
        if letter is not None:
            content = line_of(*letter_parts(letter, self.console.zone))
            self.app.push_screen(LetterReading(f"{letter.type}  (enter opens its run)", content, letter.run_id))
        elif self._group(self._cursor) is not None:
            self.action_unfold(self._cursor not in self._painted.shown)

    @on(LineTable.CursorMoved)
    def _moved(self, event: LineTable.CursorMoved) -> None:
        event.stop()
        self.refresh_frame()

    def action_list_mark(self) -> None:
        self.query_one(LineTable).toggle_mark()
        self._say()

    def action_list_mark_all(self) -> None:
        self.query_one(LineTable).marks = frozenset(key_of(group) for group in self._painted.groups)
        self._say()

    def step_back(self) -> bool:
        table = self.query_one(LineTable)
        if self._bulk is not None and self._bulk.is_running:
            self._bulk.cancel()
        elif table.marks:
            table.marks = frozenset()
            self._say()
        else:
            return False
        return True

    def copied(self) -> str:
        return self._cursor or "" if self._letter(self._cursor) is not None else ""

    # -- acting ----------------------------------------------------------------------------------

    def why_not(self, action: Action) -> str | None:
        if action in EVENT_OPERATIONS:
            if not self._painted.groups:
                return "there is no dead letter here"
            if self._bulk is not None and self._bulk.is_running:
                return "one is under way (escape stops it)"
        return super().why_not(action)

    def action_dlq_replay(self) -> None:
        if self.allowed(REPLAY):
            self.run_worker(self._ask(discard=False), group="details", exclusive=True)

    def action_dlq_discard(self) -> None:
        if self.allowed(DISCARD):
            self.run_worker(self._ask(discard=True), group="details", exclusive=True)

    async def _ask(self, *, discard: bool) -> None:
        """Freeze the set meant, marked or under the cursor, and ask about exactly that."""
        keys = self.query_one(LineTable).marks or frozenset(filter(None, [self._cursor]))
        try:
            gateway = self.console.source()
            events = await self._frozen(gateway, keys)
            live = await letters.flusher_alive(gateway)
        except EngineError as error:
            self.console.tell(str(error), severity="error")
            return
        if not events:
            self.console.tell("there is no dead letter here any more", severity="warning")
            return

        def answered(chosen: Chosen | None) -> None:
            if chosen is not None:
                self._bulk = self.run_worker(self._carry_out(chosen, keys, discard=discard), group="bulk")

        self.app.push_screen(LettersDialog(events, discard=discard, live=live), answered)

    async def _frozen(self, gateway: Gateway, keys: frozenset[str]) -> list[EventView]:
        found: dict[str, EventView] = {}
        for key in keys:
            letter, group = self._letter(key), self._group(key)
            if letter is not None:
                found[letter.id] = letter
            elif group is not None:
                for event in await letters.every(gateway, fingerprint=group.fingerprint, sink=group.sink):
                    if (event.fingerprint, event.sink) == (group.fingerprint, group.sink):
                        found[event.id] = event
        return letters.in_order(list(found.values()))

    async def _carry_out(self, chosen: Chosen, keys: frozenset[str], *, discard: bool) -> None:
        ids = [event.id for event in chosen.events]
        done: list[Item] = []

        def on_item(item: Item, total: int) -> None:
            done.append(item)
            self._tell_progress(f"replaying {len(done)} of {total}")

        self._tell_progress(f"{'discarding' if discard else 'replaying'} {len(ids)}")

        try:
            gateway = self.console.source()
            if discard:
                report = await letters.discard(gateway, chosen.bulk, ids, chosen.reason)
            else:
                live = await letters.flusher_alive(gateway)
                patience = (CANARY if chosen.pace.canary else FOLLOW) if live else timedelta(0)
                report = await letters.replay(
                    gateway, chosen.bulk, ids, chosen.pace, patience=patience, on_item=on_item
                )
        except EngineError as error:
            self.console.tell(f"stopped after {len(done)} of {len(ids)}: {error}", severity="error")
        except asyncio.CancelledError:
            self.console.tell(f"stopped after {len(done)} of {len(ids)}", severity="warning")
            raise
        else:
            self._tell_report(report, self._twin(chosen, keys, discard=discard), discard=discard)
        finally:
            self._tell_progress("")
            self.console.feed.poke()

    def _tell_progress(self, text: str) -> None:
        self.console.letters_under_way = text
        if self.alive:
            self._say()

    def _tell_report(self, report: Report, twin: str, *, discard: bool) -> None:
        fates = [item.reason or "" for item in report.items]
        words = (
            [(f"{report.done} discarded", report.done)]
            if discard
            else [
                (f"{fates.count(letters.DELIVERED)} {letters.DELIVERED}", fates.count(letters.DELIVERED)),
                (f"{report.failed} {letters.DEAD_AGAIN}", report.failed),
                (f"{fates.count(letters.PENDING)} {letters.PENDING}", fates.count(letters.PENDING)),
            ]
        )
        words.append((f"{report.skipped} skipped: {_reason_of_skips(report)}", report.skipped))
        self.console.tell_done(", ".join(text for text, number in words if number) or "nothing to do", twin)

    def _twin(self, chosen: Chosen, keys: frozenset[str], *, discard: bool) -> str:
        groups = [group for key in keys if (group := self._group(key)) is not None]
        words = ["dlq", "discard" if discard else "replay"]
        if len(groups) == 1 == len(keys) and groups[0].fingerprint is not None and not discard:
            words += ["--cause", groups[0].fingerprint]
            words += ["--sink", groups[0].sink] if groups[0].sink is not None else []
        elif len(chosen.events) <= TWIN_IDS:
            words += [event.id for event in chosen.events]
        else:
            words.append("-")
        words += ["--reason", chosen.reason] if discard else []
        return cli(*words, *chosen.pace_words, "--yes")


def _reason_of_skips(report: Report) -> str:
    return next((item.reason or "" for item in report.items if item.result == "skipped"), "")
