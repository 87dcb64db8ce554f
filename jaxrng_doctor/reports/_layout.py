"""What every part of the terminal report shares: rows, and text made safe and made to fit.

In: text of the user's, of the rules' or ours. Out: rows of styled pieces. Nothing here knows
how a terminal is driven; cells are counted by the `measure` that the caller hands in, since a
wide character takes two and a combining one none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from jaxrng_doctor._util import paths
from jaxrng_doctor._util.source import char_column
from jaxrng_doctor.model.findings import Place

Piece = tuple[str, str]
"""A text and the name of its style; `""` is the terminal's own."""

Row = tuple[Piece, ...]

_JOINERS = "\u200c\u200d"
"""Invisible, but letters and emoji need them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The room there is: `width` in cells, and the folder that paths are shown from."""

    width: int
    root: str
    measure: Callable[[str], int]

    def wrap(self, text: str, room: int, first: int | None = None) -> list[str]:
        """`text`, made visible, in lines of at most `room` cells, broken at spaces where it can.

        The first line has only `first` cells, and stays empty where no word fits in them.
        """
        lines: list[str] = []
        for paragraph in text.split("\n"):
            line = ""
            for word in visible(paragraph).split():
                limit = room if lines or first is None else first
                longer = f"{line} {word}" if line else word
                if self.measure(longer) <= limit:
                    line = longer
                    continue
                if line or limit < room:
                    lines.append(line)
                *full, line = self._folded(word, room)
                lines += full
            lines.append(line)
        return lines

    def _folded(self, word: str, room: int) -> list[str]:
        parts = [""]
        for char in word:
            if parts[-1] and self.measure(parts[-1] + char) > room:
                parts.append("")
            parts[-1] += char
        return parts

    def hanging(self, first: Row, text: str, style: str = "") -> list[Row]:
        """`text` after `first`, its further lines aligned under where it began."""
        used = sum(self.measure(piece) for piece, _ in first)
        # A narrow terminal cannot afford a deep indent.
        indent = used if self.width - used >= self.width // 2 else 4
        begun, *further = self.wrap(text, self.width - indent, self.width - used)
        return [
            (*first, (begun, style)),
            *(((" " * indent, ""), (line, style)) for line in further),
        ]

    def location(self, place: Place) -> str:
        """`path:line:column`, whole: a path that is cut can be neither copied nor clicked."""
        text = f"{visible(paths.shown(place.path, self.root))}:{place.line}"
        if place.column is None:
            return text
        return f"{text}:{char_column(place.path, place.line, place.column)}"


def visible(text: str) -> str:
    """`text` with tabs as spaces, and characters that would steer the terminal spelled out."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char == "\t":
        return "    "
    # Control, format (which can reorder a line), separator and surrogate characters.
    steers = unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs"} and char not in _JOINERS
    # The last two of each plane are no characters, and programs choke on them.
    if steers or ord(char) & 0xFFFE == 0xFFFE:
        return char.encode("unicode_escape", "surrogatepass").decode("ascii")
    return char
