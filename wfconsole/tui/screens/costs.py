"""Place 3, Costs: what was spent on what, down to the calls, and why it is more than before."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from engine.errors import EngineError
from wfconsole.actions import DIFF, EXPORT
from wfconsole.filtering import FilterError, parse_filter
from wfconsole.tui.cost_sheet import CostQuestion, CostReader, CostSheet
from wfconsole.tui.exporting import write_new
from wfconsole.tui.layout import cost_lines
from wfconsole.tui.layout.cells import Part
from wfconsole.tui.layout.table_columns import Row
from wfconsole.tui.screens.live import LiveScreen, bindings_of
from wfconsole.tui.screens.reading import Reading
from wfconsole.tui.widgets.filter_bar import FilterBar
from wfconsole.tui.widgets.line import Line, line_of
from wfconsole.tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from engine.inspector import RunFilter
    from wfconsole.gateway import Gateway

REST = 2.0
"""Seconds between two readings of the same question: sums over many calls are not free."""
EMPTY = "No AI calls in this time.  Stages call models through ctx.ai; widen the time: / since:90d"


class CostsScreen(LiveScreen):
    """Enter goes down a level, escape up; d compares; v turns the view; / takes the filter grammar."""

    PLACE = "costs"
    TITLE_TEXT = "Costs"
    BINDINGS = bindings_of("costs")
    AUTO_FOCUS = "#costs"

    class Snapshot(Message):
        """The sheet of the question then asked."""

        def __init__(self, sheet: CostSheet) -> None:
            super().__init__()
            self.sheet = sheet

    def __init__(self) -> None:
        super().__init__()
        self._question = CostQuestion()
        self._sheet: CostSheet | None = None
        self._read_at = float("-inf")
        self._reader: CostReader | None = None

    def body(self) -> ComposeResult:
        yield Line(id="costs-path")
        yield Line(id="costs-month")
        yield Line(id="costs-budgets")
        yield FilterBar(self._wrong_with)
        yield LineTable(
            cost_lines.columns_of("day", compare=False),
            id="costs",
            ascii_only=self.console.settings.ascii,
            empty="Asking the database …",
        )
        yield Line(id="costs-split")

    # -- asking ----------------------------------------------------------------------------------

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        sheet, fresh = self._sheet, time.monotonic() - self._read_at < REST
        if sheet is not None and sheet.question == self._question and (fresh or not news):
            return self.Snapshot(sheet)
        if self._reader is None:
            budgets = self.console.settings.budgets
            self._reader = CostReader(self.console.zone, budgets.day, budgets.workflow)
        sheet = await self._reader.read(gateway.inspector, self._question, self.console.now())
        self._read_at = time.monotonic()
        return self.Snapshot(sheet)

    def on_resize(self) -> None:
        if self._sheet is not None:
            self.post_message(self.Snapshot(self._sheet))

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        sheet = message.sheet
        if sheet.question != self._question or not self.alive:
            return
        table, ascii_only, zone = self.query_one(LineTable), self.console.settings.ascii, self.console.zone
        before, self._sheet = self._sheet, sheet
        table.empty_text = EMPTY
        table.recolumn(cost_lines.columns_of(sheet.question.shown_level, compare=sheet.question.compare))
        rows = [Row(row.key, cost_lines.cells_of(sheet, row, ascii_only=ascii_only)) for row in sheet.rows]
        now = self.console.now()
        table.tell(rows + [cost_lines.call_row(call, zone, ascii_only=ascii_only) for call in sheet.calls])
        if before is not None and len(before.question.path) > len(sheet.question.path):
            table.go_to(before.question.path[len(sheet.question.path)][1])
        self._show("#costs-path", cost_lines.path_line(sheet, zone, ascii_only=ascii_only))
        cells = 30 if self.size.width >= 100 else 10
        month = cost_lines.month_line(sheet, now, zone, cells=cells, ascii_only=ascii_only)
        self._show("#costs-month", month)
        self._show("#costs-budgets", cost_lines.budget_line(sheet.budgets, ascii_only=ascii_only))
        self._show("#costs-split", cost_lines.split_line(sheet))
        self.refresh_frame()

    def _show(self, line: str, parts: list[Part | str]) -> None:
        shown = self.query_one(line, Line)
        shown.display = bool(parts)
        shown.show(line_of(*parts))

    def on_mount(self) -> None:
        for line in ("#costs-budgets", "#costs-split"):
            self.query_one(line, Line).display = False

    def _put(self, question: CostQuestion) -> None:
        self._question = question
        self.console.feed.poke()

    # -- keys ------------------------------------------------------------------------------------

    @on(LineTable.Opened)
    def _down(self, event: LineTable.Opened) -> None:
        event.stop()
        key = event.table.cursor_key
        deeper = self._question.below(key) if key is not None else None
        if deeper is not None:
            self._put(deeper)
        elif key is not None:
            self.run_worker(self._read_call(key), group="details", exclusive=True)

    async def _read_call(self, call_id: str) -> None:
        try:
            call = await self.console.source().inspector.ai_call(call_id)
        except EngineError as error:
            self.console.tell(str(error), severity="error")
        else:
            content = line_of(*cost_lines.call_parts(call, self.console.zone))
            self.app.push_screen(Reading(f"Call of {call.model}", content))

    @on(LineTable.CursorMoved)
    def _moved(self, event: LineTable.CursorMoved) -> None:
        event.stop()

    def action_list_views(self) -> None:
        self._put(self._question.turned())

    def action_go_diff(self) -> None:
        if self.allowed(DIFF):
            today = self.console.now().astimezone(self.console.zone).date().isoformat()
            self._put(self._question.compared(self.query_one(LineTable).cursor_key, today))

    def action_list_filter(self) -> None:
        self.query_one(FilterBar).edit()

    def action_go_export(self) -> None:
        if self._sheet is None or not self.allowed(EXPORT):
            return
        try:
            path = write_new(Path.cwd(), f"costs-by-{self._question.shown_level}", ".csv", _csv(self._sheet))
        except OSError as error:
            self.console.tell(f"can't export: {error}", severity="error")
        else:
            self.console.tell(f"written to {path}")

    def step_back(self) -> bool:
        above = self._question.above()
        if above is not None:
            self._put(above)
        elif self._question.compare:
            self._put(replace(self._question, compare=False))
        elif self.query_one(FilterBar).text:
            self._use("")
        else:
            return False
        return True

    def copied(self) -> str:
        return self.query_one(LineTable).cursor_key or ""

    # -- the filter ------------------------------------------------------------------------------

    def _parsed(self, text: str) -> RunFilter:
        return parse_filter(text, now=self.console.now(), tz=self.console.zone)

    def _wrong_with(self, text: str) -> str | None:
        try:
            self._parsed(text)
        except FilterError as error:
            return str(error)
        return None

    def _use(self, text: str) -> None:
        self.query_one(FilterBar).show(text)
        found = self._parsed(text)
        self._put(
            CostQuestion(
                level=self._question.level if not self._question.path else self._question.path[0][0],
                since=found.since,
                until=found.until,
                filter=found.model_copy(update={"since": None, "until": None}),
                compare=self._question.compare,
            )
        )

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        event.stop()
        self.query_one(LineTable).focus()
        self._use(event.text)


def _csv(sheet: CostSheet) -> str:
    """The rows as they are asked for; money exact, unknown prices counted beside it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        (sheet.question.shown_level, "calls", "runs", "failed", "tokens", "cost", "wasted", "unpriced", "before")
    )
    for call in sheet.calls:
        tokens = call.input_tokens + call.output_tokens
        cost = "" if call.cost is None else str(call.cost)
        writer.writerow((call.id, 1, 1, int(call.error is not None), tokens, cost, "", int(call.cost is None), ""))
    for row in sheet.rows:
        one = row.sum
        before = "" if row.before is None else str(row.before.cost)
        counts = (one.calls, one.runs, one.failed, one.tokens)
        # A cell that begins like a formula would be one to a spreadsheet.
        key = f"'{row.key}" if row.key[:1] in "=+-@\t\r" and row.key != "-" else row.key
        writer.writerow((key, *counts, str(one.cost), str(one.wasted), one.unpriced, before))
    return out.getvalue()
