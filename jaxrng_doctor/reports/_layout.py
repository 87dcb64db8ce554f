"""Rows of styled text: escapes control characters and wraps lines.

Independent of any terminal library. The caller provides `measure`, which counts cells: a wide
character takes two and a combining one none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from jaxrng_doctor._util import paths
from jaxrng_doctor._util.source import char_column
from jaxrng_doctor.model.findings import Place

Piece = tuple[str, str]
"""A text and the name of its style; `""` is the terminal's default."""

Row = tuple[Piece, ...]

_JOINERS = "\u200c\u200d"
"""Invisible characters that some scripts and emoji need."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`width` is in cells; paths are shown relative to `root`; `measure` counts cells."""

    width: int
    root: str
    measure: Callable[[str], int]

    def wrap(self, text: str, room: int, first: int | None = None) -> list[str]:
        """`text`, escaped, in lines of at most `room` cells, broken at spaces if possible.

        The first line has only `first` cells, and is empty if no word fits.
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
        """`text` after `first`, with a hanging indent."""
        used = sum(self.measure(piece) for piece, _ in first)
        # Limit the indent on narrow terminals.
        indent = used if self.width - used >= self.width // 2 else 4
        begun, *further = self.wrap(text, self.width - indent, self.width - used)
        return [
            (*first, (begun, style)),
            *(((" " * indent, ""), (line, style)) for line in further),
        ]

    def location(self, place: Place) -> str:
        """`path:line:column`. Never wrapped, so that it can be copied and clicked."""
        text = f"{visible(paths.shown(place.path, self.root))}:{place.line}"
        if place.column is None:
            return text
        return f"{text}:{char_column(place.path, place.line, place.column)}"


def visible(text: str) -> str:
    """`text` with tabs as spaces, and control characters escaped."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char == "\t":
        return "    "
    # Control, format (which can reorder a line), separator and surrogate characters.
    control = unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs"} and char not in _JOINERS
    # The last two code points of each plane are noncharacters, which some programs reject.
    if control or ord(char) & 0xFFFE == 0xFFFE:
        return char.encode("unicode_escape", "surrogatepass").decode("ascii")
    return char
