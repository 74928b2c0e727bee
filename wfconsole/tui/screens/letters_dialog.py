"""Asks before dead letters are replayed or discarded: how many, of what, how carefully; shows one whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from engine.inspector import EventView
from engine.model.ids import new_token
from wfconsole.actions import Question
from wfconsole.bulk import Pace
from wfconsole.bulk_verbs import CAREFUL, CAREFUL_FROM
from wfconsole.formatting import count, short_id
from wfconsole.safe_text import safe_text
from wfconsole.tui.screens.bulk_dialog import TYPED_FROM, read_pace
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.screens.reading import Reading
from wfconsole.tui.widgets.filter_bar import PRINTABLE
from wfconsole.tui.widgets.line import Text, line_of

SAMPLES = 3
SAMPLE_CELLS = 54
KINDS = 4


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was confirmed: the frozen set and how it is gone about."""

    bulk: str
    events: tuple[EventView, ...]
    reason: str
    pace: Pace
    pace_words: tuple[str, ...]


class LettersDialog(Dialog[Chosen]):
    """For a replay, or with `discard` for closing them. `live`: somebody is there to deliver."""

    def __init__(self, events: Sequence[EventView], *, discard: bool, live: bool) -> None:
        self._events, self._discard = tuple(events), discard
        self._bulk = new_token()
        super().__init__(letters_question(events, discard=discard, live=live))

    def word(self) -> str:
        number = len(self._events)
        return str(number) if number > TYPED_FROM or self.typed_profile else ""

    def body(self) -> ComposeResult:
        if self._discard:
            yield Input(id="reason", placeholder="reason (tab)", max_length=500, restrict=PRINTABLE, compact=True)
        elif len(self._events) > 1:
            canary, rate, stop = CAREFUL
            proposed = f"canary {canary}, {rate}, stop {stop}" if len(self._events) > CAREFUL_FROM else ""
            yield Text(id="pace-label")
            yield Input(proposed, id="pace", placeholder="at once", max_length=60, restrict=PRINTABLE, compact=True)

    def on_mount(self) -> None:
        super().on_mount()
        for label in self.query("#pace-label").results(Text):
            label.show(line_of(("pace (tab): canary N, N/min, stop N%", "$quiet")))

    def result(self) -> Chosen | None:
        reason = self.query_one("#reason", Input).value.strip() if self._discard else ""
        if self._discard and not reason:
            self.problem("It needs a reason: tab to the field.")
            return None
        try:
            text = self.query_one("#pace", Input).value if self.query("#pace") else ""
            pace, words = read_pace(text, len(self._events))
        except ValueError as error:
            self.problem(str(error))
            return None
        return Chosen(self._bulk, self._events, reason, pace, words)


def letters_question(events: Sequence[EventView], *, discard: bool, live: bool) -> Question:
    """Count, breakdown and samples; first of all that nobody would deliver."""
    number = count(len(events))
    what = "this dead letter" if len(events) == 1 else f"{number} dead letters"
    lines = [] if live or discard else ["No live worker delivers now: it would stay pending until one starts.", ""]
    lines += [*_breakdown(events), ""]
    if discard:
        return Question(
            f"Discard {what}?", [*lines, "Closed for good; the rows stay, with your reason."], "Yes, discard"
        )
    lines.append("Their sink gets them again in their old order, with a fresh budget of tries.")
    return Question(f"Replay {what}?", lines, "Yes, replay")


def _breakdown(events: Sequence[EventView]) -> list[str]:
    if len(events) == 1:
        return [f"{events[0].type} of run {events[0].run_id}.", f"Last error: {events[0].last_error or '-'}"]
    kinds = Counter((event.sink or "-", event.type) for event in events)
    lines = [f"{count(number)} × {kind} at {sink}" for (sink, kind), number in kinds.most_common(KINDS)]
    lines += [f"and {len(kinds) - KINDS} kinds more"] if len(kinds) > KINDS else []
    lines.append(f"of {count(len({event.run_id for event in events}))} runs, such as")
    return lines + [_sample(event) for event in events[:SAMPLES]]


def _sample(event: EventView) -> str:
    """One line of the dialog, so that its buttons stay on a small screen."""
    return f"  {short_id(event.run_id)}  {safe_text(event.last_error or '-', limit=SAMPLE_CELLS)}"


class LetterReading(Reading):
    """One dead letter whole; enter opens its run."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open_run", show=False)]

    def __init__(self, title: str, content: Content, run_id: str) -> None:
        super().__init__(title, content)
        self._run_id = run_id

    def action_open_run(self) -> None:
        from wfconsole.tui.screens.live import LiveScreen

        self.dismiss(None)
        place = next((one for one in reversed(self.app.screen_stack) if isinstance(one, LiveScreen)), None)
        if place is not None:
            place.console.open_run(self._run_id, tab="events")
