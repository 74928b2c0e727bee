"""Hostile text in every field of a run's tabs and dialogs: shown escaped, never executed, never a crash."""

from __future__ import annotations

import re
from typing import Any

import pytest
from console_pilot import dialog_open, opened, screen_text, until
from console_samples import NOON, summary
from fake_gateway import FakeGateway
from run_samples import RUN, action, call, event, failed_run, history, note, told_run, values
from test_console_hostile import FORBIDDEN, PAYLOADS

from engine.inspector import ArtifactView, PlanStage, RunStatus, WorkflowView
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.panes.calls import CallsPane
from wfconsole.tui.screens.diff import DiffScreen
from wfconsole.tui.screens.explain import ExplainScreen
from wfconsole.tui.screens.pager import PagerScreen
from wfconsole.tui.screens.run import TABS, RunScreen
from wfconsole.tui.widgets.form_row import FormRow

IDS = ["osc", "c1", "markup", "bidi", "controls", "long"]
SHORT = {"osc", "markup", "long"}
EACH = [
    pytest.param(payload, id=name, marks=() if name in SHORT else pytest.mark.slow)
    for payload, name in zip(PAYLOADS, IDS, strict=True)
]


def poisoned(text: str) -> FakeGateway:
    """A run whose every free text is the payload: ids of stages, names, errors, values, models, prompts, notes."""
    gateway = told_run()
    run = failed_run()
    planned = PlanStage(stage_id=text, name=text, group=1, number=5, mode="sync", max_attempts=3)
    file = ArtifactView(name=text, media_type=text, size=1, digest=text, created_at=NOON)
    last = run.stages[-1]
    tries = [one.model_copy(update={"error": text, "worker_id": text}) for one in last.attempts]
    spoilt = {"stage_id": text, "name": text, "error": text, "input": {text: text}, "config": {text: [text]}}
    stage = last.model_copy(update={**spoilt, "group": 1, "artifacts": [file], "attempts": tries, "worker_id": text})
    inspector = gateway.inspector
    inspector.changes[RUN] |= {
        "workflow_id": text,
        "idempotency_key": text,
        "error": text,
        "input": {text: text},
        "config": {text: {text: text}},
        "plan": [*run.plan, [planned]],
        "stages": [*run.stages, stage],
        "total_tokens": 5,
    }
    told = {"message": text, "error": text, "reason": text, text: text}
    inspector.history = [*history(), event(15, text, 6, text, **told), event(16, "stage:failed", 6, text, error=text)]
    inspector.ai = [call(1, stage_id=text, model=text, topic=text, error=text, prompt=text, response=text, status=text)]
    inspector.actions = [action(1, text, 3, actor=text, reason=text, after={text: text})]
    inspector.notes = [note(1, text, 4).model_copy(update={"key": text, "actor": text, "scope_id": text})]
    inspector.values = {text: [values(1, error=text, input={text: text}), values(2, error=f"{text}2")]}
    inspector.files = {text: text.encode("utf-8", "replace")}
    inspector.states = {text: {"batch_id": text}}
    return gateway


def assert_clean(app: WorkflowConsole) -> None:
    found = re.search(FORBIDDEN, screen_text(app))
    assert found is None, f"{found[0]!r} reached the screen"


@pytest.mark.parametrize("payload", EACH)
async def test_r19_every_tab_shows_it_and_lives(payload: str) -> None:
    async with opened(poisoned(payload), run=RUN, size=(120, 36)) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: screen.subject() is not None, "the run")
        for tab in TABS:
            pane = screen.pane
            if isinstance(pane, CallsPane):
                await until(pilot, lambda pane=pane: pane.detail.text, "the call")
            for keys in (("G",), ("k",), ("[",), ("]",), ("escape",) if screen.past is not None else ()):
                await pilot.press(*keys)
                await pilot.pause()
                assert_clean(app)
            assert app.screen is screen, tab
            await pilot.press("tab")
        assert app.is_running


@pytest.mark.parametrize("payload", EACH)
async def test_r19_every_dialog_about_a_run_shows_it_and_lives(payload: str) -> None:
    gateway = poisoned(payload)
    good = summary(3, RunStatus.COMPLETED, workflow_id=payload)
    gateway.change(good)
    async with opened(gateway, run=RUN) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.subject(), "the run")
        await pilot.press("G")
        for key in ("R", "m", "F"):
            await pilot.press(key)
            await dialog_open(app, pilot)
            await pilot.press(*("e",) if key == "R" else ())
            await pilot.pause()
            assert_clean(app)
            await pilot.press("escape", *("escape",) if key == "R" else ())
            await until(pilot, lambda: isinstance(app.screen, RunScreen), "the way back")
        for key, kind in (("a", ExplainScreen), ("d", DiffScreen)):
            await pilot.press(key)
            await until(pilot, lambda kind=kind: isinstance(app.screen, kind), kind.__name__)
            await pilot.pause()
            assert_clean(app)
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, RunScreen), "the way back")
        app.push_screen(PagerScreen(payload, payload))
        await until(pilot, lambda: isinstance(app.screen, PagerScreen), "the pager")
        await pilot.pause()
        assert_clean(app)


@pytest.mark.parametrize("payload", EACH)
async def test_r19_a_form_out_of_a_hostile_schema(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway()
    field: dict[str, Any] = {"type": "string", "description": payload, "default": payload, "enum": [payload, "b"]}
    schema = {"properties": {payload: field, "n": {"type": payload, "default": payload}}, "required": [payload]}
    (known, *_) = await gateway.inspector.workflows()

    async def workflows() -> list[WorkflowView]:
        return [known.model_copy(update={"id": payload, "name": payload, "input_schema": schema})]

    monkeypatch.setattr(gateway.inspector, "workflows", workflows)
    async with opened(gateway) as (app, pilot):
        await pilot.press("o")
        dialog = await dialog_open(app, pilot)
        await until(pilot, lambda: len(dialog.query(FormRow)) == 2, "the form")
        for keys in (("enter", "space"), ("ctrl+r",), ("escape", "y")):
            await pilot.press(*keys)
            await pilot.pause()
            assert_clean(app)
        assert app.is_running
