"""The AI tab: every call of the run with its tokens and money, what it asked and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from engine.inspector import AICallView, CallNotFound, PageRequest, RunDetail
from wfconsole import formatting
from wfconsole.tui.files import save
from wfconsole.tui.panes.pane import RunLook, RunPane
from wfconsole.tui.widgets.call_list import CallList, call_status
from wfconsole.tui.widgets.line import Line, Part, line_of
from wfconsole.tui.widgets.line_list import LineList
from wfconsole.tui.widgets.text_pager import TextPager

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfconsole.gateway import Gateway

MOST = 2_000
"""Calls read of one run: the last ones."""
RULE = 52
"""Cells of the line over a prompt and an answer."""


class _Found(NamedTuple):
    calls: Sequence[AICallView]
    more: bool
    whole: AICallView | None


class CallsPane(RunPane):
    """`#ai-calls`, what it all comes to above, and the call under the cursor below."""

    MAIN: ClassVar[str] = "#ai-calls"

    def __init__(self, run_id: str, source: Callable[[], Gateway], *, ascii_only: bool) -> None:
        super().__init__(run_id, source, ascii_only=ascii_only)
        self._found = _Found((), False, None)
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        yield Line(id="ai-totals")
        yield CallList(id="ai-calls", ascii_only=self.ascii_only)
        with Vertical(id="ai-call"):
            yield TextPager(id="ai-call-text")

    @property
    def view(self) -> CallList:
        return self.query_one(CallList)

    @property
    def detail(self) -> TextPager:
        return self.query_one(TextPager)

    async def read(self, gateway: Gateway, news: bool) -> object:
        inspector = gateway.inspector
        if news or not self._found.calls:
            page = await inspector.ai_calls(self.run_id, brief=True, page=PageRequest(limit=MOST))
            calls, more = list(reversed(page.items)), page.next_cursor is not None
        else:
            calls, more = list(self._found.calls), self._found.more
        chosen = self.view.cursor_key or (calls[0].id if calls else None)
        try:
            whole = await inspector.ai_call(chosen) if chosen is not None else None
        except CallNotFound:
            whole = None
        return _Found(calls, more, whole)

    def take(self, found: object) -> None:
        if isinstance(found, _Found):
            self._found = found

    def paint(self, look: RunLook) -> None:
        view, found = self.view, self._found
        view.set_look(look.zone, look.mode, look.run.created_at)
        view.tell(found.calls)
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            first = next((call for call in found.calls if call.stage_id == wanted), None)
            view.cursor_key = first.id if first is not None else view.cursor_key
        totals = totals_content(look.run, found.calls, more=found.more) if found.calls else Content("")
        self.query_one("#ai-totals", Line).show(totals)
        for part in ("#ai-totals", "#ai-call"):
            self.query_one(part).display = bool(found.calls)
        if found.whole is not None and found.whole.id == view.cursor_key:
            self.detail.show(call_text(found.whole, self.ascii_only))
        elif not found.calls:
            self.detail.show("")

    @on(LineList.Moved, "#ai-calls")
    def _moved(self, event: LineList.Moved) -> None:
        """The prompt and the answer come with the next look."""
        event.stop()
        self.post_message(self.Wants())

    @on(LineList.Opened, "#ai-calls")
    def _opened(self, event: LineList.Opened) -> None:
        event.stop()
        self.detail.focus()

    def step_back(self) -> bool:
        if not self.detail.has_focus:
            return False
        self.view.focus()
        return True

    def focus_stage(self, stage_id: str) -> None:
        self._wanted = stage_id

    def stage_under_cursor(self) -> str | None:
        call = self.view.cursor_item
        return call.stage_id if call is not None else None

    def copied(self) -> str:
        return self.detail.text if self.view.cursor_item is not None else ""

    async def export(self) -> str | None:
        call = self.view.cursor_item
        if call is None:
            return None
        whole = await self.source().inspector.ai_call(call.id)
        return str(save(f"{self.run_id[:8]}-call-{call.id}.txt", call_text(whole, self.ascii_only).encode()))


def totals_content(run: RunDetail, calls: Sequence[AICallView], *, more: bool = False) -> Content:
    """One line: calls, tokens and money of the run, and what of it failed attempts took."""
    lost = {
        (stage.stage_id, attempt.attempt)
        for stage in run.stages
        for attempt in stage.attempts
        if attempt.wasted or attempt.wasted is None
    }
    spoilt = [call for call in calls if (call.stage_id, call.attempt) in lost]
    wasted_tokens = sum(call.input_tokens + call.output_tokens for call in spoilt)
    number = f"last {formatting.count(len(calls))}" if more else formatting.count(len(calls))
    parts: list[Part | str] = [(f" {number} call{'' if len(calls) == 1 else 's'}", "bold")]
    counts = (
        (sum(call.status == "error" for call in calls), "failed"),
        (sum(call.reused for call in calls), "reused"),
        (sum(call.cost is None and call.status == "ok" for call in calls), "without a price"),
    )
    told = ", ".join(f"{formatting.count(amount)} {word}" for amount, word in counts if amount)
    parts += [(f" ({told})", "$quiet")] if told else []
    parts += [("   cost ", "$quiet"), (formatting.money(run.total_cost, zero="$0"), "bold")]
    wasted = wasted_of(run)
    if wasted is None or wasted or wasted_tokens:
        parts += [("   wasted ", "$quiet"), (formatting.money(wasted, zero="$0"), "bold $status-failed")]
        parts.append((f" ({formatting.count(wasted_tokens)} tokens of failed attempts)", "$quiet"))
    tokens = [sum(getattr(call, f"{kind}_tokens") for call in calls) for kind in ("input", "output", "cached")]
    for amount, word in zip(tokens, ("in", "out", "cached"), strict=True):
        parts += [f"   {formatting.count(amount)}", (f" {word}", "$quiet")]
    return line_of(*parts)


def wasted_of(run: RunDetail) -> Decimal | None:
    """What attempts that came to nothing did cost; None where a price is unknown."""
    found = [attempt.wasted for stage in run.stages for attempt in stage.attempts]
    known = [amount for amount in found if amount is not None]
    return sum(known, Decimal(0)) if len(known) == len(found) else None


def call_text(call: AICallView, ascii_only: bool) -> str:
    """A call to read: its facts, its error, what it asked and what came back."""
    status, _ = call_status(call, ascii_only)
    answered = f" (answered by {call.answered_by})" if call.answered_by not in (None, call.model) else ""
    where = f"{call.stage_id or '-'}{f'#{call.attempt}' if call.attempt else ''}"
    lines = [f"{status}  {call.model}{answered}  {call.call_type}  {where}  topic {call.topic}"]
    tokens = f"{formatting.count(call.input_tokens)} in ({formatting.count(call.cached_tokens)} cached), "
    tokens += f"{formatting.count(call.output_tokens)} out ({formatting.count(call.reasoning_tokens)} reasoning)"
    cost = formatting.money(call.cost, zero="$0") if call.status != "open" else formatting.NONE
    times = f"latency {formatting.duration(call.latency_ms)}"
    times += f", first token {formatting.duration(call.first_token_ms)}" if call.first_token_ms is not None else ""
    lines.append(f"{tokens}  cost {cost}  {times}")
    lines += [f"finished: {call.finish_reason}"] if call.finish_reason else []
    lines += [f"batch {call.batch_id}"] if call.batch_id else []
    lines += ["", f"error {call.error_code or ''}".rstrip(), call.error] if call.error else []
    for name, text in (("prompt", call.prompt), ("response", call.response)):
        rule = "-" if ascii_only else "─"
        lines += ["", f"{rule * 3} {name} ".ljust(RULE, rule), text if text is not None else "(not kept)"]
    return "\n".join(lines)
