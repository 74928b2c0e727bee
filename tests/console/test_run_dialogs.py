"""What can be done about a run: consequences before, the command exactly as shown, its twin after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from console_pilot import dialog_open, label_of, opened, screen_text, toasts, until
from console_samples import NOON, detail, log_line, run_id_of, summary
from fake_gateway import FakeGateway
from run_samples import RUN, call, told_run
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from engine.commands import AnnotateRun, FailStage, PollNow, RerunFrom, RetryFailed
from engine.inspector import Explanation, RunStatus, StageStatus, UsualTimes
from wfconsole.actions import RERUN, Answer
from wfconsole.run_actions import batch_ids
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.screens.explain import ExplainScreen, Why, why_panel
from wfconsole.tui.screens.rerun import ConfigProblem, changed_fields
from wfconsole.tui.screens.run import RunScreen

WAITING = run_id_of(0)


@asynccontextmanager
async def asked(
    gateway: FakeGateway, key: str, run_id: str = RUN
) -> AsyncIterator[tuple[Any, Pilot[None], Dialog[Any]]]:
    """The run's screen with the dialog of that key open."""
    async with opened(gateway, run=run_id) as (app, pilot):
        screen = app.screen
        await until(pilot, lambda: isinstance(screen, RunScreen) and screen.subject(), "the run")
        await pilot.press(key)
        yield app, pilot, await dialog_open(app, pilot)


def waiting_run() -> FakeGateway:
    """A run whose ocr waits for a batch while parse backs off."""
    gateway = FakeGateway()
    run = detail(summary(0, RunStatus.RUNNING))
    stages = []
    for stage in run.stages:
        moving: dict[str, Any] = {}
        if stage.stage_id == "ocr":
            moving = {"status": StageStatus.SUSPENDED, "next_poll_at": NOON + timedelta(seconds=30)}
        if stage.stage_id == "parse":
            moving = {"status": StageStatus.PENDING, "retry_at": NOON + timedelta(seconds=9), "output": None}
        stages.append(stage.model_copy(update=moving))
    gateway.inspector.changes[WAITING] = {"stages": stages, "waiting": True}
    gateway.inspector.states = {"ocr": {"batch_id": "batch-77", "left": 3}}
    return gateway


async def said(app: WorkflowConsole, pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in screen_text(app), text)


async def test_r12_a_rerun_shows_what_runs_again_what_is_reused_and_what_it_will_cost() -> None:
    gateway = told_run()
    gateway.inspector.prices = {"embed": Decimal("0.03"), "publish": Decimal("0.01")}
    async with asked(gateway, "R") as (app, pilot, _):
        await said(app, pilot, "Runs again: embed, publish")
        await said(app, pilot, "Expected cost: $0.040 (from 12 past runs)")
        assert "Reused: fetch, ocr, parse" in screen_text(app)
        await pilot.press("k")
        await said(app, pilot, "Runs again: ocr, parse, embed, publish")
        await said(app, pilot, "Expected cost: ? (ocr, parse never completed before)")
        await pilot.press("j", "i")
        await said(app, pilot, "AI answers: recorded ones reused")
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        (command,) = gateway.commands
        assert isinstance(command, RerunFrom)
        assert (command.from_stage_id, command.reuse_ai, command.config) == ("embed", True, {})


