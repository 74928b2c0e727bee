"""What the keys of a run do that only a run has: its past, its attempts, files, comparisons."""

from __future__ import annotations

from abc import abstractmethod

from engine.errors import EngineError
from engine.inspector import StageView
from wfconsole.run_diff import diff_attempts
from wfconsole.tui.panes.history import HistoryPane
from wfconsole.tui.panes.pane import RunLook, RunPane
from wfconsole.tui.panes.timeline import TimelinePane
from wfconsole.tui.screens.diff import DiffScreen
from wfconsole.tui.screens.operations import RunOperations
from wfconsole.tui.widgets.graph_view import GraphView


class RunKeys(RunOperations):
    """A screen of one run. `past` is the sequence of the event it is shown as of; None is now."""

    past: int | None = None

    @property
    @abstractmethod
    def pane(self) -> RunPane | None:
        """The visible tab, where it is one that is mounted on demand."""

    @abstractmethod
    def look(self) -> RunLook | None:
        """The run as it is shown."""

    @abstractmethod
    def export(self) -> str | None:
        """Write what a tab without a pane shows to a new file and give its path; None: there is nothing."""

    @abstractmethod
    def repaint(self) -> None:
        """Paint what is visible."""

    # -- the past --------------------------------------------------------------------------------

    def action_run_earlier(self) -> None:
        self._step(-1)

    def action_run_later(self) -> None:
        self._step(1)

    def _step(self, by: int) -> None:
        pane, look = self.pane, self.look()
        if look is None:
            return
        if pane is not None and pane.earlier(by):
            self.repaint()
            self.console.feed.poke(news=False)
            return
        sequences = [event.sequence for event in look.events]
        if not sequences:
            self.console.tell("the history of this run is not read yet: tab to Events", severity="warning")
            return
        here = look.past
        if here is None and isinstance(pane, HistoryPane):
            here = pane.sequence_under_cursor
            place = sequences.index(here) if here in sequences else len(sequences) - 1
            place = place if here != sequences[-1] else place + min(by, 0)
        else:
            place = sequences.index(here) + by if here in sequences else len(sequences) - 1 + min(by, 0)
        if place >= len(sequences):
            self.travel_to(None)
        else:
            self.travel_to(sequences[max(0, place)])

    def travel_to(self, sequence: int | None) -> None:
        """Show the run as of that event; None: as it is now."""
        self.past = sequence
        self.repaint()
        self.refresh_frame()

    # -- comparing -------------------------------------------------------------------------------

    def action_go_diff(self) -> None:
        """Two attempts of the stage looked at in Data or Timeline; elsewhere the last good run."""
        pane, look = self.pane, self.look()
        place = pane.attempt_under_cursor() if pane is not None else None
        stage = next((one for one in look.run.stages if place and one.stage_id == place[0]), None) if look else None
        if place is None or stage is None or len(stage.attempts) < 2:
            super().action_go_diff()
        else:
            self.run_worker(self._compare_attempts(stage, place[1]), group="diff", exclusive=True)

    async def _compare_attempts(self, stage: StageView, attempt: int) -> None:
        """That attempt with the one before; the first one with the second."""
        subject = self.subject()
        if subject is None:
            return
        try:
            found = await self.console.source().inspector.attempts(subject.id, stage.stage_id)
        except EngineError as error:
            self.console.tell(f"diff: {error}", severity="error")
            return
        place = max(1, next((at for at, one in enumerate(found) if one.attempt == attempt), len(found) - 1))
        if place < len(found):
            diff = diff_attempts(stage, found[place - 1], found[place])
            self.app.push_screen(DiffScreen(diff, ascii_only=self.console.settings.ascii))

    # -- what only some tabs can -----------------------------------------------------------------

    def action_run_fold(self) -> None:
        """Idle time of the timeline; else the group of the graph that has the focus."""
        pane, graph = self.pane, self.query_one(GraphView)
        if isinstance(pane, TimelinePane):
            pane.toggle_fold()
        elif not graph.display or not graph.toggle_fold():
            why = "z folds stages side by side in the graph, and idle time in the timeline"
            self.console.tell(why, severity="warning")

    def action_go_export(self) -> None:
        self.run_worker(self._export(), group="export", exclusive=True)

    async def _export(self) -> None:
        try:
            path = await self.pane.export() if self.pane is not None else self.export()
        except (EngineError, OSError) as error:
            self.console.tell(f"not saved: {error}", severity="error")
            return
        if path is None:
            self.console.tell("there is nothing to save here", severity="warning")
        else:
            self.console.tell(f"saved: {path}")
