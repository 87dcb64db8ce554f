"""Places as regions in characters, as report formats require."""

from __future__ import annotations

from dataclasses import dataclass

from jaxrng_doctor._util.source import char_column
from jaxrng_doctor.model.findings import Place


@dataclass(frozen=True, slots=True)
class Region:
    """Lines and columns count from 1; `end_column` is exclusive. Ends are `None` if unknown."""

    line: int
    column: int | None
    end_line: int | None
    end_column: int | None


def region(place: Place) -> Region:
    """The region of `place`. Omits an end before the start, which a changed file can cause."""
    column = _column(place, place.line, place.column)
    last = place.end_line
    if last is None or last < place.line:
        return Region(place.line, column, None, None)
    end = None if column is None else _column(place, last, place.end_column)
    if end is not None and (last, end) <= (place.line, column):
        return Region(place.line, column, None, None)
    return Region(place.line, column, last, end)


def _column(place: Place, line: int, column: int | None) -> int | None:
    return None if column is None else char_column(place.path, line, column)
