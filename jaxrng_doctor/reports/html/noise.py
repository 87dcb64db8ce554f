"""Pictures of the noise as SVG paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import Picture
from jaxrng_doctor.reports import _strip

LEVELS = 9
"""The number of shades; the style sheet has a colour for each."""

CELL = 9
"""A cell's width and height, in pixels."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One of the two pictures. `paths` has a path per shade, `letters` a key letter per row."""

    title: str
    counts: str
    alt: str
    rows: int
    columns: int
    letters: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def width(self) -> int:
        return (self.columns + 2) * CELL

    @property
    def height(self) -> int:
        return self.rows * CELL


class NoiseView:
    """Both pictures, with a common scale, and their caption. `unit` is the unit of a row."""

    def __init__(self, picture: Picture, unit: str) -> None:
        both = [x for rows in (picture.shared, picture.separate) for row in rows for x in row]
        self.low, self.high = min(both, default=0.0), max(both, default=0.0)
        before, after = picture.distinct
        letters = tuple(_strip.letter(key) for key in picture.keys)
        own = tuple(_strip.letter(n) for n in range(len(picture.keys)))
        self.matrices = (
            self._matrix("current", picture.shared, before, letters, unit),
            self._matrix("with a separate key per row", picture.separate, after, own, unit),
        )
        rows, columns = len(picture.shared), len(picture.shared[0]) if picture.shared else 0
        where = ""
        if rows < picture.size:
            where = f" ({picture.examples[0]:,} to {picture.examples[-1]:,})"
        self.caption = (
            f"Rows: {_of(rows, picture.size, unit)}{where}. Columns: "
            f"{_of(columns, picture.drawn, 'number')} of each draw. {_source(picture, unit)}"
        )

    def _matrix(
        self,
        title: str,
        rows: Sequence[Sequence[float]],
        distinct: int,
        letters: tuple[str, ...],
        unit: str,
    ) -> Matrix:
        counts = f"{counted(len(rows), unit)}, {counted(distinct, 'distinct row')}"
        columns = len(rows[0]) if rows else 0
        alt = f"Noise, {title}: {counts}, shown as {len(rows)} rows of {columns} shaded cells"
        return Matrix(
            title, counts, alt, len(rows), columns, letters, tuple(map("".join, self._paths(rows)))
        )

    def _paths(self, rows: Sequence[Sequence[float]]) -> Iterator[list[str]]:
        """The strokes of the cells, per shade; adjacent equal rows share a stroke."""
        strokes: list[list[str]] = [[] for _ in range(LEVELS)]
        top = 0
        for row, run in groupby(rows):
            height = len(list(run))
            for column, value in enumerate(row):
                strokes[self._level(value)].append(f"M{column} {top}v{height}")
            top += height
        yield from strokes

    def _level(self, value: float) -> int:
        spread = self.high - self.low
        return min(int((value - self.low) / spread * LEVELS), LEVELS - 1) if spread else 0


def _of(shown: int, all_of_them: int, noun: str) -> str:
    if shown == all_of_them:
        return f"all {counted(shown, noun)}" if shown != 1 else f"the only {noun}"
    return f"{shown} of {counted(all_of_them, noun)}"


def _source(picture: Picture, unit: str) -> str:
    if unit == "use":
        return f"Drawn by {picture.sampler} from the computed key that they share."
    if picture.stands_in:
        return f"Drawn by {picture.sampler} in place of the sampler, from the draw's computed keys."
    return f"Drawn again by {picture.sampler} from the draw's computed keys."
