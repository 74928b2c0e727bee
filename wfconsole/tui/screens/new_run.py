"""Starting a run: choose a workflow, write its input as JSON; what is wrong is said in place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, TextArea
from textual.widgets.option_list import Option

from engine.errors import EngineError
from engine.inspector import WorkflowView
from engine.model.ids import new_token
from engine.model.json import Json, NotJson, loads
from wfconsole.actions import Answer, Question, create_run, create_run_twin
from wfconsole.safe_text import safe_text
from wfconsole.tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from wfconsole.tui.app import WorkflowConsole

_EMPTY: dict[str, Json] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "object": {},
}


def first_input(schema: dict[str, Any]) -> Json:
    """An input to start from: fields with their defaults, required ones with an empty value of their type."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {} if schema.get("type") == "object" else None
    required = schema.get("required", [])
    start: dict[str, Json] = {}
    for name, field in properties.items():
        if "default" in field:
            start[name] = field["default"]
        elif name in required:
            start[name] = field["examples"][0] if field.get("examples") else _EMPTY.get(str(field.get("type")))
    return start


class NewRunDialog(Dialog[str]):
    """Answers with the id of the run it created."""

    AUTO_FOCUS = "#workflow-choice"

    def __init__(self, workflow_id: str | None = None) -> None:
        lines = ["Choose a workflow, then tab to its input."]
        super().__init__(Question("New run", lines, "Start the run"))
        self._wanted = workflow_id
        self._workflows: list[WorkflowView] = []
        self._key = new_token()
        self._sent: tuple[str, Json] | None = None

    def body(self) -> ComposeResult:
        yield OptionList(id="workflow-choice", compact=True)
        yield TextArea(id="input-json", language=None, show_line_numbers=False, compact=True, soft_wrap=True)

    def on_mount(self) -> None:
        super().on_mount()
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
        self.look_again()

    def _chosen(self) -> WorkflowView | None:
        place = self.query_one("#workflow-choice", OptionList).highlighted
        return None if place is None or place >= len(self._workflows) else self._workflows[place]

    @on(OptionList.OptionHighlighted, "#workflow-choice")
    def _fill_in(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        workflow = self._chosen()
        if workflow is not None:
            start = first_input(workflow.input_schema)
            self.query_one(TextArea).text = json.dumps(start, indent=2, ensure_ascii=True)

    @on(OptionList.OptionSelected, "#workflow-choice")
    def _to_the_input(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.query_one(TextArea).focus()

    @on(TextArea.Changed)
    def _check(self, event: TextArea.Changed) -> None:
        event.stop()
        self._parsed()

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

    def result(self) -> str | None:
        """Create the run; the dialog closes once it stands, and stays with the reasons when it is refused."""
        workflow, (usable, value) = self._chosen(), self._parsed()
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
