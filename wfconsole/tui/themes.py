"""Themes are TOML files: colours by name, and the variables the console draws with."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from platformdirs import user_config_path
from textual.color import Color, ColorParseError
from textual.theme import Theme

DEFAULT = "dark"

VARIABLES: Mapping[str, str] = {
    "status-queued": "#93a0b0",
    "status-running": "#6db1f2",
    "status-retrying": "#d3a55d",
    "status-waiting": "#b592da",
    "status-ok": "#83b87f",
    "status-failed": "#e9747d",
    "status-cancelled": "#949ea9",
    "status-skipped": "#7f8996",
    "level-debug": "#7f8996",
    "level-info": "#8fb2cf",
    "level-warn": "#d3a55d",
    "level-error": "#e9747d",
    "quiet": "#7f8996",
    "rule": "#2b333d",
    "bar": "#1a2028",
    "cursor-row": "#26303c",
    "mark": "#d3a55d",
}
"""What a theme may leave out: Textual's own themes know nothing of a run's status."""

_COLOURS = (
    "secondary",
    "warning",
    "error",
    "success",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
)


_ANSI = {
    "ansi-background": "ansi_black",
    "ansi-foreground": "ansi_white",
    "border-blurred": "ansi_black",
    "block-cursor-foreground": "ansi_black",
    "block-cursor-background": "ansi_white",
    "input-cursor-background": "ansi_white",
    "input-cursor-foreground": "ansi_black",
    "input-selection-background": "ansi_bright_blue",
    "input-selection-foreground": "ansi_black",
    "screen-selection-background": "ansi_bright_blue",
    "screen-selection-foreground": "ansi_black",
}
"""What Textual wants of a theme that keeps to the terminal's own colours."""


class ThemeError(ValueError):
    """A theme file can't be used; the sentence names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Themes:
    """What was found: the usable themes by name, and one line for each file that is not usable."""

    found: Mapping[str, Theme]
    warnings: tuple[str, ...]


def usable_colour(value: str | None) -> str:
    """The colour as `#rrggbb`; empty when there is none, or it is not one."""
    try:
        return Color.parse(value).hex6 if value else ""
    except ColorParseError:
        return ""


def _colour(where: str, field: str, value: object) -> str:
    if not isinstance(value, str):
        raise ThemeError(f"theme {where}: {field} must be a colour in quotes")
    try:
        Color.parse(value)
    except ColorParseError as error:
        raise ThemeError(f"theme {where}: {field} = {value!r} is no colour") from error
    return value


def parse_theme(text: str, where: str) -> Theme:
    """The theme of a TOML text; raises `ThemeError` naming `where` and the field."""
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ThemeError(f"theme {where}: {error}") from error
    name, variables = fields.pop("name", None), fields.pop("variables", {})
    dark, ansi = fields.pop("dark", True), fields.pop("ansi", False)
    if not isinstance(name, str) or not name.strip():
        raise ThemeError(f"theme {where}: it needs a name")
    if not isinstance(variables, dict) or not all(isinstance(one, bool) for one in (dark, ansi)):
        raise ThemeError(f"theme {where}: `variables` must be a table, `dark` and `ansi` true or false")
    if unknown := sorted(set(fields) - {"primary", *_COLOURS}):
        raise ThemeError(f"theme {where}: unknown field {unknown[0]!r}")
    if unknown := sorted(set(variables) - set(VARIABLES)):
        raise ThemeError(f"theme {where}: unknown variable {unknown[0]!r}")
    colours = {field: _colour(where, field, value) for field, value in fields.items()}
    if "primary" not in colours:
        raise ThemeError(f"theme {where}: it needs a primary colour")
    return Theme(
        name=name,
        dark=dark,
        ansi=ansi,
        primary=colours["primary"],
        secondary=colours.get("secondary"),
        warning=colours.get("warning"),
        error=colours.get("error"),
        success=colours.get("success"),
        accent=colours.get("accent"),
        foreground=colours.get("foreground"),
        background=colours.get("background"),
        surface=colours.get("surface"),
        panel=colours.get("panel"),
        boost="ansi_default" if ansi else None,
        variables={
            **(_ANSI if ansi else {}),
            **{key: _colour(where, key, value) for key, value in variables.items()},
        },
    )


def _shipped() -> Traversable:
    packed = resources.files("wfconsole") / "_data" / "themes"
    return packed if packed.is_dir() else Path(__file__).resolve().parents[2] / "themes"


def user_folder() -> Path:
    """Where the operator's own themes live."""
    return user_config_path("wfconsole") / "themes"


def _files(folder: Traversable) -> Iterable[Traversable]:
    if not folder.is_dir():
        return []
    return sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)


def stamp(own: Path | None = None) -> tuple[tuple[str, int], ...]:
    """Changes when a file of the operator's folder does."""
    folder = own or user_folder()
    try:
        return tuple(sorted((item.name, item.stat().st_mtime_ns) for item in folder.glob("*.toml")))
    except OSError:
        return ()


def load_themes(own: Path | None = None) -> Themes:
    """The shipped themes and the operator's, whose file wins over a shipped one of the same name."""
    found: dict[str, Theme] = {}
    warnings: list[str] = []
    for folder in (_shipped(), own or user_folder()):
        for file in _files(folder):
            try:
                theme = parse_theme(file.read_text(encoding="utf-8"), file.name)
            except ThemeError as error:
                warnings.append(str(error))
            except (OSError, UnicodeDecodeError) as error:
                warnings.append(f"theme {file.name}: {error}")
            else:
                found[theme.name] = theme
    return Themes(found, tuple(warnings))
