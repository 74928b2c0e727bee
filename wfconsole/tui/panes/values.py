"""The Data tab: what the run and its stages were given and gave, attempt by attempt; artifacts to open and to save."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widgets import Tree

from engine.errors import EngineError
from engine.inspector import ArtifactView, AttemptValues, RunDetail, StageView
from engine.model.json import Json
from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.files import file_name, json_text, save
from wfconsole.tui.panes.pane import RunLook, RunPane
from wfconsole.tui.widgets.json_view import SHORT_STRING, JsonPlace, JsonView, Path
from wfconsole.tui.widgets.line import Line, Part, keys_of, line_of

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

LARGE = 1_000_000
"""Bytes of JSON, about, beyond which a value is paged instead of unfolded."""

MOST_SHOWN = 16 * 1024 * 1024
ARTIFACTS = "artifacts"
_EMPTY: tuple[Json, ...] = (None, [], {})


def weight(value: Json, limit: int = LARGE) -> int:
    """The size of a value as JSON, about; counting stops once it is over `limit`."""
    total, waiting = 0, [value]
    while waiting and total <= limit:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
            total += sum(len(str(key)) + 4 for key in one)
        elif isinstance(one, list):
            waiting.extend(one)
            total += 2 * len(one)
        else:
            total += len(one) + 2 if isinstance(one, str) else 8
    return total


def sections_of(run: RunDetail, chosen: Mapping[str, AttemptValues] | None = None) -> dict[str, Json]:
    """What the tab shows, by name: the run's values, then each stage's, of an earlier attempt where one is chosen."""
    sections: dict[str, Json] = {"input": run.input, "output": run.output, "config": run.config}
    if run.error:
        sections["error"] = run.error
    for stage in run.stages:
        earlier = (chosen or {}).get(stage.stage_id)
        values = _of_attempt(stage, earlier) if earlier is not None else _of_stage(stage)
        sections[stage.stage_id] = {name: value for name, value in values.items() if value not in _EMPTY}
    return sections


def _of_stage(stage: StageView) -> dict[str, Json]:
    values: dict[str, Json] = {}
    if len(stage.attempts) > 1:
        values["attempt"] = _which(stage, stage.attempt, stage.status.value)
    values |= {"input": stage.input, "output": stage.output, "config": stage.config}
    values["error"], values["metrics"] = stage.error, stage.metrics
    values[ARTIFACTS] = {one.name: _described(one) for one in stage.artifacts}
    return values


def _of_attempt(stage: StageView, one: AttemptValues) -> dict[str, Json]:
    values: dict[str, Json] = {"attempt": _which(stage, one.attempt, one.status.value), "input": one.input}
    return {**values, "output": one.output, "config": one.config, "error": one.error}


def _which(stage: StageView, attempt: int, status: str) -> str:
    last = max((one.attempt for one in stage.attempts), default=attempt)
    return f"{attempt} of {last}, {status.lower()}"


def _described(one: ArtifactView) -> str:
    return f"{one.media_type}, {formatting.size(one.size)}"


class ValuesPane(RunPane):
    """`#data`: a tree of JSON. `[` and `]` go to another attempt of the stage under the cursor."""

    MAIN: ClassVar[str] = "#data"

    def __init__(self, run_id: str, source: Callable[[], Gateway], *, ascii_only: bool) -> None:
        super().__init__(run_id, source, ascii_only=ascii_only)
        self._look: RunLook | None = None
        self._chosen: dict[str, int] = {}
        self._values: dict[str, list[AttemptValues]] = {}
        self._large: dict[Path, Json] = {}
        self._shown: dict[str, Json] = {}
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        yield JsonView(id="data", ascii_only=self.ascii_only)
        yield Line(id="data-note")

    @property
    def view(self) -> JsonView:
        return self.query_one(JsonView)

    async def read(self, gateway: Gateway, news: bool) -> object:
        return {stage_id: await gateway.inspector.attempts(self.run_id, stage_id) for stage_id in self._chosen}

    def take(self, found: object) -> None:
        if isinstance(found, dict):
            self._values = found

    def paint(self, look: RunLook) -> None:
        self._look = look
        sections = sections_of(look.run, self._earlier_values())
        if sections != self._shown:
            self._shown = sections
            self.view.show(self._without_large(sections))
        if self._wanted is not None and self._wanted in sections:
            wanted, self._wanted = self._wanted, None
            self.view.go_to((wanted,))
        self._say()

    def _earlier_values(self) -> dict[str, AttemptValues]:
        found: dict[str, AttemptValues] = {}
        for stage_id, attempt in self._chosen.items():
            for one in self._values.get(stage_id, []):
                if one.attempt == attempt:
                    found[stage_id] = one
        return found

    def _without_large(self, sections: Mapping[str, Json]) -> dict[str, Json]:
        """The sections with what is too large for a tree told in a sentence."""
        self._large = {}
        shown: dict[str, Json] = {}
        for name, value in sections.items():
            if isinstance(value, dict) and name not in ("input", "output", "config"):
                shown[name] = {key: self._fit((name, key), one) for key, one in value.items()}
            else:
                shown[name] = self._fit((name,), value)
        return shown

    def _fit(self, path: Path, value: Json) -> Json:
        if isinstance(value, str) or weight(value) <= LARGE:
            return value
        self._large[path] = value
        return "more than 1 MB of JSON: enter opens it, e saves it"

    def _say(self) -> None:
        parts: list[Part | str] = [" "]
        stage = self._stage()
        if stage is not None and len(stage.attempts) > 1:
            shown = self._chosen.get(stage.stage_id, stage.attempt)
            which = f"{safe_text(stage.stage_id, limit=40)} attempt {shown} of {stage.attempts[-1].attempt}"
            parts += [(which, "bold"), ("  [ ]", "bold $primary"), (" earlier, later   ", "$quiet")]
        note = self.query_one("#data-note", Line)
        hints = (("enter", "read"), ("e", "save"), ("y", "copy"), ("l h", "open, close"))
        parts += keys_of(hints, note.size.width - line_of(*parts).cell_length)
        note.show(line_of(*parts))

    # -- where the cursor stands -----------------------------------------------------------------

    def _stage(self) -> StageView | None:
        path = self.view.cursor_path
        if self._look is None or not path:
            return None
        return next((stage for stage in self._look.run.stages if stage.stage_id == path[0]), None)

    def stage_under_cursor(self) -> str | None:
        stage = self._stage()
        return stage.stage_id if stage is not None else None

    def attempt_under_cursor(self) -> tuple[str, int] | None:
        stage = self._stage()
        return None if stage is None else (stage.stage_id, self._chosen.get(stage.stage_id, stage.attempt))

    def focus_stage(self, stage_id: str) -> None:
        self._wanted = stage_id
        if stage_id in self._shown:
            self._wanted = None
            self.view.go_to((stage_id,))

    def choose(self, run: RunDetail, stage_id: str, attempt: int) -> None:
        """Show that attempt of the stage; the next `read` brings its values."""
        current = next((stage.attempt for stage in run.stages if stage.stage_id == stage_id), attempt)
        if attempt == current:
            self._chosen.pop(stage_id, None)
        else:
            self._chosen[stage_id] = attempt
        self.focus_stage(stage_id)

    def earlier(self, by: int) -> bool:
        stage = self._stage()
        if stage is None:
            self.post_message(self.Says("[ and ] go through the attempts of a stage: put the cursor on one"))
            return True
        numbers = [one.attempt for one in stage.attempts]
        shown = self._chosen.get(stage.stage_id, stage.attempt)
        place = numbers.index(shown) + by if shown in numbers else -1
        if not 0 <= place < len(numbers):
            which = "earlier" if by < 0 else "later"
            self.post_message(self.Says(f"{stage.stage_id} has no {which} attempt"))
        elif numbers[place] == stage.attempt:
            self._chosen.pop(stage.stage_id, None)
        else:
            self._chosen[stage.stage_id] = numbers[place]
        return True

    @on(Tree.NodeHighlighted)
    def _moved(self, event: Tree.NodeHighlighted[JsonPlace]) -> None:
        event.stop()
        self._say()

    # -- reading, copying, saving ----------------------------------------------------------------

    @property
    def _cursor_value(self) -> Json:
        """What stands under the cursor, whole; of a line of a long string that string."""
        node = self.view.cursor_node
        while node is not None and node.data is None and node.parent is not None:
            node = node.parent
        place = node.data if node is not None else None
        if place is None:
            return None
        return self._large.get(place.path, place.value)

    def copied(self) -> str:
        value = self._cursor_value
        return value if isinstance(value, str) else json_text(value)

    @on(Tree.NodeSelected)
    def _selected(self, event: Tree.NodeSelected[JsonPlace]) -> None:
        event.stop()
        path = self.view.cursor_path
        if path is None:
            node = event.node.parent
            path = node.data.path if node is not None and node.data is not None else None
        if path is None:
            return
        if len(path) == 3 and path[1] == ARTIFACTS:
            self.run_worker(self._open_artifact(path[0], path[2]), group="artifact", exclusive=True)
            return
        value, title = self._cursor_value, f"{self.run_id[:8]} {' '.join(path)}"
        if isinstance(value, str) and (len(value) > SHORT_STRING or "\n" in value):
            self.post_message(self.Reads(title, value, f"{title}.txt"))
        elif path in self._large:
            self.run_worker(self._read_large(title, value), group="large", exclusive=True)

    async def _read_large(self, title: str, value: Json) -> None:
        self.post_message(self.Reads(title, await asyncio.to_thread(json_text, value), f"{title}.json"))

    async def _open_artifact(self, stage_id: str, name: str) -> None:
        try:
            found = await self.source().inspector.artifact(self.run_id, stage_id, name)
        except EngineError as error:
            self.post_message(self.Says(str(error), problem=True))
            return
        if found is None:
            self.post_message(self.Says(f"{name} is no longer there", problem=True))
            return
        text = as_text(found.content)
        if text is None:
            self.post_message(self.Says(f"{name} is no text ({found.media_type}): e saves it"))
        else:
            self.post_message(self.Reads(name, text, name, found.content))

    async def export(self) -> str | None:
        path = self.view.cursor_path
        if path is not None and len(path) == 3 and path[1] == ARTIFACTS:
            found = await self.source().inspector.artifact(self.run_id, path[0], path[2])
            return None if found is None else str(save(path[2], found.content))
        value = self._cursor_value
        name = file_name("-".join((self.run_id[:8], *(path or ()))))
        text = await asyncio.to_thread(json_text, value)
        return str(save(f"{name}.json", text.encode("utf-8", "surrogatepass")))


def as_text(content: bytes) -> str | None:
    """The text of a file to read; None when it is none, or too large to read."""
    if len(content) > MOST_SHOWN or b"\x00" in content[:4096]:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
