"""A target's report as plain text, for the formats that show it in a block of their own.

In: a target's report. Out: lines that hold no character which would steer a terminal. Healthy
draws are left out: what is here is what there is to say.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports._comparison_text import panel_rows
from jaxrng_doctor.reports._finding_text import finding_rows
from jaxrng_doctor.reports._gap_text import aside_rows, failed, failure_rows
from jaxrng_doctor.reports._layout import Layout, Row


def target_text(target: TargetReport, root: str, width: int = 100) -> str:
    """All but the target's name and its draws; `""` where that is nothing."""
    layout = Layout(width, root, _cells)
    return "\n\n".join(_text(rows) for rows in _blocks(target, layout))


def reason(targets: Sequence[TargetReport], root: str) -> str:
    """Why they fail, in a line: the first failure, finding or gap, and how many more there are.

    `""` where none of them fails.
    """
    failures = [failed(t.failure) for t in targets if t.failure is not None]
    findings = [(f.place, f"{f.code} {f.message}") for t in targets for f in t.failing]
    gaps = [(g.place, g.message) for t in targets if t.fails for g in t.gaps]
    told = [(None, text) for text in failures] or findings or gaps
    if not told:
        return ""
    place, text = told[0]
    where = f"{location(place, root)}: " if place else ""
    more = f" (and {len(told) - 1:,} more)" if len(told) > 1 else ""
    return f"{where}{text}{more}"


def location(place: Place, root: str) -> str:
    """`path:line:column`."""
    return Layout(0, root, _cells).location(place)


def _blocks(target: TargetReport, layout: Layout) -> Iterator[Iterable[Row]]:
    for finding in target.findings:
        yield finding_rows(finding, layout)
    if target.failure is not None:
        yield failure_rows(target.failure, layout)
    if target.findings and target.comparison is not None:
        size = "" if target.comparison.size is None else f" of {target.comparison.size:,}"
        inside = Layout(layout.width - 2, layout.root, layout.measure)
        yield [
            ((f"first and last example{size}", "title"),),
            *((("  ", ""), *row) for row in panel_rows(target.comparison, inside)),
        ]
    yield from aside_rows(target, layout)


def _text(rows: Iterable[Row]) -> str:
    return "\n".join("".join(piece for piece, _ in row).rstrip() for row in rows)


def _cells(text: str) -> int:
    """How many cells of a fixed-width font `text` takes."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)
