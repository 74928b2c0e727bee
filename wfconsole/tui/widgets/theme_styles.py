"""Theme variables as Rich styles, for widgets that paint their own lines."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError
from textual.strip import Strip
from textual.widget import Widget

from engine.model.status import LogLevel

LEVEL_VARIABLES = {
    LogLevel.DEBUG: "level-debug",
    LogLevel.INFO: "level-info",
    LogLevel.WARN: "level-warn",
    LogLevel.ERROR: "level-error",
}


BRIGHT = Style(color="bright_white", dim=False)


def under_cursor(app: App[object], strip: Strip) -> Strip:
    """The cursor's line: on the blue of a terminal's own sixteen colours only one ink can be read."""
    if not app.current_theme.ansi:
        return strip
    lit = [Segment(text, (style or Style.null()) + BRIGHT) for text, style, _ in strip]
    return Strip(lit, strip.cell_length)


class ThemeStyles:
    """The styles of one widget, each worked out once: `forget` whenever its styles are updated.

    Textual composes a widget's style from all its ancestors each time it is asked for one.
    """

    def __init__(self) -> None:
        self._known: dict[str, Style] = {}
        self._plain: Style | None = None
        self._components: dict[str, Style] = {}

    def forget(self) -> None:
        self._known.clear()
        self._components.clear()
        self._plain = None

    def get(self, app: App[object], variable: str) -> Style:
        """The foreground style of a theme variable (no `$`); plain when it is missing or no colour."""
        style = self._known.get(variable)
        if style is None:
            style = self._known[variable] = _parse(app.theme_variables.get(variable, ""))
        return style

    def plain(self, widget: Widget) -> Style:
        """The widget's own style, with the background it stands on."""
        if self._plain is None:
            self._plain = widget.rich_style
        return self._plain

    def component(self, widget: Widget, name: str) -> Style:
        """The style of one of the widget's component classes, over its own."""
        style = self._components.get(name)
        if style is None:
            style = self._components[name] = self.plain(widget) + widget.get_component_rich_style(name)
        return style


def _parse(value: str) -> Style:
    try:
        return Style(color=Color.parse(value).rich_color) if value else Style()
    except ColorParseError:
        return Style()
