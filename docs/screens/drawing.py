"""A screen of the console as a small SVG: no font to fetch, a rectangle a patch of colour, a text a few words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import Color, blend_rgb
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI, TerminalTheme
from textual.app import App
from textual.strip import Strip

WIDE, HIGH, MARGIN = 8.43, 17, 10
"""Pixels: a cell at 14 px, and what is left free around them all."""

FONTS = "ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace"
_WORDS = re.compile(r"\S+(?: \S+)*")


class Look(NamedTuple):
    ink: str
    paper: str
    bold: bool
    italic: bool
    underline: bool

    @property
    def css(self) -> str:
        shapes = {"font-weight:700": self.bold, "font-style:italic": self.italic}
        shapes["text-decoration:underline"] = self.underline
        return ";".join([f"fill:{self.ink}", *(rule for rule, so in shapes.items() if so)])


def drawn(app: App[None]) -> str:
    """What stands on the screen now."""
    (columns, rows), theme = app.size, _terminal(app)
    base = theme.background_color.hex
    classes: dict[str, str] = {}
    patches, words = [], []
    for row, strip in enumerate(app.screen._compositor.render_strips()):
        top = MARGIN + row * HIGH
        looks = list(_runs(strip, theme))
        for paper, alike in groupby(looks, key=lambda run: run[2].paper):
            painted = list(alike)
            if paper != base:
                place = _place(painted[0][0], top, sum(cell_len(text) for _, text, _ in painted), "width")
                patches.append(f'<rect {place} height="{HIGH}" fill="{paper}"/>')
        for at, text, look in looks:
            for hit in _WORDS.finditer(text):
                name = classes.setdefault(look.css, f"s{len(classes)}")
                place = _place(at + cell_len(text[: hit.start()]), top + 13, cell_len(hit[0]), "textLength")
                words.append(f'<text class="{name}" {place}>{escape(hit[0], quote=False)}</text>')
    wide, high = round(columns * WIDE + 2 * MARGIN), rows * HIGH + 2 * MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-size="14" font-family="{FONTS}">'
    style = "".join(f".{name}{{{css}}}" for css, name in classes.items())
    # Patches that touch must not show a seam.
    ground = f'<rect width="{wide}" height="{high}" rx="8" fill="{base}"/>'
    return "\n".join(
        [
            head,
            f"<style>{style}</style>",
            ground,
            '<g shape-rendering="crispEdges">',
            *patches,
            "</g>",
            *words,
            "</svg>",
            "",
        ]
    )


def _place(at: int, y: int, cells: int, length: str) -> str:
    return f'x="{MARGIN + at * WIDE:.5g}" y="{y}" {length}="{cells * WIDE:.5g}"'


def _terminal(app: App[None]) -> TerminalTheme:
    """A terminal of the theme's own colours; some terminal where the theme leaves them to it."""
    theme = app.current_theme
    if theme.ansi:
        return DIMMED_MONOKAI
    inks = [Color.parse(colour or "#000000").get_truecolor() for colour in (theme.background, theme.foreground)]
    return TerminalTheme(inks[0], inks[1], [*DEFAULT_TERMINAL_THEME.ansi_colors._colors][:8])


def _runs(strip: Strip, theme: TerminalTheme) -> Iterator[tuple[int, str, Look]]:
    """Neighbours that look the same, with the column they begin at."""
    at, begun, text, before = 0, 0, "", None
    for segment in strip:
        look = _look(segment.style or Style.null(), theme)
        if before is not None and look != before:
            yield begun, text, before
            begun, text = at, ""
        text, before = text + segment.text, look
        at += segment.cell_length
    if before is not None:
        yield begun, text, before


def _look(style: Style, theme: TerminalTheme) -> Look:
    ink = style.color.get_truecolor(theme) if style.color else theme.foreground_color
    paper = style.bgcolor.get_truecolor(theme, foreground=False) if style.bgcolor else theme.background_color
    if style.reverse:
        ink, paper = paper, ink
    if style.dim:
        ink = blend_rgb(paper, ink, 0.6)
    return Look(ink.hex, paper.hex, bool(style.bold), bool(style.italic), bool(style.underline))
