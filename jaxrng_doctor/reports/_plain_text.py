"""A target's report as plain text without control characters, for formats that embed it.

Leaves out draws without findings.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from jaxrng_doctor.model.findings import Comparison, Place
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports._comparison_text import (
    compared_rows,
    not_compared,
    not_compared_rows,
    title,
)
from jaxrng_doctor.reports._finding_text import finding_rows
from jaxrng_doctor.reports._gap_text import failed, failure_rows, gap_and_suppression_rows
from jaxrng_doctor.reports._layout import Layout, Row


def target_text(target: TargetReport, root: str) -> str:
    """Everything except the target's name and its draws; may be `""`."""
    return "\n\n".join(plain(rows) for rows in _blocks(target, plain_layout(root)))


def reason(targets: Sequence[TargetReport], root: str) -> str:
    """Why the targets fail, in one line: the first failure, finding or gap, and how many more.

    `""` if no target fails.
    """
    failures = [failed(t.failure) for t in targets if t.failure is not None]
    # The rule and the place come first, because pytest cuts off what the terminal has no room for.
    findings = [f"{f.code} {_at(f.place, root)}{f.message}" for t in targets for f in t.failing]
    gaps = [f"{_at(g.place, root)}{g.message}" for t in targets if t.fails for g in t.gaps]
    reasons = failures or findings or gaps
    if not reasons:
        return ""
    more = f" (and {len(reasons) - 1:,} more)" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}"


def _at(place: Place | None, root: str) -> str:
    return f"{location(place, root)}: " if place else ""


def location(place: Place, root: str) -> str:
    """`path:line:column`."""
    return plain_layout(root).location(place)


def plain_layout(root: str) -> Layout:
    """The layout of plain text: 100 cells wide, for whatever shows it."""
    return Layout(100, root, _cells)


def plain(rows: Iterable[Row]) -> str:
    """The rows without styles."""
    return "\n".join("".join(piece for piece, _ in row).rstrip() for row in rows)


def _blocks(target: TargetReport, layout: Layout) -> Iterator[Iterable[Row]]:
    for finding in target.findings:
        yield finding_rows(finding, layout)
    if target.failure is not None:
        yield failure_rows(target.failure, layout)
    if target.findings and target.comparison is not None:
        yield _comparison(target.comparison, layout)
    yield from gap_and_suppression_rows(target, layout)


def _comparison(comparison: Comparison, layout: Layout) -> Iterable[Row]:
    if why := not_compared(comparison):
        return not_compared_rows(why, layout)
    inside = Layout(layout.width - 2, layout.root, layout.measure)
    indented = ((("  ", ""), *row) for row in compared_rows(comparison, inside))
    return [((title(comparison), "title"),), *indented]


def _cells(text: str) -> int:
    """The width of `text` in cells of a fixed-width font."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)
