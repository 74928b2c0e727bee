"""Asks before many dead letters are replayed or discarded: how many, of what, how carefully; shows one whole."""

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
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.screens.reading import Reading
from wfconsole.tui.widgets.filter_bar import PRINTABLE

CAREFUL_ABOVE = 20
TYPED_ABOVE = 50
SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was confirmed: the frozen set and how it is gone about."""

    bulk: str
    events: tuple[EventView, ...]
    reason: str
    pace: Pace


class LettersDialog(Dialog[Chosen]):
    """For a replay, or with `discard` for closing them. More than 50: the count is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "careful", show=False)]

    def __init__(self, events: Sequence[EventView], *, discard: bool, live: bool, outside: int = 0) -> None:
        self._events, self._discard, self._live = tuple(events), discard, live
        self._careful = not discard and len(events) > CAREFUL_ABOVE
        self._outside = outside
        self._bulk = new_token()
        super().__init__(self._question())

    def _question(self) -> Question:
        number = len(self._events)
        what = "this dead letter" if number == 1 else f"{number} dead letters"
        lines = [*self._warning(), *self._breakdown(), ""]
        if self._discard:
            lines.append("Closed for good; the rows stay, with your reason.")
            return Question(f"Discard {what}?", lines, "Yes, discard")
        if self._careful:
            lines += ["Carefully: one canary first, then 20/min, stop when 10% failed.", "c: all at once instead"]
        else:
            lines.append("Due at once, with a fresh budget of tries, in their old order.")
            lines += ["c: carefully instead, a canary first"] if len(self._events) > 1 else []
        return Question(f"Replay {what}?", lines, "Yes, replay")

    def _warning(self) -> list[str]:
        return ["No live worker delivers now: it would stay pending until one starts.", ""] if self._waits else []

    @property
    def _waits(self) -> bool:
        return not self._live and not self._discard

    def _breakdown(self) -> list[str]:
        if len(self._events) == 1:
            event = self._events[0]
            return [f"{event.type} of run {event.run_id}.", f"Last error: {event.last_error or '-'}"]
        kinds = Counter((event.sink or "-", event.type) for event in self._events)
        lines = [f"{number} × {kind} at {sink}" for (sink, kind), number in kinds.most_common(4)]
        lines += [f"and {len(kinds) - 4} kinds more"] if len(kinds) > 4 else []
        lines.append(f"of {len({event.run_id for event in self._events})} runs, such as")
        return lines + [f"  {event.run_id}  {event.last_error or '-'}" for event in self._events[:SAMPLES]]

    def body(self) -> ComposeResult:
        if self._discard:
            yield Input(id="reason", placeholder="reason (tab)", max_length=500, restrict=PRINTABLE, compact=True)
        if len(self._events) > TYPED_ABOVE:
            yield Input(id="count", placeholder=f"type {len(self._events)} (tab)", restrict=r"\d*", compact=True)

    def action_careful(self) -> None:
        """Carefully, or all at once."""
        if not self._discard and len(self._events) > 1:
            self._careful = not self._careful
            self.reword(self._question())

    def result(self) -> Chosen | None:
        if len(self._events) > TYPED_ABOVE and self.query_one("#count", Input).value != str(len(self._events)):
            self.problem(f"So many are confirmed by their number: tab, and type {len(self._events)}.")
            return None
        reason = self.query_one("#reason", Input).value.strip() if self._discard else ""
        if self._discard and not reason:
            self.problem("It needs a reason: tab to the field.")
            return None
        pace = Pace.of(len(self._events), 1, "20/min", "10%") if self._careful else Pace()
        return Chosen(self._bulk, self._events, reason, pace)


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
