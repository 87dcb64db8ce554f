"""Data for the templates, computed from the report.

Does not escape any text: the templates do that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import STRIP_LENGTH, Draw, Evidence, Finding, Leaf, Place
from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.reports import _comparison_text, _finding_text, _gap_text, _strip
from jaxrng_doctor.reports._layout import Layout, visible
from jaxrng_doctor.reports._snippet import Mark, chunks_of, lines_of, span_of
from jaxrng_doctor.reports.html.noise import NoiseView
from jaxrng_doctor.reports.html.program import ProgramView

_DEEPEST = 40
"""The maximum column of a label, to leave room for it on narrow pages."""


def legible(value: Any) -> Any:
    """Text with escapes for characters that hide or reorder it; keeps its lines."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    if value.isprintable():  # a fast path for nearly all values
        return value
    return "\n".join(visible(line) for line in value.split("\n"))


@dataclass(frozen=True, slots=True)
class LineView:
    """A source line: its number, its pieces with a style or `""`, and the labels below it.

    A label has a text, a style and a column.
    """

    number: int
    pieces: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class ChunkView:
    """Consecutive lines of one file."""

    where: str
    function: str
    lines: tuple[LineView, ...]


class Views:
    """The methods that templates call. Paths are shown relative to `root`."""

    def __init__(self, root: str) -> None:
        self._layout = Layout(100, root, len)
        self._programs = 0

    def location(self, place: Place) -> str:
        return self._layout.location(place)

    def counted(self, n: int, noun: str) -> str:
        return counted(n, noun)

    # -- findings ---------------------------------------------------------------------------

    def chunks(self, finding: Finding) -> Iterator[ChunkView]:
        """The source at the finding's places."""
        for chunk in chunks_of(_finding_text.marks_of(finding)):
            head = chunk[0].place
            lines = tuple(_line(n, text, chunk) for n, text in lines_of(chunk).items())
            yield ChunkView(self.location(head), head.function or "", lines)

    def strip(self, evidence: Evidence) -> list[tuple[str, str]]:
        """The letters and the colour of each run."""
        shown = evidence.strip[:STRIP_LENGTH]
        return list(_strip.runs(shown, max(shown, default=0) + 1))

    def left_out(self, evidence: Evidence) -> int:
        """The number of examples that the strip does not show."""
        return evidence.examples - min(len(evidence.strip), STRIP_LENGTH) if evidence.strip else 0

    def keys(self, finding: Finding) -> str:
        assert finding.evidence is not None
        return _finding_text.keys_counted(finding.evidence, _finding_text.unit_of(finding))

    def of_draw(self, draw: Draw) -> Evidence | None:
        """The keys of a draw without findings over its innermost scope, if they were counted."""
        return _finding_text.differing_keys(draw)

    scope = staticmethod(_finding_text.scope_text)
    confidence = staticmethod(_finding_text.confidence_text)

    failed = staticmethod(_gap_text.failed)
    suppression = staticmethod(_gap_text.suppression_text)

    def noise(self, finding: Finding) -> NoiseView | None:
        unit = _finding_text.unit_of(finding)
        return None if finding.picture is None else NoiseView(finding.picture, unit)

    # -- comparison of outputs --------------------------------------------------------------

    not_compared = staticmethod(_comparison_text.not_compared)
    comparison_title = staticmethod(_comparison_text.title)

    def leaves(self, leaves: Sequence[Leaf]) -> list[Leaf]:
        return _comparison_text.in_order(leaves)[: _comparison_text.MOST_LEAVES]

    def facts(self, leaf: Leaf) -> list[tuple[str, tuple[str, str, str]]]:
        """A row for each compared run."""
        runs = (("given inputs", leaf.given), ("replicated inputs", leaf.replicated))
        return [
            (name, _comparison_text.facts_of(pairs)) for name, pairs in runs if pairs is not None
        ]

    meanings = staticmethod(_comparison_text.meanings_of)

    # -- the program ------------------------------------------------------------------------

    def program(self, listing: Listing) -> ProgramView:
        """A view of the program, with a unique prefix for its ids."""
        self._programs += 1
        return ProgramView(listing, f"p{self._programs}", self._layout)


def _line(number: int, text: str | None, marks: Sequence[Mark]) -> LineView:
    here = [m for m in marks if m.place.line == number]
    if text is None:
        missing = tuple((m.label, m.style, 0) for m in here)
        return LineView(number, (("(this line could not be read)", "missing"),), missing)
    text = text.rstrip()
    spans = [span_of(mark.place, text)[:2] for mark in here]
    labels = tuple(
        (m.label, m.style, min(start, _DEEPEST)) for m, (start, _) in zip(here, spans, strict=True)
    )
    edges = sorted({0, len(text), *(min(e, len(text)) for span in spans for e in span)})
    pieces = []
    for start, end in pairwise(edges):
        over = (m.style for m, (s, e) in zip(here, spans, strict=True) if s <= start and end <= e)
        pieces.append((text[start:end], next(over, "")))
    return LineView(number, tuple(pieces), labels)
