"""Before many runs are changed: how many, which, what comes of it, and how carefully."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from engine.inspector import RunSummary
from wfconsole import formatting
from wfconsole.actions import RERUN, Operation, Question
from wfconsole.bulk import Pace
from wfconsole.bulk_verbs import CAREFUL, CAREFUL_FROM
from wfconsole.safe_text import safe_text
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.widgets.history_input import PRINTABLE
from wfconsole.tui.widgets.line import Part, Text, line_of

SAMPLES = 5
TYPED_FROM = 50
"""More runs than that are confirmed by typing their number."""
LOW = 30
"""Lines of a window in which one sample has to do."""
_PACE = re.compile(r"canary\s+(?P<canary>\d+)|(?P<rate>\d+(?:\.\d+)?/\w+)|stop\s+(?P<stop>\d+%?)")


@dataclass(frozen=True, slots=True)
class BulkAnswer:
    """How to go about it; `stage_id` is where reruns begin."""

    pace: Pace
    pace_words: tuple[str, ...]
    stage_id: str = ""


def read_pace(text: str, total: int) -> tuple[Pace, tuple[str, ...]]:
    """From `canary 1, 20/min, stop 10%`: the pace, and the command line's options for it. Raises `ValueError`."""
    canary, rate, stop = 0, None, None
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = _PACE.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is no pace: write it like canary 1, 20/min, stop 10%")
        canary, rate, stop = int(found["canary"] or canary), found["rate"] or rate, found["stop"] or stop
    words = ["--canary", str(canary)] if canary else []
    words += ["--rate", rate] if rate else []
    words += ["--max-failures", stop] if stop else []
    return Pace.of(total, canary, rate, stop), tuple(words)


def proposed_pace(operation: Operation[RunSummary], total: int) -> str:
    """Careful for many retries and reruns; nothing for the rest."""
    if operation.id not in ("run.retry", "run.rerun") or total <= CAREFUL_FROM:
        return ""
    canary, rate, stop = CAREFUL
    return f"canary {canary}, {rate}, stop {stop}"


def bulk_question(
    operation: Operation[RunSummary], runs: Sequence[RunSummary], elsewhere: Sequence[str], samples: int = SAMPLES
) -> Question:
    """Count, breakdown and samples; what will be skipped, and what is marked out of sight."""
    states = Counter(formatting.STATUS[formatting.state_of(run)].word for run in runs)
    workflows = Counter(run.workflow_id for run in runs)
    refused = Counter(why for run in runs if (why := operation.valid_for(run)) is not None)
    lines = [
        "Exactly these runs: what is marked or matches later is not touched.",
        f"By state: {_counted(states)}",
        f"By workflow: {_counted(workflows)}",
    ]
    cost = sum((run.total_cost or Decimal(0) for run in runs), Decimal(0))
    if operation.id in ("run.retry", "run.rerun") and cost:
        lines.append(f"They cost {formatting.money(cost)} so far; going again costs anew.")
    lines += [f"{formatting.count(number)} will fail: {why}" for why, number in refused.most_common(3)]
    if elsewhere:
        named = ", ".join(formatting.short_id(run_id) for run_id in elsewhere[:SAMPLES])
        more = f" and {len(elsewhere) - SAMPLES} more" if len(elsewhere) > SAMPLES else ""
        lines.append(f"{len(elsewhere)} of them are not in this list: {named}{more}")
    lines.append("")
    lines += _samples(runs[:samples])
    if len(runs) > samples:
        lines.append(f"… and {formatting.count(len(runs) - samples)} more")
    number = formatting.count(len(runs))
    runs_word = "run" if len(runs) == 1 else "runs"
    return Question(f"{operation.label.capitalize()} {number} {runs_word}?", lines, f"Yes, {operation.label} {number}")


def _counted(counts: Counter[str]) -> str:
    shown = [f"{word} {formatting.count(number)}" for word, number in sorted(counts.items(), key=_largest)[:4]]
    return ", ".join(shown) + (f", {len(counts) - 4} more" if len(counts) > 4 else "")


def _largest(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


def _samples(runs: Sequence[RunSummary]) -> list[str]:
    """A line a run, in columns."""
    wide = max((len(run.workflow_id) for run in runs), default=0)
    words = [formatting.STATUS[formatting.state_of(run)].word for run in runs]
    state = max(map(len, words), default=0)
    return [
        f"{formatting.short_id(run.id)}  {run.workflow_id:<{wide}}  {word:<{state}}  "
        f"{run.current_stages[0] if run.current_stages else formatting.NONE}"
        for run, word in zip(runs, words, strict=True)
    ]


class BulkDialog(Dialog[BulkAnswer]):
    """The set is the one it was given: marks made meanwhile are not in it. `stages`: where a rerun may begin."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", show=False),
        Binding("down,j", "choose(1)", show=False),
    ]

    def __init__(
        self,
        operation: Operation[RunSummary],
        runs: Sequence[RunSummary],
        elsewhere: Sequence[str] = (),
        stages: Sequence[str] = (),
        stage_id: str = "",
    ) -> None:
        super().__init__(bulk_question(operation, runs, elsewhere))
        self.operation, self.runs, self._elsewhere = operation, tuple(runs), tuple(elsewhere)
        self._stages = tuple(stages)
        self._place = self._stages.index(stage_id) if stage_id in self._stages else 0

    def word(self) -> str:
        return str(len(self.runs)) if len(self.runs) > TYPED_FROM or self.typed_profile else ""

    def body(self) -> ComposeResult:
        yield Text(id="stages")
        if self.operation.id != "run.poll":
            proposed = proposed_pace(self.operation, len(self.runs))
            yield Text(id="pace-label")
            yield Input(proposed, id="pace", placeholder="at once", max_length=60, restrict=PRINTABLE, compact=True)

    def on_mount(self) -> None:
        if self.app.size.height < LOW:
            # The buttons have to stay within the window.
            self.question = bulk_question(self.operation, self.runs, self._elsewhere, samples=1)
        super().on_mount()
        self._show_choice()
        for label in self.query("#pace-label").results(Text):
            label.show(line_of(("pace (tab): canary N, N/min, stop N%", "$quiet")))

    def action_choose(self, step: int) -> None:
        if self._stages:
            self._place = max(0, min(len(self._stages) - 1, self._place + step))
            self._show_choice()

    def _show_choice(self) -> None:
        choice = self.query_one("#stages", Text)
        choice.display = bool(self._stages)
        parts: list[Part | str] = [("from  (↑ ↓ chooses)", "$quiet")]
        for place, stage_id in enumerate(self._stages):
            here = place == self._place
            parts += [
                "\n",
                (f"{'>' if here else ' '} {safe_text(stage_id, limit=60)}", "bold $primary" if here else ""),
            ]
        choice.show(line_of(*parts))

    def result(self) -> BulkAnswer | None:
        if self.operation is RERUN and not self._stages:
            self.problem("They are of several workflows: rerun those of one workflow at a time.")
            return None
        try:
            text = self.query_one("#pace", Input).value if self.query("#pace") else ""
            pace, words = read_pace(text, len(self.runs))
        except ValueError as error:
            self.problem(str(error))
            return None
        return BulkAnswer(pace, words, self._stages[self._place] if self._stages else "")
