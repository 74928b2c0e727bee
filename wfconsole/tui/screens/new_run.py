"""Starting a run: choose a workflow and fill in its input, as a form or as JSON; what is wrong is said in place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, TextArea
from textual.widgets.option_list import Option

from engine.errors import EngineError, InvalidInput
from engine.inspector import WorkflowView
from engine.model.ids import new_token
from engine.model.json import Json, NotJson, loads
from wfconsole.actions import Answer, Question, create_run, create_run_twin
from wfconsole.safe_text import safe_text
from wfconsole.tui.files import editable_json
from wfconsole.tui.layout.input_form import FormField, fields_of, texts_of_form, value_of_form
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.widgets.form_row import FormRow

if TYPE_CHECKING:
    from wfconsole.tui.app import WorkflowConsole

_LINES = ("tab goes on, ctrl+r changes between form and JSON",)


class NewRunDialog(Dialog[str]):
    """Answers with the id of the run it created."""

    AUTO_FOCUS = "#workflow-choice"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+r", "other_way", show=False)]

    def __init__(self, workflow_id: str | None = None) -> None:
        super().__init__(Question("New run", _LINES, "Start the run"))
        self._wanted = workflow_id
        self._workflows: list[WorkflowView] = []
        self._fields: list[FormField] | None = None
        self._as_json = False
        self._key = new_token()
        self._sent: tuple[str, Json] | None = None

    def body(self) -> ComposeResult:
        yield OptionList(id="workflow-choice", compact=True)
        yield VerticalScroll(id="input-form", can_focus=False)
        yield TextArea(id="input-json", language=None, show_line_numbers=False, compact=True, soft_wrap=True)

    def on_mount(self) -> None:
        super().on_mount()
        self._show_way()
        self.run_worker(self._load(), group="details", exclusive=True)

    @property
    def console(self) -> WorkflowConsole:
        return cast("WorkflowConsole", self.app)

    async def _load(self) -> None:
        try:
            workflows = await self.console.source().inspector.workflows()
        except EngineError as error:
            self.problem(str(error))
            return
        self._workflows = [workflow for workflow in workflows if workflow.registered]
        if not self._workflows:
            self.problem("No workflow is registered here: start the console with --workflows MODULE.")
            return
        choice = self.query_one("#workflow-choice", OptionList)
        choice.add_options(Option(_workflow_line(workflow)) for workflow in self._workflows)
        known = [workflow.id for workflow in self._workflows]
        choice.highlighted = known.index(self._wanted) if self._wanted in known else 0
        # The list has no height before it is laid out with what was added.
        self.call_after_refresh(choice.scroll_to_highlight)
        self.look_again()

    def _chosen(self) -> WorkflowView | None:
        place = self.query_one("#workflow-choice", OptionList).highlighted
        return None if place is None or place >= len(self._workflows) else self._workflows[place]

    # -- form and JSON ---------------------------------------------------------------------------

    @on(OptionList.OptionHighlighted, "#workflow-choice")
    async def _fill_in(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        workflow = self._chosen()
        if workflow is None:
            return
        self._fields = fields_of(workflow.input_schema)
        form = self.query_one("#input-form", VerticalScroll)
        await form.remove_children()
        await form.mount(*(FormRow(field, ascii_only=self.console.settings.ascii) for field in self._fields or ()))
        self._as_json = self._fields is None
        self.query_one(TextArea).text = editable_json({}) if self._fields is None else self._form_as_json()
        self._show_way()
        self.problem("")

    def _show_way(self) -> None:
        self.query_one("#input-form").display = not self._as_json
        self.query_one("#input-json").display = self._as_json

    @property
    def _rows(self) -> list[FormRow]:
        return list(self.query(FormRow))

    def _form(self) -> tuple[dict[str, Json], dict[str, str]]:
        return value_of_form(self._fields or (), {row.field.name: row.text for row in self._rows})

    def _form_as_json(self) -> str:
        """What is filled in; required fields that aren't stand there empty, to be seen."""
        value, problems = self._form()
        return editable_json({**{name: None for name, why in problems.items() if why == "required"}, **value})

    def action_other_way(self) -> None:
        """From the form to JSON and back, with what was filled in."""
        if self._as_json and not self._to_form():
            return
        if not self._as_json:
            self.query_one(TextArea).text = self._form_as_json()
        self._as_json = not self._as_json
        self._show_way()
        self._enter_input()
        self.problem("")

    def _to_form(self) -> bool:
        usable, value = self._parsed()
        texts = texts_of_form(self._fields, value) if usable and self._fields is not None else None
        if texts is None:
            if usable:
                self.problem("Only as JSON: the form has no fields for this.")
            return False
        for row in self._rows:
            row.text = texts[row.field.name]
        return True

    @on(OptionList.OptionSelected, "#workflow-choice")
    def _to_the_input(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._enter_input()

    def _enter_input(self) -> None:
        if self._as_json or not self._rows:
            self.query_one(TextArea).focus()
        else:
            self._rows[0].enter()

    # -- judging ---------------------------------------------------------------------------------

    @on(TextArea.Changed)
    def _check_json(self, event: TextArea.Changed) -> None:
        event.stop()
        if self._as_json:
            usable, value = self._parsed()
            if usable:
                self.problem("\n".join(f"{path or 'input'}: {why}" for path, why in self._judged(value)))

    @on(FormRow.Changed)
    def _check_form(self, event: FormRow.Changed) -> None:
        event.stop()
        self.problem("")
        self._judge_form()

    def _judge_form(self) -> bool:
        """Say at each field what is wrong there; whether nothing is."""
        value, problems = self._form()
        if not problems:
            problems = {path.partition(".")[0].partition("[")[0]: why for path, why in self._judged(value)}
        for row in self._rows:
            row.judge(problems.get(row.field.name, ""))
        named = {row.field.name for row in self._rows}
        self.problem("\n".join(f"{path}: {why}" for path, why in problems.items() if path not in named))
        return not problems

    def _judged(self, value: Json) -> list[tuple[str, str]]:
        """What the workflow itself has against an input: paths and sentences."""
        chosen = self._chosen()
        gateway = self.console.feed.gateway
        workflow = gateway.workflows.get(chosen.id) if chosen is not None and gateway is not None else None
        if workflow is None:
            return []
        try:
            workflow.validate_input(value)
        except InvalidInput as error:
            return [(problem.path, problem.message) for problem in error.problems] or [("", str(error))]
        return []

    def _parsed(self) -> tuple[bool, Json]:
        """Whether the text is JSON, and its value; says what is wrong with it otherwise."""
        try:
            value = loads(self.query_one(TextArea).text)
        except json.JSONDecodeError as error:
            self.problem(f"line {error.lineno}, column {error.colno}: {error.msg}")
            return False, None
        except NotJson as error:
            self.problem(str(error))
            return False, None
        self.problem("")
        return True, value

    # -- sending ---------------------------------------------------------------------------------

    def action_no(self) -> None:
        """Escape in a field leaves the field, not the dialog with all that was typed."""
        if isinstance(self.focused, Input | TextArea):
            self.query_one("#no").focus()
        else:
            super().action_no()

    def result(self) -> str | None:
        """Create the run; the dialog closes once it stands, and stays with the reasons when it is refused."""
        workflow = self._chosen()
        usable, value = self._parsed() if self._as_json else (self._judge_form(), self._form()[0])
        if workflow is not None and usable:
            if (workflow.id, value) != self._sent:
                # The key belongs to the payload: the same again must not start a second run.
                self._key, self._sent = new_token(), (workflow.id, value)
            self.run_worker(self._create(workflow.id, value), group="send", exclusive=True)
        return None

    async def _create(self, workflow_id: str, value: Json) -> None:
        try:
            created = await self.console.source().send(create_run(workflow_id, value, Answer(key=self._key)))
        except EngineError as error:
            self.problem(str(error))
        else:
            self.console.tell_done(f"created {created.run_id[:8]}", create_run_twin(workflow_id, value))
            self.dismiss(created.run_id)


def _workflow_line(workflow: WorkflowView) -> Content:
    return Content(f"{safe_text(workflow.id, limit=40):<24} {safe_text(workflow.name, limit=40)}")
