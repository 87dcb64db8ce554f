"""The page that is written for human eyes: in come rows of styled pieces, out comes their text.

The user's own text is only ever data: it is never read as rich's markup, and no character of it
steers the terminal.
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
    """Rows one under the other, at least 40 cells wide whatever `options.width` asks for."""

    def __init__(self, options: RenderOptions) -> None:
        width = max(options.width, _MIN_WIDTH)
        self.layout = Layout(width, options.root, cell_len)
        self.colored = options.color
        self.console = _console(options.color, width)

    def text(self) -> str:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()

    def put(self, rows: Iterable[Row]) -> None:
        # Every row fits already, or is meant to be left whole: there is nothing for rich to lay
        # out, and it would take its time for ten thousand rows.
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
        """The target's name in a line; a name too long loses its beginning, not the function."""
        name = visible(name)
        room = self.layout.width - 6
        if cell_len(name) > room:
            while cell_len(name) > room - 1:
                name = name[1:]
            name = f"…{name}"
        dashes = self.layout.width - 4 - cell_len(name)
        return (("── ", "gutter"), (name, "title"), (" " + "─" * dashes, "gutter"))


def _console(color: bool, width: int) -> Console:
    # All is said here, so that no variable of the environment changes the text. Without the
    # height, rich takes a dumb terminal to be 80 cells wide.
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
