"""Rerunning from a stage: what runs again, what is reused, what it will likely cost, and with which config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from engine.errors import EngineError, InvalidConfig
from engine.inspector import ExpectedCost, RunDetail, StageStatus
from engine.model.json import Json, NotJson, loads
from wfconsole import formatting
from wfconsole.actions import Answer, Question, rerun_choices, stages_again
from wfconsole.tui.files import editable_json
from wfconsole.tui.screens.confirm import StageDialog

if TYPE_CHECKING:
    from wfconsole.tui.app import WorkflowConsole

Fields = Mapping[str, Mapping[str, Any]]


class ConfigProblem(ValueError):
    """The edited config can't be used; the sentence says why."""


def changed_fields(before: Mapping[str, Any], after: Json, again: list[str]) -> dict[str, dict[str, Any]]:
    """The fields of an edited config that are another than before. Raises `ConfigProblem`."""
    if not isinstance(after, dict):
        raise ConfigProblem("the config is an object of stage ids")
    changed: dict[str, dict[str, Any]] = {}
    for stage_id, fields in after.items():
        if stage_id not in again:
            raise ConfigProblem(f"{stage_id} is no stage that runs again; those are: {', '.join(again)}")
        if not isinstance(fields, dict):
            raise ConfigProblem(f"{stage_id}: its config is an object of fields")
        old = before.get(stage_id) or {}
        new = {name: value for name, value in fields.items() if name not in old or _other(old[name], value)}
        if new:
            changed[stage_id] = new
    return changed


def end_of_first_value(text: str) -> tuple[int, int]:
    """Row and column behind the first value that is no object or list, where an edit most likely begins."""
    for row, line in enumerate(text.split("\n")):
        shown = line.rstrip(",")
        if shown and shown[-1] not in "{}[]":
            return row, len(shown) - shown.endswith('"')
    return 0, 0


def _other(one: Json, two: Json) -> bool:
    return one != two or isinstance(one, bool) != isinstance(two, bool)


