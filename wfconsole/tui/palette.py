"""The command palette: what the place's keys do, by name; and the themes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from wfconsole.actions import actions_of
from wfconsole.tui.screens.live import LiveScreen


class ActionCommands(Provider):
    """Offers every action of the place the palette was opened in."""

    def _commands(self) -> Iterator[tuple[str, str, str]]:
        if isinstance(self.screen, LiveScreen):
            for action in actions_of(self.screen.PLACE):
                if action.key not in ("enter", "escape"):
                    yield f"{action.label}  ({action.key})", action.help, action.method
        yield "theme  (:theme)", "choose a theme, painted as you look at it", "app.choose_theme"

    async def discover(self) -> Hits:
        for name, help_text, method in self._commands():
            yield DiscoveryHit(name, partial(self.screen.run_action, method), help=help_text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, help_text, method in self._commands():
            score = matcher.match(f"{name} {help_text}")
            if score > 0:
                shown = matcher.highlight(name)
                yield Hit(score, shown, partial(self.screen.run_action, method), text=name, help=help_text)
