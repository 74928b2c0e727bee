"""The timeline's layout and the bars it is made of, as pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.inspector import AttemptView, EventView, PlanStage, RunDetail, StageView
from engine.model.status import Delivery, RunStatus, StageStatus
from wfconsole.tui.layout.attempt_bars import Bar, Phase, Stretch, bars_of
from wfconsole.tui.layout.timeline import Scale, layout, legend, mini, scale_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = ("\x1b]52;c;x\x07", "[/b]", "\u202egnp", "x" * 5_000, "長い名前" * 40)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@st.composite
def bars(draw: st.DrawFn) -> list[Bar]:
    found = []
    names = draw(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True))
    for name in names:
        moment = draw(st.floats(0, 1e6))
        for attempt in range(1, draw(st.integers(1, 4)) + 1):
            stretches = []
            for phase in draw(st.lists(st.sampled_from(Phase), min_size=1, max_size=4)):
                length = draw(st.floats(0, 1e5))
                stretches.append(Stretch(phase, at(moment), at(moment + length)))
                moment += length
            state = draw(st.sampled_from(["COMPLETED", "FAILED", "RUNNING", "WAITING", "PENDING", "CANCELLED", "odd"]))
            found.append(Bar(name, attempt, 0, state, tuple(stretches), live=draw(st.booleans())))
    return found


def text_of(line: list[tuple[str, str]]) -> str:
    return "".join(text for text, _ in line)


@settings(max_examples=150, deadline=None)
@given(bars(), st.integers(1, 200), st.booleans(), st.booleans())
def test_r08_layout_keeps_its_promises(found: list[Bar], width: int, fold: bool, ascii_only: bool) -> None:
    drawn = layout(found, width, fold=fold, ascii_only=ascii_only, focus=(found[0].stage_id, 1))
    assert drawn == layout(found, width, fold=fold, ascii_only=ascii_only, focus=(found[0].stage_id, 1))
    assert drawn.places == [(bar.stage_id, bar.attempt) for bar in found]
    for line in (drawn.axis, *drawn.rows):
        text = text_of(line)
        assert cell_len(text) <= width
        assert "\n" not in text
        assert "\x1b" not in text
    if width >= 60:
        assert len({cell_len(text_of(row)) for row in drawn.rows}) == 1, "the bars end at one edge"
        for bar, row in zip(found, drawn.rows, strict=True):
            if any(stretch.phase is Phase.RUNNING for stretch in bar.stretches):
                ended = {"FAILED": "✗x", "CANCELLED": "⊘/"}.get(bar.state, "")
                assert set(text_of(row[4:-1])) & set(("=" if ascii_only else "█") + ended), "an attempt nobody sees"


@settings(max_examples=100, deadline=None)
@given(bars(), st.integers(20, 200), st.booleans(), st.booleans())
def test_r08_the_scale_never_runs_backwards(found: list[Bar], width: int, fold: bool, live: bool) -> None:
    scale: Scale = scale_of(found, width, fold=fold, live=live)
    moments = sorted(moment for bar in found for one in bar.stretches for moment in (one.start, one.end))
    places = [scale.x(moment) for moment in moments]
    assert all(one <= other + 1e-6 for one, other in pairwise(places))
    assert all(-1e-6 <= place <= width + 1e-6 for place in places)


@settings(max_examples=100, deadline=None)
@given(bars(), st.integers(1, 200), st.booleans())
def test_r08_the_one_line_fits_or_is_left_out(found: list[Bar], width: int, ascii_only: bool) -> None:
    assert cell_len(text_of(mini(found, width, ascii_only=ascii_only))) <= width


def run_of(attempts: list[dict[str, Any]], stage: dict[str, Any] | None = None, **run: Any) -> RunDetail:
    """A run with one stage; times are seconds after noon."""
    moments = ("queued_at", "started_at", "completed_at", "retry_at")

    def timed(values: dict[str, Any]) -> dict[str, Any]:
        return {key: at(value) if key in moments and value is not None else value for key, value in values.items()}

    views = [
        AttemptView.model_validate(
            {**dict.fromkeys(AttemptView.model_fields), "generation": 0, "queued_at": at(0), **timed(one)}
        )
        for one in attempts
    ]
    last = attempts[-1] if attempts else {}
    usual: dict[str, Any] = dict.fromkeys(StageView.model_fields)
    usual |= {"stage_id": "embed", "name": "Embed", "group": 1, "number": 1, "polls": 0, "tokens": 0, "artifacts": []}
    usual |= {"max_attempts": 3, "tries": len(attempts), "queued_at": at(0), "attempts": views, "attempt": 0}
    usual |= timed({**last, **(stage or {})})
    view = StageView.model_validate(usual)
    whole: dict[str, Any] = dict.fromkeys(RunDetail.model_fields)
    whole |= {"id": "r", "workflow_id": "w", "workflow_name": "W", "status": RunStatus.RUNNING, "waiting": False}
    whole |= {"priority": 5, "created_at": at(0), "current_stages": [], "attempt": 1, "tries": 1, "max_attempts": 3}
    whole |= {"definition": "d", "total_tokens": 0, "config": {}, "metadata": {}, "plan": [], "stages": [view]}
    return RunDetail.model_validate(whole | timed(run))


def event(sequence: int, kind: str, seconds: float, **payload: Any) -> EventView:
    fields: dict[str, Any] = dict.fromkeys(EventView.model_fields)
    fields |= {"id": str(sequence), "run_id": "r", "sequence": sequence, "type": kind, "occurred_at": at(seconds)}
    fields |= {"causation_id": "c", "delivery": Delivery.PENDING, "retry_count": 0}
    return EventView.model_validate(fields | {"payload": {"stage_id": "embed", **payload}})


def phases(bar: Bar) -> list[tuple[str, float, float]]:
    return [
        (one.phase.value, (one.start - NOON).total_seconds(), (one.end - NOON).total_seconds()) for one in bar.stretches
    ]


FAILED = {"attempt": 1, "status": StageStatus.FAILED, "started_at": 2, "completed_at": 5, "error": "no"}


def test_r08_a_retry_backs_off_and_then_waits_for_a_worker() -> None:
    run = run_of(
        [FAILED, {"attempt": 2, "status": StageStatus.COMPLETED, "started_at": 12, "completed_at": 14}],
        completed_at=14,
    )
    events = [event(1, "stage:retrying", 5, attempt=1, due_at=at(10).isoformat())]
    first, second = bars_of(run, events, at(99))
    assert phases(first) == [("queued", 0, 2), ("running", 2, 5)]
    assert phases(second) == [("backoff", 5, 10), ("queued", 10, 12), ("running", 12, 14)]
    assert [first.state, second.state, first.live, second.live] == ["FAILED", "COMPLETED", False, False]
    assert phases(bars_of(run, [], at(99))[1]) == [("backoff", 5, 12), ("running", 12, 14)]


def test_r08_a_retry_that_nobody_took_yet_has_a_bar_that_grows() -> None:
    stage = {"status": StageStatus.PENDING, "attempt": 1, "completed_at": None, "retry_at": 15}
    run = run_of([FAILED], stage)
    waiting = bars_of(run, [], at(9))[1]
    assert (waiting.attempt, waiting.state, waiting.live, phases(waiting)) == (2, "RETRYING", True, [("backoff", 5, 9)])
    assert phases(bars_of(run, [], at(18))[1]) == [("backoff", 5, 15), ("queued", 15, 18)]


def test_r08_a_suspended_stage_waits_from_its_suspension_on() -> None:
    run = run_of([{"attempt": 1, "status": StageStatus.SUSPENDED, "started_at": 1, "completed_at": None}])
    (bar,) = bars_of(run, [event(1, "stage:suspended", 3)], at(20))
    assert phases(bar) == [("queued", 0, 1), ("running", 1, 3), ("waiting", 3, 20)]
    assert (bar.state, bar.live) == ("WAITING", True)
    (unknown,) = bars_of(run, [], at(20))
    assert phases(unknown) == [("queued", 0, 1), ("running", 1, 1), ("waiting", 1, 20)]


def test_r08_what_goes_on_ends_with_its_run() -> None:
    run = run_of([{"attempt": 1, "status": StageStatus.RUNNING, "started_at": 1, "completed_at": None}], completed_at=4)
    assert phases(bars_of(run, [], at(500))[0])[-1] == ("running", 1, 4)


def worked(stage_id: str, start: float, end: float, state: str = "COMPLETED", *, live: bool = False) -> Bar:
    return Bar(stage_id, 1, 0, state, (Stretch(Phase.RUNNING, at(start), at(end)),), live)


def test_r08_idle_time_folds_and_says_how_much() -> None:
    found = [worked("fetch", 0, 10), worked("ocr", 3_610, 3_620)]
    open_, folded = layout(found, 80), layout(found, 80, fold=True)
    assert "≈≈≈" in text_of(folded.axis)
    assert "≈" not in text_of(open_.axis)
    assert timedelta(minutes=50) < folded.folded < timedelta(hours=1)
    assert text_of(open_.rows[0]).count("█") == 1
    assert text_of(folded.rows[0]).count("█") > 5
    assert layout([worked("fetch", 0, 10)], 80, fold=True).folded == timedelta()


def test_r08_while_a_run_goes_on_nothing_drawn_moves_until_the_scale_is_full() -> None:
    def drawn(now: float) -> list[str]:
        found = [worked("fetch", 0, 10), worked("ocr", 10, now, "RUNNING", live=True)]
        return [text_of(line).rstrip() for line in (layout(found, 80).axis, layout(found, 80).rows[0])]

    assert drawn(31) == drawn(31.5) == drawn(32)


def test_r08_signs_and_failures_are_told_apart_in_ascii_too() -> None:
    stretches = [Stretch(phase, at(n * 10), at(n * 10 + 10)) for n, phase in enumerate(Phase)]
    bar = Bar("embed", 3, 0, "FAILED", tuple(stretches))
    row = text_of(layout([bar], 60).rows[0])
    assert [sign in row for sign in "░▒█·✗"] == [True] * 5
    plain = layout([bar], 60, ascii_only=True)
    assert all(text_of(line).isascii() for line in (plain.axis, *plain.rows, legend(True)))
    assert "embed #3" in row


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_r19_names_from_outside_stay_in_their_cells(name: str) -> None:
    drawn = layout([worked(name, 0, 1)], 60)
    assert cell_len(text_of(drawn.rows[0])) == 60
    assert text_of(drawn.rows[0]).isprintable()
    assert text_of(mini([worked(name, 0, 1)], 100)).isprintable()


def test_r08_nothing_to_show_is_no_error() -> None:
    assert layout([], 80).rows == []
    assert mini([], 80) == []


def test_r08_attempts_of_a_stage_that_a_rerun_took_away_stay_in_the_picture() -> None:
    run = run_of([{"attempt": 1, "status": StageStatus.RUNNING, "started_at": 30, "completed_at": None}])
    planned = PlanStage(stage_id="publish", name="Publish", group=2, number=2, mode="sync", max_attempts=3)
    run = run.model_copy(update={"plan": [[planned]]})
    events = [
        event(1, "stage:started", 5, stage_id="publish", attempt=1),
        event(2, "stage:failed", 7, stage_id="publish", error="boom"),
        event(3, "run:rerun", 29, stage_id=None),
    ]
    gone, going = bars_of(run, events, at(40))
    assert (gone.stage_id, gone.attempt, gone.state, gone.error, gone.live) == ("publish", 1, "FAILED", "boom", False)
    assert phases(gone) == [("running", 5, 7)]
    assert going.stage_id == "embed"
