"""Draws terminal text with ANSI colours as an SVG.

rich could export it, but its pictures load fonts from the web and change with its version.
"""

from __future__ import annotations

import io
from html import escape

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME as THEME
from rich.text import Text

CELL, LINE, SIZE, MARGIN = 8.43, 17, 14, 16
"""A cell's width, a line's height, the letters' size and the border, in pixels."""

FONTS = "'DejaVu Sans Mono', Menlo, Consolas, monospace"


def svg(ansi: str, title: str) -> str:
    """The SVG of the terminal text `ansi`; `title` is what a screen reader says."""
    lines = ansi.rstrip("\n").split("\n")
    console = Console(file=io.StringIO(), color_system="truecolor", force_terminal=True)
    drawn: list[str] = []
    columns = 0
    for row, line in enumerate(lines):
        column = 0
        for segment in Text.from_ansi(line).render(console):
            text = segment.text.removesuffix("\n")
            if text:
                drawn += _segment(text, segment.style or Style(), row, column)
            column += cell_len(text)
        columns = max(columns, column)
    paper, ink = _hex(THEME.background_color), _hex(THEME.foreground_color)
    width = round(columns * CELL + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{paper}"/>',
            f'<g font-family="{FONTS}" font-size="{SIZE}" fill="{ink}">',
            *drawn,
            "</g>",
            "</svg>\n",
        ]
    )


def _segment(text: str, style: Style, row: int, column: int) -> list[str]:
    """The elements of one stretch of text of one style: its background, and its letters."""
    drawn = []
    y = MARGIN + row * LINE
    if style.bgcolor is not None:
        colour = style.bgcolor.get_truecolor(THEME, foreground=False).hex
        x, width = _number(MARGIN + column * CELL), _number(cell_len(text) * CELL)
        drawn.append(f'<rect x="{x}" y="{y}" width="{width}" height="{LINE}" fill="{colour}"/>')
    # Not every viewer keeps the spaces at the ends of a text.
    if letters := text.strip():
        column += cell_len(text) - cell_len(text.lstrip())
        x, width = _number(MARGIN + column * CELL), _number(cell_len(letters) * CELL)
        colour = "" if style.color is None else f' fill="{style.color.get_truecolor(THEME).hex}"'
        weight = ' font-weight="bold"' if style.bold else ""
        dim = ' opacity="0.6"' if style.dim else ""
        # No font is as wide as another: the length makes the columns line up in all of them.
        drawn.append(
            f'<text x="{x}" y="{y + SIZE - 1}" textLength="{width}"{colour}{weight}{dim}>'
            f"{escape(letters, quote=False).replace(' ', '&#160;')}</text>"
        )
    return drawn


def _number(length: float) -> str:
    return f"{length:.1f}".removesuffix(".0")


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
