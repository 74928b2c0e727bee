"""One run: stage graph, log, data, events. Tabs show and hide widgets; only what is visible is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.geometry import Size
from textual.message import Message

from engine.errors import RunNotFound
from engine.inspector import EventView, Explanation, RunDetail, RunSummary
from engine.model.json import Json
from engine.model.status import TERMINAL_RUN
from wfconsole.actions import OPEN, Action
from wfconsole.tui.screens.live import bindings_of
from wfconsole.tui.screens.log_keys import LogKeys
from wfconsole.tui.screens.operations import RunOperations
from wfconsole.tui.widgets.event_table import EventTable
from wfconsole.tui.widgets.graph_view import GraphView
from wfconsole.tui.widgets.json_view import JsonView
from wfconsole.tui.widgets.line import Line, Text
from wfconsole.tui.widgets.log_pane import LogBatch, LogPane
from wfconsole.tui.widgets.run_title import RunTitle
from wfconsole.tui.widgets.stage_facts import stage_content, why_content

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

TABS = ("graph", "logs", "data", "events")
LEAST_GRAPH = 5
BOX = 3
"""Lines of a stage drawn as a full box."""


def sections_of(run: RunDetail) -> dict[str, Json]:
    """What the Data tab shows, by name: the run's values, then each stage's."""
    sections: dict[str, Json] = {"input": run.input, "output": run.output, "config": run.config}
    if run.error:
        sections["error"] = run.error
    for stage in run.stages:
        values = {"input": stage.input, "output": stage.output, "config": stage.config}
        values["error"], values["metrics"] = stage.error, stage.metrics
        values["artifacts"] = [artifact.model_dump(mode="json") for artifact in stage.artifacts]
        sections[stage.stage_id] = {name: value for name, value in values.items() if value not in (None, [], {})}
    return sections


class RunScreen(LogKeys, RunOperations):
    """The screen of one run id; `tab` is one of graph, logs, data, events."""

    PLACE = "run"
    TITLE_TEXT = "a run"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("run"), ("shift+tab", "go_previous_tab", "")]

    class Snapshot(Message):
        """The run as it is, and what the visible tab wants besides."""

        def __init__(
            self,
            run: RunDetail,
            explanation: Explanation,
            batch: LogBatch,
            events: Sequence[EventView] | None,
        ) -> None:
            super().__init__()
            self.run, self.explanation, self.batch, self.events = run, explanation, batch, events

    class Missing(Message):
        """No such run."""

    def __init__(self, run_id: str, tab: str = "graph", stage_id: str | None = None) -> None:
        super().__init__()
        self.run_id = run_id
        self._tab = tab if tab in TABS else "graph"
        self._stage_id = stage_id
        self._run: RunDetail | None = None
        self._explanation: Explanation | None = None
        self._sections: dict[str, Json] = {}
        self._fitted: tuple[int, Size] | None = None
        self._status = f"{run_id}  …"

    def body(self) -> ComposeResult:
        ascii_only = self.console.settings.ascii
        with Container(id="run-detail"):
            yield RunTitle(TABS, ascii_only)
            yield GraphView(id="stage-graph", ascii_only=ascii_only)
            yield Text(id="stage-facts")
            yield Line(id="why")
            yield LogPane(self.run_id, ascii_only=ascii_only)
            yield JsonView(id="data")
            yield EventTable(id="events")

    def on_mount(self) -> None:
        self._show_tab(self._tab)

    # -- asking and painting ---------------------------------------------------------------------

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        inspector, pane = gateway.inspector, self.query_one(LogPane)
        try:
            run = await inspector.run(self.run_id)
            explanation = await inspector.explain(self.run_id)
            batch = await pane.read(gateway)
        except RunNotFound:
            return self.Missing()
        events = (await inspector.events(self.run_id)).items if self._tab == "events" else None
        return self.Snapshot(run, explanation, batch, events)

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self._run, self._explanation = message.run, message.explanation
        self.query_one(LogPane).take(message.batch)
        if message.batch.first or message.batch.full:
            self.console.feed.poke()
        graph, now = self.query_one(GraphView), self.console.now()
        graph.show(message.run, now)
        if self._stage_id is not None:
            graph.focused_stage, self._stage_id = self._stage_id, None
        self._fit_graph(message.run)
        if self._tab == "data":
            self._paint_data()
        if message.events is not None:
            self.query_one(EventTable).tell(message.events, self.console.zone)
        self._paint_lines()
        self.refresh_frame()

    @on(Missing)
    def _say_missing(self) -> None:
        self._run, self._status = None, f"There is no run {self.run_id}.  Press escape."
        self._paint_lines()
        self.refresh_frame()

    def _fit_graph(self, run: RunDetail) -> None:
        """Room for full boxes where half of the place gives it; then no more than the graph takes."""
        place = self.query_one("#run-detail").size
        wanted = (max((len(group) for group in run.plan), default=1), place)
        if wanted == self._fitted or not place.height:
            return
        self._fitted = wanted
        self._set_graph_height(min(BOX * wanted[0] + 1, place.height // 2))
        self.call_after_refresh(self._shrink_graph)

    def on_resize(self) -> None:
        if self._run is not None:
            self.call_after_refresh(self._fit_graph, self._run)

    def _shrink_graph(self) -> None:
        graph = self.query_one(GraphView)
        if graph.virtual_size.height + 1 < graph.size.height:
            self._set_graph_height(graph.virtual_size.height + 1)

    def _set_graph_height(self, height: int) -> None:
        self.query_one(GraphView).styles.height = max(LEAST_GRAPH, height)

    def _paint_lines(self) -> None:
        now, settings = self.console.now(), self.console.settings
        self.query_one(RunTitle).tell(self._run or self._status, self._tab, now)
        self.query_one("#why", Line).show(why_content(self._explanation))
        if self._run is not None:
            stage_id = self.query_one(GraphView).focused_stage
            shown = stage_content(self._run, stage_id, now, self.console.zone, settings.ascii)
            self.query_one("#stage-facts", Text).show(shown)

    def _paint_data(self) -> None:
        if self._run is not None and (sections := sections_of(self._run)) != self._sections:
            self._sections = sections
            self.query_one(JsonView).show(sections)

    def tick(self) -> None:
        if self._run is not None and self._run.status not in TERMINAL_RUN:
            self.query_one(GraphView).show(self._run, self.console.now())
            self._paint_lines()

    # -- tabs and keys ---------------------------------------------------------------------------

    def _show_tab(self, tab: str) -> None:
        self._tab = tab
        for known in TABS:
            self.set_class(known == tab, f"-tab-{known}")
        target = {"graph": "#stage-graph", "logs": "#logs", "data": "#data", "events": "#events"}[tab]
        self._paint_data()
        self._paint_lines()
        self.call_after_refresh(self.query_one(target).focus)
        self.console.feed.poke()

    def action_go_next_tab(self) -> None:
        self._show_tab(TABS[(TABS.index(self._tab) + 1) % len(TABS)])

    def action_go_previous_tab(self) -> None:
        self._show_tab(TABS[TABS.index(self._tab) - 1])

    @on(RunTitle.Chosen)
    def _tab_clicked(self, event: RunTitle.Chosen) -> None:
        self._show_tab(event.tab)

    def subject(self) -> RunSummary | None:
        return self._run

    def stage_under_cursor(self) -> str | None:
        return self.query_one(GraphView).focused_stage if self._tab == "graph" else None

    def offers(self) -> Sequence[Action]:
        return [action for action in super().offers() if action is not OPEN or self._tab in ("graph", "data")]

    @on(GraphView.Focused)
    def _stage_focused(self, event: GraphView.Focused) -> None:
        event.stop()
        self._paint_lines()

    @on(GraphView.Opened)
    def _stage_opened(self, event: GraphView.Opened) -> None:
        event.stop()
        self._show_tab("data")

    def action_list_filter(self) -> None:
        if self._tab not in ("graph", "logs"):
            self._show_tab("logs")
        self.query_one(LogPane).edit_search()

    def action_log_follow(self) -> None:
        if self._tab == "logs":
            self.query_one(LogPane).toggle_follow()
        else:
            self._show_tab("logs")
            self.query_one(LogPane).log_view.follow()

    def copied(self) -> str:
        line = self.query_one(LogPane).log_view.current_line if self._tab == "logs" else None
        return line.message if line is not None else self.run_id
