"""Theme variables as Rich styles, for widgets that paint their own lines."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError
from textual.strip import Strip

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
    """Looks up theme variables of an app; `forget` after a change of theme."""

    def __init__(self) -> None:
        self._known: dict[str, Style] = {}

    def forget(self) -> None:
        self._known.clear()

    def get(self, app: App[object], variable: str) -> Style:
        """The foreground style of a theme variable (no `$`); plain when it is missing or no colour."""
        style = self._known.get(variable)
        if style is None:
            style = self._known[variable] = _parse(app.theme_variables.get(variable, ""))
        return style


def _parse(value: str) -> Style:
    try:
        return Style(color=Color.parse(value).rich_color) if value else Style()
    except ColorParseError:
        return Style()
