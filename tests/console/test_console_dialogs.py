"""Dialogs: none can be answered unseen, all stand on No, and only their own keys work in them."""

from __future__ import annotations

import time

import pytest
from console_pilot import dialog_open, label_of, opened, rows_shown, screen_text, toasts, until
from console_samples import dead_letter, run_id_of, summary
from fake_gateway import FakeGateway
from textual import events
from textual.widgets import Input, OptionList, TextArea

from engine.commands import CreateRun, DiscardDeadLetters, ReplayDeadLetters, RerunFrom, RetryFailed
from engine.inspector import WorkflowView
from engine.model.status import RunStatus
from wfconsole.tui.screens.confirm import ConfirmDialog
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.screens.new_run import NewRunDialog
from wfconsole.tui.screens.reading import Reading
from wfconsole.tui.screens.rerun import RerunDialog
from wfconsole.tui.screens.run import RunScreen
from wfconsole.tui.widgets.form_row import FormRow


async def test_an_answer_in_the_same_breath_does_not_count() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        for key in ("c", "y"):
            app.post_message(events.Key(key, key))
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog), "the dialog")
        await dialog_open(app, pilot)
        assert gateway.commands == []


async def test_what_was_typed_before_it_was_seen_is_dropped_even_when_it_arrives_late() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        early = events.Key("y", "y")
        await pilot.press("c")
        dialog = await dialog_open(app, pilot)
        assert not dialog.accepts(early.time)
        app.post_message(early)
        await pilot.pause()
        assert app.screen is dialog
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")


@pytest.mark.parametrize("key", ["n", "escape", "enter"])
async def test_no_is_the_default(key: str) -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("c")
        dialog = await dialog_open(app, pilot)
        assert label_of(dialog) == "No (n)"
        await pilot.press(key)
        await until(pilot, lambda: len(app.screen_stack) == 1, "a closed dialog")
        assert gateway.commands == []


async def test_only_its_own_keys_work() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("c")
        dialog = await dialog_open(app, pilot)
        await pilot.press("q", "ctrl+q", "ctrl+p", "4", "o", "c", "R", "j", "/")
        assert app.screen is dialog
        assert app.current_mode == "runs"
        assert app.is_running


async def test_rerun_shows_what_runs_again_and_what_is_reused() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("j", "R")
        await dialog_open(app, pilot)
        assert "Runs again: embed, publish" in screen_text(app)
        assert "Reused: fetch, ocr, parse" in screen_text(app)
        await pilot.press("up", "up")
        await until(pilot, lambda: "Runs again: ocr, parse, embed" in screen_text(app), "the new choice")
        assert "Reused: fetch" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        (command,) = gateway.commands
        assert isinstance(command, RerunFrom)
        assert (command.run_id, command.from_stage_id) == (run_id_of(1), "ocr")
        await until(pilot, lambda: toasts(app), "the toast")
        assert f"wfconsole rerun {run_id_of(1)} --from ocr" in toasts(app)[-1]


async def test_rerun_waits_for_the_stages_before_it_takes_an_answer() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await until(pilot, lambda: app.feed.asking_since is None, "a quiet feed")
        await pilot.press("j")
        gateway.inspector.gate.clear()
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, RerunDialog), "the dialog")
        await dialog_open(app, pilot)
        await pilot.press("y")
        assert isinstance(app.screen, RerunDialog)
        gateway.inspector.gate.set()
        await until(pilot, lambda: "Runs again" in screen_text(app), "the stages")
        assert gateway.commands == []


async def test_retry_of_a_failed_run() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("j", "F")
        await until(pilot, lambda: "Kept: fetch, ocr, parse" in screen_text(app), "the consequences")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert isinstance(gateway.commands[0], RetryFailed)


async def test_a_run_that_ended_meanwhile_is_not_cancelled_blindly() -> None:
    gateway = FakeGateway([summary(1)])
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 1)
        gateway.inspector.rows = [summary(1, RunStatus.COMPLETED)]
        await pilot.press("c")
        await until(pilot, lambda: "it is already completed" in screen_text(app), "the refusal")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmDialog)
        assert gateway.commands == []


