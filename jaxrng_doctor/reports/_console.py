"""Renders rows of styled text for a terminal.

Text from the user is never interpreted as rich markup, and its control characters are escaped.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.theme import Theme

from jaxrng_doctor.reports._layout import Layout, Row, visible
from jaxrng_doctor.reports.options import RenderOptions

_MIN_WIDTH = 40

_STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "note": "bold cyan",
    "help": "bold green",
    "secondary": "bold bright_blue",
    "gutter": "bright_blue",
    "title": "bold",
    "dim": "dim",
}


class Page:
    """A page of rows, `options.width` but at least 40 cells wide."""

    def __init__(self, options: RenderOptions) -> None:
        width = max(options.width, _MIN_WIDTH)
        self.layout = Layout(width, options.root, cell_len)
        self.colored = options.color
        self.console = _console(options.color, width)

    def text(self) -> str:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()

    def put(self, rows: Iterable[Row]) -> None:
        # Rows are already wrapped. Laying out ten thousand of them again with rich would be slow.
        for row in rows:
            pieces = list(row)
            while pieces and not pieces[-1][0].rstrip():
                pieces.pop()
            if pieces:
                text, style = pieces[-1]
                pieces[-1] = (text.rstrip(), style)
            self.console.file.write("".join(self._styled(*piece) for piece in pieces) + "\n")

    def _styled(self, text: str, style: str) -> str:
        if not self.colored or not style:
            return text
        return self.console.get_style(style).render(text, color_system=ColorSystem.EIGHT_BIT)

    def blank(self) -> None:
        self.console.print()

    def rule(self, name: str) -> Row:
        """A line with the target's name. A name that is too long is cut at its beginning."""
        name = visible(name)
        room = self.layout.width - 6
        if cell_len(name) > room:
            while cell_len(name) > room - 1:
                name = name[1:]
            name = f"…{name}"
        dashes = self.layout.width - 4 - cell_len(name)
        return (("── ", "gutter"), (name, "title"), (" " + "─" * dashes, "gutter"))


def _console(color: bool, width: int) -> Console:
    # Everything is set explicitly, so that environment variables do not change the text. Without
    # a height, rich assumes that dumb terminals are 80 cells wide.
    return Console(
        file=io.StringIO(),
        width=width,
        height=25,
        force_terminal=color,
        force_jupyter=False,
        color_system="256" if color else None,
        no_color=not color,
        theme=Theme(_STYLES),
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
