"""The stage graph of a definition: no run, nothing reached."""

from __future__ import annotations

from collections.abc import Sequence

from wfconsole.tui.layout.stage_graph import GraphNode
from wfconsole.tui.widgets.graph_view import GraphView


class DefinitionGraph(GraphView):
    """To look at: `show_plan` draws it. Can be scrolled by mouse, takes no focus."""

    can_focus = False

    def show_plan(self, nodes: Sequence[GraphNode]) -> None:
        """Show these stages; an equal plan costs nothing."""
        if list(nodes) != self._stages:
            self._stages, self._focused = list(nodes), None
            self.scroll_home(animate=False)
            self._draw()
            self.refresh()