class RerunDialog(StageDialog):
    """Chooses the stage; `e` edits the config of the stages that run again, `i` reuses recorded AI answers."""

    HEADING = "from"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", show=False),
        Binding("i", "reuse_ai", show=False),
    ]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._expected: dict[tuple[str, ...], ExpectedCost] = {}
        self._refusal = ""

    @property
    def console(self) -> WorkflowConsole:
        return cast("WorkflowConsole", self.app)

    def body(self) -> ComposeResult:
        yield from super().body()
        editor = TextArea(id="config-json", language=None, show_line_numbers=False, compact=True, soft_wrap=True)
        editor.display = False
        yield editor

    def choices_of(self, run: RunDetail) -> list[str]:
        return rerun_choices(run)

    def first_choice(self, run: RunDetail, choices: list[str]) -> int:
        """Most likely the first stage that did not complete, else the last one."""
        complete = {stage.stage_id for stage in run.stages if stage.status == StageStatus.COMPLETED}
        return next((place for place, stage in enumerate(choices) if stage not in complete), len(choices) - 1)

    # -- the consequences ------------------------------------------------------------------------

    def _again(self) -> list[str]:
        run = self.subject
        return stages_again(run, self.answer.stage_id)[0] if isinstance(run, RunDetail) else []

    def _choose(self) -> None:
        super()._choose()
        if self.query_one("#config-json", TextArea).text:
            self._check()
        self.run_worker(self._expect(tuple(self._again())), group="expected", exclusive=True)

    async def _expect(self, again: tuple[str, ...]) -> None:
        if again in self._expected or not again:
            return
        try:
            found = await self.console.source().inspector.expected_cost(self.subject.workflow_id, again)
        except EngineError as error:
            self.problem(str(error))
            return
        self._expected[again] = found
        if again == tuple(self._again()):
            self.reword(self.worded())

    def worded(self) -> Question:
        asked = super().worded()
        run = self.subject
        if not isinstance(run, RunDetail) or not self.answer.stage_id:
            return asked
        lines = [*asked.lines, _cost_line(self._expected.get(tuple(self._again())))]
        if run.total_tokens:
            recorded = "recorded ones reused (i asks again)"
            lines.append(f"AI answers: {recorded if self.answer.reuse_ai else 'asked again (i reuses recorded ones)'}")
        return replace(asked, lines=[*lines, self._config_line(run)])

    def _config_line(self, run: RunDetail) -> str:
        leave = "escape leaves the editor" if self.query_one("#config-json").display else ""
        if not self.answer.config:
            return f"Config: as it was ({leave or 'e edits it'})"
        told = []
        for stage_id, fields in self.answer.config.items():
            old = run.config.get(stage_id) or {}
            for name, value in fields.items():
                was = json.dumps(old.get(name), ensure_ascii=False, default=str)
                told.append(f"{stage_id}.{name} = {json.dumps(value, ensure_ascii=False, default=str)} (was {was})")
        return f"Config: {', '.join(told)}{f'  ({leave})' if leave else ''}"

    # -- what is chosen --------------------------------------------------------------------------

    def action_reuse_ai(self) -> None:
        run = self.subject
        if isinstance(run, RunDetail) and run.total_tokens:
            self.answer = replace(self.answer, reuse_ai=not self.answer.reuse_ai)
            self.reword(self.worded())
        else:
            self.problem("This run made no AI calls.")

    def action_edit(self) -> None:
        run, editor = self.subject, self.query_one("#config-json", TextArea)
        if not isinstance(run, RunDetail) or not self.answer.stage_id:
            return
        if not editor.text:
            editor.text = editable_json({stage_id: run.config.get(stage_id) or {} for stage_id in self._again()})
            editor.move_cursor(end_of_first_value(editor.text))
        self._show_editor(shown=True)
        editor.focus()

    def _show_editor(self, *, shown: bool) -> None:
        """The editor stands in the place of the stages: small screens have no room for both."""
        self.query_one("#config-json").display = shown
        self.query_one("#stages").display = not shown
        self.reword(self.worded())

    @on(TextArea.Changed, "#config-json")
    def _edited(self, event: TextArea.Changed) -> None:
        event.stop()
        self._check()

    def _check(self) -> None:
        """Read the edited config, say what is wrong with it, and show what it changes."""
        run = self.subject
        if not isinstance(run, RunDetail):
            return
        changed: Fields = {}
        try:
            changed = self._changes(run)
        except ConfigProblem as error:
            self._refusal = str(error)
        else:
            self._refusal = ""
        self.problem(self._refusal)
        self.answer = replace(self.answer, config=changed)
        self.reword(self.worded())

    def _changes(self, run: RunDetail) -> Fields:
        try:
            edited = loads(self.query_one("#config-json", TextArea).text)
        except json.JSONDecodeError as error:
            raise ConfigProblem(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
        except NotJson as error:
            raise ConfigProblem(str(error)) from error
        changed = changed_fields(run.config, edited, self._again())
        workflow = self.console.source().workflows.get(run.workflow_id)
        if workflow is not None:
            merged = {stage_id: dict(fields or {}) for stage_id, fields in run.config.items()}
            for stage_id, fields in changed.items():
                merged.setdefault(stage_id, {}).update(fields)
            try:
                workflow.validate_config(merged)
            except InvalidConfig as error:
                raise ConfigProblem(str(error)) from error
        return changed

    def action_no(self) -> None:
        """Escape in the editor leaves the editor, not the dialog."""
        if self.query_one("#config-json").has_focus:
            self.query_one("#no").focus()
            self._show_editor(shown=False)
        else:
            super().action_no()

    def result(self) -> Answer | None:
        if self._refusal:
            self.problem(self._refusal)
            return None
        return super().result()


def _cost_line(expected: ExpectedCost | None) -> str:
    if expected is None:
        return "Expected cost: …"
    unknown = [stage.stage_id for stage in expected.stages if stage.cost is None]
    if expected.cost is None:
        return f"Expected cost: ? ({', '.join(unknown)} never completed before)"
    more = ", without calls of unknown price" if expected.unpriced else ""
    runs = f"{expected.runs} past run{'' if expected.runs == 1 else 's'}"
    return f"Expected cost: {formatting.money(expected.cost, zero='nothing')} (from {runs}{more})"
