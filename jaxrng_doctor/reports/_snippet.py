"""Source snippets with underlined and labelled places, in the style of rustc.

Places close to each other in a file share a snippet, in line order; the snippet with the primary
place comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from jaxrng_doctor._util import source
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.reports._layout import Layout, Row, visible

NEAR = 5
"""Places at most this many lines apart share a snippet."""

_CONTEXT = 8
"""Characters to show after a span if a line has to be cut."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place, its label, and the style and character of its underline (`^` if primary)."""

    place: Place
    label: str
    style: str
    underline: str = "-"


def gutter(marks: Sequence[Mark]) -> int:
    """The width of the line numbers of these marks, in cells."""
    return max((len(str(m.place.line)) for m in marks), default=1)


def snippets(marks: Sequence[Mark], layout: Layout) -> list[Row]:
    """All snippets of one finding, for marks in order of importance."""
    rows: list[Row] = []
    for n, chunk in enumerate(chunks_of(marks)):
        rows += _Snippet(chunk, gutter(marks), layout).rows(arrow="::: " if n else "--> ")
    return rows


def chunks_of(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Groups of nearby marks, sorted by importance, as are the marks in each."""
    chunks: list[list[int]] = []
    by_place = sorted(range(len(marks)), key=lambda n: (marks[n].place.path, marks[n].place.line))
    for n in by_place:
        here = marks[n].place
        before = marks[chunks[-1][-1]].place if chunks else None
        if before and before.path == here.path and here.line - before.line <= NEAR:
            chunks[-1].append(n)
        else:
            chunks.append([n])
    return [[marks[n] for n in sorted(chunk)] for chunk in sorted(chunks, key=min)]


def lines_of(marks: Sequence[Mark]) -> dict[int, str | None]:
    """The lines of a chunk and the one above, by number; `None` if one cannot be read."""
    path = marks[0].place.path
    first, last = (edge(m.place.line for m in marks) for edge in (min, max))
    above = source.line(path, first - 1)
    texts = {n: source.line(path, n) for n in range(first, last + 1)}
    if above is not None and above.strip() and texts[first] is not None:
        texts = {first - 1: above, **texts}
    return texts


@dataclass(frozen=True, slots=True)
class _Snippet:
    marks: list[Mark]
    gutter: int
    layout: Layout

    def rows(self, arrow: str) -> Iterator[Row]:
        head = self.marks[0].place
        where = self.layout.location(head)
        function = f" in {visible(head.function)}" if head.function else ""
        yield ((" " * self.gutter + arrow, "gutter"), (where, ""), (function, "dim"))
        yield self.bar()
        texts = lines_of(self.marks)
        dedent = self.dedent([t for t in texts.values() if t is not None])
        for n, text in texts.items():
            marks = [m for m in self.marks if m.place.line == n]
            if text is not None:
                yield from self.line(n, text, dedent, marks)
                continue
            for mark in marks:
                label = f"{mark.label} (line {n} could not be read)"
                yield from self.label(0, label, mark.style)
        yield self.bar()

    def bar(self, *pieces: tuple[str, str], number: str = "") -> Row:
        return ((f"{number:>{self.gutter}} | ", "gutter"), *pieces)

    @property
    def room(self) -> int:
        return self.layout.width - self.gutter - 3

    def dedent(self, texts: list[str]) -> int:
        """The common indentation to remove, which is 0 unless a line is too long."""
        if all(self.layout.measure(visible(t.rstrip())) <= self.room for t in texts):
            return 0
        margins = [t[: len(t) - len(t.lstrip())] for t in texts if t.strip()]
        common = min(margins, key=len, default="")
        while not all(m.startswith(common) for m in margins):
            common = common[:-1]
        return len(common)

    def line(self, number: int, text: str, dedent: int, marks: list[Mark]) -> Iterator[Row]:
        """A numbered source line, and one or more rows below it for each mark."""
        measure = self.layout.measure
        spans = [span_of(m.place, text) for m in marks]
        spans = [(max(s - dedent, 0), max(e - dedent, 1), more) for s, e, more in spans]
        pieces = [visible(char) for char in text.rstrip()[dedent:]]
        first, last = self.window(pieces, [(s, e) for s, e, _ in spans])
        left = "…" if first else ""
        right = "…" if last < len(pieces) else ""
        shown = "".join(pieces[first:last])
        yield self.bar((left, "dim"), (shown, ""), (right, "dim"), number=str(number))
        for mark, (start, end, more) in zip(marks, spans, strict=True):
            start, end, cut = max(start, first), min(end, last), end > last
            before = measure(left + "".join(pieces[first:start]))
            length = max(1, measure("".join(pieces[start:end])))
            line = mark.underline * length + ("…" if more or cut else "")
            if before + len(line) > self.room:
                line = line[: self.room - before - 1] + "…"
            yield from self.underlined(before, line, mark)

    def underlined(self, before: int, line: str, mark: Mark) -> Iterator[Row]:
        label = visible(mark.label)
        beside = before + len(line) + 1 + self.layout.measure(label) <= self.room
        text = f"{line} {label}" if beside else line
        yield self.bar((" " * before, ""), (text, mark.style))
        if not beside:
            yield from self.label(before, mark.label, mark.style)

    def label(self, indent: int, label: str, style: str) -> Iterator[Row]:
        """A label on separate rows, at `indent` if that leaves at least half the width."""
        indent = min(indent, max(self.room - self.layout.measure(visible(label)), self.room // 2))
        indent = max(indent, 0)
        for part in self.layout.wrap(label, self.room - indent):
            yield self.bar((" " * indent, ""), (part, style))

    def window(self, pieces: list[str], spans: list[tuple[int, int]]) -> tuple[int, int]:
        """The range of characters to show: all if they fit, else those around the spans."""
        ends = list(accumulate((self.layout.measure(p) for p in pieces), initial=0))

        def fits(first: int, last: int) -> bool:
            ellipses = (first > 0) + (last < len(pieces))
            return ends[last] - ends[first] + ellipses <= self.room

        start, end = _union(spans, len(pieces))
        if not fits(start, end) and spans:
            start, end = _union(spans[:1], len(pieces))
        first, seen = 0, min(end + _CONTEXT, len(pieces))
        while first < start and not fits(first, seen):
            first += 1
        last = max(seen, first)
        while last < len(pieces) and fits(first, last + 1):
            last += 1
        while last > first and not fits(first, last):
            last -= 1
        return first, last


def _union(spans: list[tuple[int, int]], length: int) -> tuple[int, int]:
    start = min((s for s, _ in spans), default=0)
    return min(start, length), min(max((e for _, e in spans), default=0), length)


def span_of(place: Place, text: str) -> tuple[int, int, bool]:
    """First character, end character, and whether the place continues on the next line."""
    whole = (len(text) - len(text.lstrip()), len(text.rstrip()))
    if place.column is None:
        return (*whole, False)
    start = source.char_column(place.path, place.line, place.column) - 1
    if start >= whole[1]:  # the file has changed since it was run
        return (*whole, False)
    if place.end_line is not None and place.end_line > place.line:
        return (start, whole[1], True)
    if place.end_column is None:
        return (start, start + 1, False)
    end = source.char_column(place.path, place.line, place.end_column) - 1
    return (start, min(max(end, start + 1), whole[1]), False)