async def test_r12_e_edits_the_config_of_what_runs_again_judged_in_place() -> None:
    gateway = told_run()
    gateway.inspector.changes[RUN]["config"] = {"ocr": {"language": "en"}, "embed": {"size": 4}}
    async with asked(gateway, "R") as (app, pilot, dialog):
        await said(app, pilot, "Config: as it was")
        await pilot.press("e")
        editor = dialog.query_one(TextArea)
        await until(pilot, lambda: editor.has_focus, "the editor")
        assert editor.text == '{\n  "embed": {\n    "size": 4\n  },\n  "publish": {}\n}'
        await pilot.press("backspace", "9")
        await said(app, pilot, "Config: embed.size = 9 (was 4)")
        for wrong, why in (
            ('{"embed": {"size": }}', "line 1, column 20"),
            ('{"ocr": {"language": "de"}}', "ocr is no stage that runs again"),
            ('{"embed": {"size": -1}}', "embed.size: must not be negative"),
        ):
            editor.text = wrong
            await said(app, pilot, why)
        await pilot.press("escape")
        assert label_of(dialog) == "No (n)", "escape leaves the editor, not the dialog"
        await pilot.press("y")
        await pilot.pause()
        assert gateway.commands == [], "what is wrong can't be sent"
        await pilot.press("e")
        editor.text = '{"embed": {"size": 8}, "publish": {}}'
        await said(app, pilot, "Config: embed.size = 8 (was 4)")
        await pilot.press("escape", "y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert gateway.commands[0].config == {"embed": {"size": 8}}
        await until(pilot, lambda: toasts(app), "the toast")
        assert "--set-config embed.size=8" in toasts(app)[-1]


def test_r12_only_changed_fields_count_and_true_is_not_one() -> None:
    before = {"a": {"n": 1, "same": "x"}, "b": {}}
    assert changed_fields(before, {"a": {"n": 1, "same": "x"}}, ["a"]) == {}
    assert changed_fields(before, {"a": {"n": True}, "b": {"new": None}}, ["a", "b"]) == {
        "a": {"n": True},
        "b": {"new": None},
    }
    for wrong in ([], {"c": {}}, {"a": 1}):
        with pytest.raises(ConfigProblem):
            changed_fields(before, wrong, ["a", "b"])


def test_r13_the_twin_of_a_rerun_says_all_of_it() -> None:
    answer = Answer(key="k", stage_id="embed", config={"embed": {"model": "a b", "n": 2}}, reuse_ai=True)
    twin = RERUN.twin(summary(1, RunStatus.FAILED), answer)
    assert "--from embed --set-config 'embed.model=\"a b\"' --set-config embed.n=2 --reuse-ai" in twin


async def test_r12_giving_up_proposes_the_reason_the_facts_give() -> None:
    gateway = waiting_run()
    async with asked(gateway, "U", WAITING) as (app, pilot, dialog):
        await said(app, pilot, "parse fails for good")
        field = dialog.query_one(Input)
        await until(pilot, lambda: field.value.startswith("given up"), "a reason for a backoff")
        await pilot.press("k")
        await until(pilot, lambda: "batch-77" in field.value, "a reason for a batch")
        proposed = field.value
        assert proposed.startswith("no result of batch-77 after ")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert gateway.commands == [FailStage(run_id=WAITING, stage_id="ocr", reason=proposed)]


async def test_r12_giving_up_names_the_batch_that_goes_on_and_wants_a_reason() -> None:
    gateway = waiting_run()
    async with asked(gateway, "U", WAITING) as (app, pilot, dialog):
        await said(app, pilot, "parse fails for good")
        await pilot.press("k")
        await said(app, pilot, "ocr waits for the batch batch-77")
        await dialog_open(app, pilot)
        dialog.query_one(Input).value = ""
        await pilot.press("y")
        await said(app, pilot, "It needs a reason")
        dialog.query_one(Input).value = "too late"
        await pilot.press("j", "k")
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert gateway.commands == [FailStage(run_id=WAITING, stage_id="ocr", reason="too late")]


async def test_r12_cancelling_a_waiting_run_names_its_batch() -> None:
    async with asked(waiting_run(), "c", WAITING) as (app, pilot, _):
        await said(app, pilot, "ocr waits for the batch batch-77")


async def test_key_u_polls_now_and_says_what() -> None:
    gateway = waiting_run()
    async with asked(gateway, "u", WAITING) as (app, pilot, _):
        await said(app, pilot, "Due at once: ocr, parse")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert gateway.commands == [PollNow(run_id=WAITING)]


async def test_key_m_keeps_a_note() -> None:
    gateway = told_run()
    async with asked(gateway, "m") as (app, pilot, dialog):
        await pilot.press("y")
        await said(app, pilot, "It needs a note")
        dialog.query_one(Input).value = "asked the vendor"
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        (command,) = gateway.commands
        assert isinstance(command, AnnotateRun)
        assert command.attributes == {"note": "asked the vendor"}


def test_batch_ids_are_found_by_their_names() -> None:
    assert batch_ids({"batch_id": "b1", "state": {"job_ids": ["j1", "j2"], "name": "no"}}) == ["b1", "j1", "j2"]
    assert batch_ids({"batch": "b1", "batch_size": 3, "id": "x"}) == ["b1"]
    assert batch_ids(None) == batch_ids("text") == []


def explained(code: str, **facts: Any) -> Explanation:
    step = Explanation.Next(label="retry the failed stages", key="F", cli=f"wfconsole retry {RUN}")
    since, until_ = NOON - timedelta(minutes=2), NOON + timedelta(seconds=9)
    return Explanation(run_id=RUN, code=code, summary="It is so.", since=since, until=until_, facts=facts, next=[step])


CODES: dict[str, dict[str, Any]] = {
    "no_worker": {"workflow_id": "w", "workers_alive": 2, "workers_able": 0, "slots": 0, "slots_busy": 0},
    "lease_held": {"stage_id": "embed", "worker_id": "w1", "leased_until": NOON, "renewed_at": NOON, "progress": 0.5},
    "executing": {"stage_id": "embed", "attempt": 1, "tries": 1, "max_attempts": 3, "progress": None},
    "backoff": {"stage_id": "embed", "tries": 2, "max_attempts": 3, "error": "429"},
    "poll_due": {"stage_id": "ocr", "polls": 3, "poll_errors": 0, "last_poll_at": NOON},
    "poll_wait": {"stage_id": "ocr", "polls": 3, "max_wait_until": NOON + timedelta(days=1)},
    "stage_wait": {"failed": ["a"], "done": [], "active": ["b", "c"], "waits_for": "executing"},
    "queue": {"ahead": 3, "priority": 5, "slots": 8, "slots_busy": 8},
    "paused": {"workflow_id": "w", "actor": "ann", "reason": "down"},
    "budget": {"budget": "daily", "spent": Decimal("3.10")},
    "rate_limited": {"model": "openai/x", "retry_after": 20},
    "definition_gone": {"stage_id": "embed", "fingerprints": ["f1", "f2"]},
    "failed": {"stage_id": "embed", "error": "boom", "error_code": None},
    "done": {"status": RunStatus.COMPLETED, "completed_at": NOON},
}


@pytest.mark.parametrize("code", CODES)
def test_r14_every_reason_reads_well(code: str) -> None:
    text = why_panel(Why(explained(code, **CODES[code])), NOON, NOON.tzinfo).plain  # type: ignore[arg-type]
    assert text.startswith("It is so.\n\nsince")
    assert "12:02:33, 2m00s ago" in text
    assert "12:04:42, in 9.0s" in text
    assert "None" not in text
    assert "datetime" not in text
    assert "[" not in text
    assert "F     retry the failed stages" in text
    assert all(len(line) < 120 for line in text.split("\n"))


def test_r14_what_executes_is_told_with_its_last_words_and_the_usual_time() -> None:
    why = Why(
        explained("executing", stage_id="embed"),
        log_line(57, RUN, "page 57 read"),
        call(1, status="open", created_at=NOON - timedelta(seconds=4)),
        UsualTimes(runs=20, p50_ms=2_000, p95_ms=9_000),
    )
    text = " ".join(why_panel(why, NOON, NOON.tzinfo).plain.split())  # type: ignore[arg-type]
    assert "2.0s, at most 9.0s in 95 of 100 (last 20 good runs)" in text
    assert "3s ago: page 57 read" in text
    assert "openai/gpt-5-mini, since 4s" in text


async def test_r14_the_key_it_offers_works_from_the_panel() -> None:
    gateway = told_run()
    async with opened(gateway, run=RUN) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.subject(), "the run")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ExplainScreen), "the panel")
        await pilot.press("F")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert isinstance(gateway.commands[0], RetryFailed)
