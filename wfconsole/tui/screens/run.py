"""One run: graph, timeline, log, values, AI calls, history. Only what is visible is there, and asked for."""

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
from engine.inspector import Explanation, RunDetail, RunSummary
from engine.model.status import TERMINAL_RUN
from wfconsole.actions import OPEN, RUN_OPERATIONS, Action
from wfconsole.formatting import TimeMode
from wfconsole.run_actions import FOLD
from wfconsole.run_past import as_of
from wfconsole.tui.files import json_text, save
from wfconsole.tui.layout.attempt_bars import bars_of
from wfconsole.tui.layout.timeline import mini
from wfconsole.tui.panes.calls import CallsPane
from wfconsole.tui.panes.history import HistoryPane
from wfconsole.tui.panes.pane import RunLook, RunPane
from wfconsole.tui.panes.timeline import TimelinePane
from wfconsole.tui.panes.values import ValuesPane
from wfconsole.tui.run_events import History, read_events
from wfconsole.tui.screens.live import bindings_of
from wfconsole.tui.screens.log_keys import LogKeys
from wfconsole.tui.screens.pager import PagerScreen
from wfconsole.tui.screens.run_keys import RunKeys
from wfconsole.tui.teaching import in_run
from wfconsole.tui.widgets.graph_view import GraphView
from wfconsole.tui.widgets.line import Line, Text, spans_content
from wfconsole.tui.widgets.log_pane import LogBatch, LogPane
from wfconsole.tui.widgets.run_title import RunTitle
from wfconsole.tui.widgets.stage_facts import past_content, stage_content, why_content

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

PANES: dict[str, type[RunPane]] = {
    "timeline": TimelinePane,
    "data": ValuesPane,
    "ai": CallsPane,
    "events": HistoryPane,
}
TABS = ("graph", "timeline", "logs", "data", "ai", "events")
WITH_GRAPH = ("graph", "events")
WITH_LOG = ("graph", "logs")
LEAST_GRAPH = 5
BOX = 3
"""Lines of a stage drawn as a full box."""


