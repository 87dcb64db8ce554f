"""The rows of a listing's text, with boxes drawn as lines.

Keys are letters with colours between `«` and `»`; equal letters in a listing are equal keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.model.listing import (
    Box,
    Entry,
    Fold,
    KeyMark,
    Line,
    Listing,
    ScopeMark,
    Variable,
    walk,
)
from jaxrng_doctor.model.listing import Row as ListingRow
from jaxrng_doctor.reports import _strip
from jaxrng_doctor.reports._layout import Layout, Row, visible
from jaxrng_doctor.reports.listing import _words as words

_HEAVY, _LIGHT = ("┏", "┃", "┗"), ("┌", "│", "└")
_INPUTS, _ENTRIES = 12, 4
"""The maximum number of inputs without keys shown for the program and for a box."""

Scopes = tuple[ScopeMark, ...]


class Writer:
    """Writes the parts of one listing as rows."""

    def __init__(self, listing: Listing, layout: Layout) -> None:
        self.listing = listing
        self.layout = layout

    # -- the program -------------------------------------------------------------------

    def program(self) -> Iterator[Row]:
        # Named arguments before captured values.
        inputs = sorted(self.listing.inputs, key=lambda variable: not variable.label)
        yield from self.entries([Entry(v, None, "") for v in inputs], (), (), _INPUTS)
        yield from self.rows(self.listing.rows, (), ())
        for path, atom in self.listing.results:
            label = f" {visible(path)}" if path else ""
            yield from self.flowing(
                (), [(("out ", "dim"), (visible(atom.text), ""), (label, "dim"))]
            )

    def rows(self, rows: Sequence[ListingRow], bars: Row, scopes: Scopes) -> Iterator[Row]:
        for row in rows:
            match row:
                case Line():
                    yield from self.line(row, bars, scopes)
                    if row.inside:
                        yield from self.framed(row.inside, bars, scopes)
                case Box():
                    yield from self.box(row, bars, scopes)
                case Fold(rows=()):
                    text = ((f"… {words.fold(row)}", "dim"),)
                    yield from self.flowing(bars, [text], self.stretch(row))
                case Fold():
                    yield from self.rows(row.rows, bars, scopes)

    def framed(self, inside: Sequence[ListingRow], bars: Row, scopes: Scopes) -> Iterator[Row]:
        yield (*bars, (f"{_LIGHT[0]} inside", "dim"))
        yield from self.rows(inside, (*bars, (f"{_LIGHT[1]} ", "dim")), scopes)
        yield (*bars, (_LIGHT[2], "dim"))

    def line(self, line: Line, bars: Row, scopes: Scopes) -> Iterator[Row]:
        operands = [visible(atom.text) for atom in line.operands]
        call = visible(words.equation_params(line.what, operands, line.params))
        segments = self.outputs(line.outputs, scopes)
        if line.kind == "draw" and line.key is not None:
            segments.append((("= draw ", ""), *self.keys(line.key)))
        else:
            call = f"= {call}"
        style = "title" if line.kind == "draw" else "" if line.kind != "other" else "dim"
        *parts, last = call.split(", ")
        segments += [((f"{part},", style),) for part in parts]
        segments.append(((last, style),))
        yield from self.flowing(bars, segments, self.location(line.place))
        yield from self.faults(line.findings, (*bars, ("  ", "")))

    def box(self, box: Box, bars: Row, scopes: Scopes) -> Iterator[Row]:
        top, side, bottom = _HEAVY if box.scopes else _LIGHT
        style = "secondary" if box.scopes else "gutter"
        title = visible(words.box_title(box))
        inside: Row = (*bars, (f"{side} ", style))
        segments: list[Row] = [((title, "title"),)]
        findings = [self.listing.findings[number] for number in box.findings]
        counts = Counter((words.fault(f), f.severity) for f in findings)
        for (fault, severity), count in counts.items():  # the draws show them in full
            more = f" ({counted(count, 'finding')})" if count > 1 else ""
            segments.append(((f"✗ {fault}{more}", severity),))
        head: Row = (*bars, (f"{top} ", style))
        yield from self.flowing(head, segments, self.location(box.place), inside)
        around = (*scopes, *box.scopes)
        yield from self.entries(box.entries, inside, around)
        yield from self.rows(box.rows, inside, around)
        results = ", ".join(visible(atom.text) for atom in box.results)
        segments = self.outputs(box.outputs, scopes)
        if results:
            segments.append(((f"= {results}" if segments else results, ""),))
        yield from self.flowing((*bars, (f"{bottom} ", style)), segments, (), (*bars, ("  ", "")))

    def entries(
        self, entries: Sequence[Entry], bars: Row, scopes: Scopes, most: int = _ENTRIES
    ) -> Iterator[Row]:
        """All keys, the first few other inputs, and the number of the rest."""
        others = [e for e in entries if e.inner is None or e.inner.key is None]
        hidden = {id(e) for e in others[most:]}
        for entry in entries:
            if id(entry) not in hidden:
                head: Row = (*bars, ("in  ", "dim"))
                yield from self.flowing(head, list(self.entry(entry, scopes)), (), bars)
        if hidden:
            yield (*bars, (f"… and {counted(len(hidden), 'more input')}", "dim"))

    def entry(self, entry: Entry, scopes: Scopes) -> Iterator[Row]:
        outer = "" if entry.outer is None else visible(entry.outer.text)
        if entry.inner is not None:
            yield from self.variable(entry.inner, scopes)
        yield ((f"= {outer}" if outer and entry.inner else outer, ""),)
        yield ((f"({entry.how})" if entry.how else "", "dim"),)

    # -- its parts ---------------------------------------------------------------------

    def outputs(self, outputs: Sequence[Variable], scopes: Scopes) -> list[Row]:
        segments: list[Row] = []
        for variable in outputs:
            if segments:
                segments[-1] = (*segments[-1], (",", ""))
            segments += self.variable(variable, scopes)
        return segments

    def variable(self, made: Variable, scopes: Scopes) -> list[Row]:
        segments: list[Row] = [((visible(words.variable(made)), ""),)]
        if made.key is not None:
            segments.append(self.keys(made.key))
        varies = words.varying(made.over, scopes)
        return [*segments, ((f"{{{varies}}}", "note"),)] if varies else segments

    def keys(self, mark: KeyMark) -> Row:
        shown, have_letters = words.letters(mark)
        cells: Row = (
            tuple(
                (text, f"#000000 on {color}")
                for text, color in _strip.runs(shown, max(self.listing.colors, 1))
            )
            if have_letters
            else ((words.numbers(shown), ""),)
        )
        return (("«", ""), *cells, (f"{words.keys_counted(mark)}»", ""))

    def location(self, place: Place | None) -> Row:
        return () if place is None else ((self.layout.location(place), "dim"),)

    def stretch(self, fold: Fold) -> Row:
        first, last = fold.first, fold.last
        if first is None or last is None:
            return self.location(first or last)
        same = first.path == last.path and first.line < last.line
        text = self.layout.location(first).rpartition(":")[0] if first.column else ""
        text = text or self.layout.location(first)
        return ((f"{text}-{last.line}" if same else text, "dim"),)

    def faults(self, numbers: Sequence[int], bars: Row) -> Iterator[Row]:
        for number in numbers:
            finding = self.listing.findings[number]
            title = f"✗ {words.fault(finding)}: "
            room = max(self.layout.width - self.size(bars) - 2, 20)
            first, *more = self.layout.wrap(finding.message, room, room - len(title) + 2)
            yield (*bars, (title, finding.severity), (first, ""))
            yield from ((*bars, ("  ", ""), (part, "")) for part in more)

    def size(self, row: Row) -> int:
        return sum(self.layout.measure(text) for text, _ in row)

    def flowing(
        self, head: Row, segments: Sequence[Row], tail: Row = (), under: Row | None = None
    ) -> Iterator[Row]:
        """Segments, as many per row as fit, with the tail at the right edge.

        Further rows start with `under`, by default `head`, and are indented.
        """
        below = (*(head if under is None else under), ("    ", ""))
        row, used, indent, begun = list(head), self.size(head), self.size(below), False
        for segment in segments:
            size = self.size(segment)
            if not size:
                continue
            if begun and used + 1 + size > self.layout.width:
                yield tuple(row)
                row, used, begun = list(below), indent, False
            if begun:
                row.append((" ", ""))
            row += segment
            used, begun = used + begun + size, True
        if tail:
            size = self.size(tail)
            if begun and used + 2 + size > self.layout.width:
                yield tuple(row)
                row, used = list(below), indent
            row += ((" " * max(self.layout.width - used - size, 1), ""), *tail)
        yield tuple(row)

    def closing(self) -> Iterator[Row]:
        listing = self.listing
        draws = sum(isinstance(row, Line) and row.kind == "draw" for row in walk(listing.rows))
        parts = [counted(draws, "draw"), counted(listing.equations, "equation")]
        parts.append(counted(len(listing.findings), "finding"))
        yield ((" · ".join(parts), "title"),)
        if listing.not_computed:
            text = f"the keys were not computed ({listing.not_computed})"
            meaning = "letters are derivations; equal letters at equal indices are equal keys"
            yield from self.layout.hanging((("note", "note"), (": ", "")), f"{text}: {meaning}")