async def test_a_new_run_can_be_answered_at_80_by_24(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway()
    (known, *_) = await gateway.inspector.workflows()
    many = [known.model_copy(update={"id": f"workflow-{number}"}) for number in range(9)]

    async def workflows() -> list[WorkflowView]:
        return many

    monkeypatch.setattr(gateway.inspector, "workflows", workflows)
    async with opened(gateway, size=(80, 24)) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("o")
        await dialog_open(app, pilot)
        await until(pilot, lambda: "Start the run (y)" in screen_text(app), "the buttons, within the window")


async def test_a_new_run_is_a_form_validated_in_place_and_then_opened() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("o")
        dialog = await dialog_open(app, pilot)
        assert isinstance(dialog, NewRunDialog)
        await until(pilot, lambda: len(dialog.query(FormRow)) == 2, "a row for each field")
        assert dialog.query_one(OptionList).highlighted == 1, "the workflow of the run under the cursor"
        assert [row.field.name for row in dialog.query(FormRow)] == ["url", "pages"]
        await pilot.press("y")
        await until(pilot, lambda: "required" in screen_text(app), "what is missing, at its field")
        await pilot.press("enter", *"a.md", "tab", *"many")
        await until(pilot, lambda: "no integer" in screen_text(app), "what is wrong, at its field")
        await pilot.press(*["backspace"] * 4, "7", "tab")
        await until(pilot, lambda: "no integer" not in screen_text(app), "a clean form")
        assert gateway.commands == []
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the new run")
        (command,) = gateway.commands
        assert isinstance(command, CreateRun)
        assert command.input == {"url": "a.md", "pages": 7}


async def test_a_new_run_as_json_and_back() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("o")
        dialog = await dialog_open(app, pilot)
        await until(pilot, lambda: len(dialog.query(FormRow)) == 2, "the form")
        await pilot.press("enter", *"a.md", "ctrl+r")
        text = dialog.query_one(TextArea)
        assert text.has_focus
        assert text.text == '{\n  "url": "a.md"\n}'
        text.text = '{"url": }'
        await until(pilot, lambda: "line 1, column 9" in screen_text(app), "the JSON verdict")
        await pilot.press("ctrl+r")
        assert text.display, "what can't be read is not thrown away"
        text.text = '{"url": "b.md", "colour": 1}'
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Only as JSON" in screen_text(app), "the form lacks a field")
        text.text = '{"url": "b.md", "pages": 3}'
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not text.display, "the form again")
        assert [row.text for row in dialog.query(FormRow)] == ["b.md", "3"]


async def test_y_typed_into_the_input_is_text_and_escape_leaves_the_field_first() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("o")
        dialog = await dialog_open(app, pilot)
        await until(pilot, lambda: len(dialog.query(FormRow)) == 2, "the form")
        await pilot.press("tab", "y", "n")
        assert app.screen is dialog
        assert dialog.query(Input).first().value == "yn"
        await pilot.press("escape")
        assert app.screen is dialog
        assert label_of(dialog) == "No (n)"
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1, "the way back")
        assert gateway.commands == []


async def test_discard_wants_a_reason_and_the_field_waits_for_tab() -> None:
    gateway = FakeGateway()
    gateway.inspector.letters = [dead_letter(1), dead_letter(2)]
    async with opened(gateway, place="dlq") as (app, pilot):
        await until(pilot, lambda: "workflow:failed" in screen_text(app), "the dead letters")
        await pilot.press("X")
        dialog = await dialog_open(app, pilot)
        assert label_of(dialog) == "No (n)"
        await pilot.press("y")
        await until(pilot, lambda: "It needs a reason" in screen_text(app), "the refusal")
        await pilot.press("shift+tab", *"seen", "tab", "y")
        await until(pilot, lambda: gateway.commands, "the command")
        (command,) = gateway.commands
        assert isinstance(command, DiscardDeadLetters)
        assert (command.event_ids, command.reason) == ([dead_letter(1).id], "seen")


async def test_replay_of_the_dead_letter_under_the_cursor() -> None:
    gateway = FakeGateway()
    gateway.inspector.letters = [dead_letter(1), dead_letter(2)]
    async with opened(gateway, place="dlq") as (app, pilot):
        await until(pilot, lambda: "workflow:failed" in screen_text(app), "the dead letters")
        await pilot.press("down", "P")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert isinstance(gateway.commands[0], ReplayDeadLetters)
        assert gateway.commands[0].event_ids == [dead_letter(2).id]


async def test_help_and_explanation_open_and_close() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("?")
        await until(pilot, lambda: "cancel the run  asks first" in screen_text(app), "the help")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Reading), "the way back")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Reading) and "it is running" in screen_text(app), "why")
        await pilot.press("q")
        await until(pilot, lambda: len(app.screen_stack) == 1, "the way back")


async def test_a_dialog_takes_answers_only_after_a_quarter_second() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        pressed = time.monotonic()
        await pilot.press("c")
        dialog = await dialog_open(app, pilot)
        assert isinstance(dialog, Dialog)
        assert time.monotonic() - pressed >= 0.25