class RunScreen(RunKeys, LogKeys):
    """The screen of one run id; `tab` is one of `TABS`."""

    PLACE = "run"
    TITLE_TEXT = "a run"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("run"), ("shift+tab", "go_previous_tab", "")]

    class Snapshot(Message):
        """The run as it is, and what the visible tab wants besides."""

        def __init__(
            self,
            run: RunDetail,
            explanation: Explanation,
            batch: LogBatch | None,
            events: History | None,
            pane: RunPane | None,
            found: object,
        ) -> None:
            super().__init__()
            self.run, self.explanation, self.batch, self.events = run, explanation, batch, events
            self.pane, self.found = pane, found

    class Missing(Message):
        """No such run."""

    def __init__(self, run_id: str, tab: str = "graph", stage_id: str | None = None) -> None:
        super().__init__()
        self.run_id = run_id
        self._tab = tab if tab in TABS else "graph"
        self._stage_id = stage_id
        self._run: RunDetail | None = None
        self._explanation: Explanation | None = None
        self._events: History = ()
        self._fitted: tuple[int, str, Size] | None = None
        self._looked: tuple[tuple[object, ...], RunDetail] | None = None
        self._status = f"{run_id}  …"

    def body(self) -> ComposeResult:
        ascii_only = self.console.settings.ascii
        with Container(id="run-detail"):
            yield RunTitle(TABS, ascii_only)
            yield GraphView(id="stage-graph", ascii_only=ascii_only)
            yield Line(id="mini-timeline")
            yield Text(id="stage-facts")
            yield Line(id="why")
            yield LogPane(self.run_id, ascii_only=ascii_only)

    def on_mount(self) -> None:
        self.call_later(self._show_tab, self._tab)

    @property
    def pane(self) -> RunPane | None:
        """The visible tab, where it is one that is mounted on demand."""
        found = self.query(f"#tab-{self._tab}") if self._tab in PANES else None
        return found.only_one(RunPane) if found else None

    # -- asking and painting ---------------------------------------------------------------------

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        inspector, pane, found = gateway.inspector, self.pane, None
        wants_events = self._tab == "graph" or self.past is not None or (pane is not None and pane.WANTS_EVENTS)
        try:
            run = await inspector.run(self.run_id)
            explanation = await inspector.explain(self.run_id)
            batch = await self.query_one(LogPane).read(gateway) if self._tab in WITH_LOG else None
            events = await read_events(inspector, self.run_id, self._events) if wants_events else None
            if pane is not None:
                found = await pane.read(gateway, news)
        except RunNotFound:
            return self.Missing()
        return self.Snapshot(run, explanation, batch, events, pane, found)

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self._run, self._explanation = message.run, message.explanation
        if message.events is not None:
            self._events = message.events
        if message.batch is not None:
            self.query_one(LogPane).take(message.batch)
            if message.batch.first or message.batch.full:
                self.console.feed.poke()
        if message.pane is not None and message.pane.is_mounted:
            message.pane.take(message.found)
        self.repaint()
        if self._stage_id is not None:
            stage_id, self._stage_id = self._stage_id, None
            self.query_one(GraphView).focused_stage = stage_id
            if self.pane is not None:
                self.pane.focus_stage(stage_id)
        self._fit_graph(message.run)
        self.refresh_frame()

    @on(Missing)
    def _say_missing(self) -> None:
        self._run, self._status = None, f"There is no run {self.run_id}.  Press escape."
        self._paint_lines(None)
        self.refresh_frame()

    def look(self) -> RunLook | None:
        """The run as it is shown: now, or as of the event chosen."""
        run, events, console = self._run, self._events, self.console
        if run is None:
            return None
        event = next((event for event in events if event.sequence == self.past), None)
        if event is None:
            return RunLook(run, events, console.now(), console.zone, console.time_mode)
        made_of = (run, len(events), event.sequence)
        if self._looked is None or self._looked[0] != made_of:
            self._looked = made_of, as_of(run, events, event.sequence)
        shown = self._looked[1]
        return RunLook(shown, events, event.occurred_at, console.zone, console.time_mode, event.sequence)

    def repaint(self) -> None:
        """Paint what is visible; what did not change costs nothing."""
        look = self.look()
        if look is not None and self.alive:
            self.query_one(GraphView).show(look.run, look.now)
            if self.pane is not None and self.pane.is_mounted:
                self.pane.paint(look)
        self._paint_lines(look)

    def _paint_lines(self, look: RunLook | None) -> None:
        now, settings = self.console.now(), self.console.settings
        shown = look.run if look is not None else self._status
        self.query_one(RunTitle).tell(shown, self._tab, look.now if look is not None else now)
        if look is None:
            self.query_one("#why", Line).show(why_content(None))
            return
        self._paint_mini(look)
        past = look.past is not None
        hint = in_run(look.run) if settings.demo else ""
        why = past_content(look.events, look.past, look.zone) if past else why_content(self._explanation, hint)
        self.query_one("#why", Line).show(why)
        stage_id = self.query_one(GraphView).focused_stage
        facts = stage_content(look.run, stage_id, look.now, look.zone, settings.ascii)
        self.query_one("#stage-facts", Text).show(facts)

    def _paint_mini(self, look: RunLook) -> None:
        line = self.query_one("#mini-timeline", Line)
        if self._tab == "graph" and line.size.width:
            bars = bars_of(look.run, look.events, look.now)
            planned, plain = [stage.stage_id for group in look.run.plan for stage in group], self.console.settings.ascii
            line.show(spans_content(mini(bars, line.size.width, planned=planned, ascii_only=plain)))

    def _fit_graph(self, run: RunDetail) -> None:
        """Room for full boxes where half of the place gives it; then no more than the graph takes."""
        place = self.query_one("#run-detail").size
        wanted = (max((len(group) for group in run.plan), default=1), self._tab, place)
        if wanted == self._fitted or not place.height or self._tab not in WITH_GRAPH:
            return
        self._fitted = wanted
        share = place.height // (2 if self._tab == "graph" else 3)
        graph, room = self.query_one(GraphView), min(BOX * wanted[0] + 1, share)
        graph.styles.height = max(LEAST_GRAPH, min(graph.rows_in(room) + 1, share))

    def on_resize(self) -> None:
        if self._run is not None:
            self.call_after_refresh(self._fit_graph, self._run)
            self.call_after_refresh(self.repaint)

    def tick(self) -> None:
        if self._run is not None and self.past is None and self._run.status not in TERMINAL_RUN:
            self.repaint()

    def show_times(self, mode: TimeMode) -> None:
        super().show_times(mode)
        self.repaint()

    # -- tabs ------------------------------------------------------------------------------------

    async def _show_tab(self, tab: str) -> None:
        stage_id = self.stage_under_cursor()
        self._tab = tab
        for known in TABS:
            self.set_class(known == tab, f"-tab-{known}")
        if tab in PANES and not self.query(f"#tab-{tab}"):
            pane = PANES[tab](self.run_id, self.console.source, ascii_only=self.console.settings.ascii)
            pane.id = f"tab-{tab}"
            await self.query_one("#run-detail").mount(pane)
        for shown in self.query(RunPane):
            shown.display = shown.id == f"tab-{tab}"
        self.query_one("#stage-graph").display = tab in WITH_GRAPH
        self.query_one("#log-pane").display = tab in WITH_LOG
        if self._run is not None:
            self.repaint()
            self.call_after_refresh(self._fit_graph, self._run)
        self._enter(stage_id)
        self.refresh_frame()
        self.console.feed.poke()

    def _enter(self, stage_id: str | None) -> None:
        """The focus goes to the tab, and in it to the stage the reader comes from."""
        pane = self.pane
        if pane is None:
            self.call_after_refresh(self.query_one("#stage-graph" if self._tab == "graph" else "#logs").focus)
            if stage_id is not None and self._tab == "graph":
                self.query_one(GraphView).focused_stage = stage_id
            return
        self.call_after_refresh(pane.enter)
        if stage_id is not None:
            pane.focus_stage(stage_id)

    async def action_go_next_tab(self) -> None:
        await self._show_tab(TABS[(TABS.index(self._tab) + 1) % len(TABS)])

    async def action_go_previous_tab(self) -> None:
        await self._show_tab(TABS[TABS.index(self._tab) - 1])

    @on(RunTitle.Chosen)
    async def _tab_clicked(self, event: RunTitle.Chosen) -> None:
        await self._show_tab(event.tab)

    @on(GraphView.Focused)
    def _stage_focused(self, event: GraphView.Focused) -> None:
        event.stop()
        self._paint_lines(self.look())

    @on(GraphView.Opened)
    async def _stage_opened(self, event: GraphView.Opened) -> None:
        event.stop()
        await self._show_tab("data")

    @on(TimelinePane.Opened)
    async def _attempt_opened(self, event: TimelinePane.Opened) -> None:
        event.stop()
        await self._show_tab("data")
        if isinstance(self.pane, ValuesPane) and self._run is not None:
            self.pane.choose(self._run, event.stage_id, event.attempt)

    @on(RunPane.Reads)
    def _read(self, event: RunPane.Reads) -> None:
        event.stop()
        self.app.push_screen(PagerScreen(event.title, event.text, content=event.content, file_name=event.file_name))

    @on(RunPane.Wants)
    def _ask_again(self, event: RunPane.Wants) -> None:
        event.stop()
        self.console.feed.poke(news=False)

    @on(RunPane.Says)
    def _say(self, event: RunPane.Says) -> None:
        event.stop()
        self.console.tell(event.text, severity="warning" if event.problem else "information")

    # -- what actions are about ------------------------------------------------------------------

    def subject(self) -> RunSummary | None:
        return self._run

    def stage_under_cursor(self) -> str | None:
        pane = self.pane
        if pane is not None and pane.is_mounted:
            return pane.stage_under_cursor()
        graphs = self.query(GraphView)
        return graphs.first().focused_stage if graphs and self._run is not None else None

    def why_not(self, action: Action) -> str | None:
        if self.past is not None and action in RUN_OPERATIONS:
            return "this is the past: escape goes back to now"
        return super().why_not(action)

    def offers(self) -> Sequence[Action]:
        hidden = [OPEN] if self._tab == "logs" else []
        hidden += [FOLD] if self._tab not in ("timeline", *WITH_GRAPH) else []
        return [action for action in super().offers() if action not in hidden]

    def step_back(self) -> bool:
        if super().step_back() or (self.pane is not None and self.pane.step_back()):
            return True
        if self.past is None:
            return False
        self.travel_to(None)
        return True

    async def action_list_filter(self) -> None:
        if self._tab not in WITH_LOG:
            await self._show_tab("logs")
        self.query_one(LogPane).edit_search()

    async def action_log_follow(self) -> None:
        if self._tab == "logs":
            self.query_one(LogPane).toggle_follow()
        else:
            await self._show_tab("logs")
            self.query_one(LogPane).log_view.follow()

    def copied(self) -> str:
        line = self.query_one(LogPane).log_view.current_line if self._tab == "logs" else None
        if line is not None:
            return line.message
        return (self.pane.copied() if self.pane is not None else "") or self.run_id

    def export(self) -> str | None:
        """The log as it is shown; in the graph the whole run as JSON."""
        if self._run is None:
            return None
        if self._tab == "logs":
            lines = [line.model_dump_json() for line in self.query_one(LogPane).log_view.shown_lines()]
            return str(save(f"{self.run_id[:8]}-log.jsonl", "\n".join([*lines, ""]).encode())) if lines else None
        text = json_text(self._run.model_dump(mode="json"))
        return str(save(f"{self.run_id[:8]}-run.json", text.encode("utf-8", "surrogatepass")))
