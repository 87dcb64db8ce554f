"""A program as its page shows it: in comes a `Listing`, out come names, links and source lines.

Each row of the listing, each variable and each line of source has a name in the page, so that
they can point to each other. What the script ties together it finds by these names alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from jaxrng_doctor._util import paths, source
from jaxrng_doctor.model.facts import Variation
from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.model.listing import (
    Box,
    Fold,
    KeyMark,
    KeyNode,
    Line,
    Listing,
    Over,
    Row,
    ScopeMark,
    Variable,
    walk,
)
from jaxrng_doctor.reports import _strip
from jaxrng_doctor.reports._layout import Layout
from jaxrng_doctor.reports.listing import _words as words

Tell = Callable[["ProgramView", Over, Sequence[ScopeMark]], str]

_AROUND = 2
"""So many lines of source are shown before and after one that the program comes from."""

_CELLS = 48
"""So many cells of a variable's strip are shown."""

_DEEPEST = 24
"""The tree of keys is nested so deep; what is deeper stands below each other."""

_STEPS = 6
"""So many steps at each end of a long lineage are shown."""

_WORDS = {
    Variation.CONSTANT: "shared",
    Variation.EQUAL: "shared",
    Variation.DISTINCT: "distinct",
    Variation.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class SourceLine:
    """`row` is the page's name of the first row that comes from this line, `""` if none does.

    `gap`: lines before it are left out.
    """

    name: str
    number: int
    text: str
    row: str
    gap: bool


class ProgramView:
    """`name` begins the names of all its parts; `layout` shows places."""

    def __init__(self, listing: Listing, name: str, layout: Layout) -> None:
        self.listing = listing
        self.name = name
        self.location = layout.location
        self._root = layout.root
        every = list(walk(listing.rows))
        self._rows = {id(row): f"{name}-r{n}" for n, row in enumerate(every)}
        made = (v for row in every for v in _made_by(row))
        self._variables = {v.name: f"{name}-v{n}" for n, v in enumerate([*listing.inputs, *made])}
        self._places = [*_places(every), *(n.place for n in listing.tree if n.place is not None)]
        files = dict.fromkeys(place.path for place in self._places)
        self._files = {path: n for n, path in enumerate(files)}
        self._told: dict[tuple[Over, tuple[int, ...]], str] = {}
        self._children: dict[int | None, list[int]] = {}
        for n, node in enumerate(listing.tree):
            self._children.setdefault(node.parent, []).append(n)

    # -- rows and variables -----------------------------------------------------------------

    def kind(self, row: Row) -> str:
        return {Line: "line", Box: "box", Fold: "fold"}[type(row)]

    def row(self, row: Row) -> str:
        """The name of a row."""
        return self._rows[id(row)]

    def variable(self, name: str) -> str:
        """The name of where a variable is made, `""` where that is not shown."""
        return self._variables.get(name, "")

    def over(self, over: Over, scopes: Sequence[ScopeMark]) -> list[tuple[str, str, str]]:
        """For each way in which a value varies: the indices, the scopes, and the word for it."""
        alike: dict[str, list[ScopeMark]] = {}
        for mark, variation in zip(scopes, over, strict=False):
            alike.setdefault(_WORDS[variation], []).append(mark)
        return [
            (", ".join(mark.index for mark in marks), ", ".join(map(words.scope, marks)), word)
            for word, marks in alike.items()
        ]

    def over_told(self, tell: Tell, over: Over, scopes: Sequence[ScopeMark]) -> str:
        """What `tell`, a macro, makes of `over`: for most variables it is the same, so once."""
        known = over, tuple(mark.number for mark in scopes)
        if known not in self._told:
            self._told[known] = tell(self, over, scopes)
        return self._told[known]

    def strip(self, mark: KeyMark) -> list[tuple[str, str]]:
        """Letters and their colour, run by run."""
        return list(_strip.runs(mark.strip[:_CELLS], max(self.listing.colors, 1)))

    def keys(self, mark: KeyMark) -> str:
        """`… 64 keys, 1 distinct`; `""` of one key, and where they were not computed."""
        return words.keys_counted(mark, _CELLS).strip()

    def label(self, variable: Variable) -> str:
        """What the user calls it, where its name does not tell."""
        return words.label(variable)

    def faulty(self) -> list[tuple[Finding, str]]:
        """Each finding with the name of the row that it stands at, `""` where none does."""
        rows: dict[int, str] = {}
        for row in walk(self.listing.rows):
            for number in () if isinstance(row, Fold | Box) else row.findings:
                rows.setdefault(number, self.row(row))
        return [(finding, rows.get(n, "")) for n, finding in enumerate(self.listing.findings)]

    # -- source -----------------------------------------------------------------------------

    def at(self, place: Place) -> str:
        """The name of the line of source that a place begins on."""
        return f"{self.name}-s{self._files[place.path]}-{place.line}"

    def files(self) -> Iterator[tuple[str, list[SourceLine]]]:
        """Each file with the lines that the program comes from, and those around them."""
        first: dict[tuple[str, int], str] = {}
        for row in walk(self.listing.rows):
            for place in _places([row]):
                first.setdefault((place.path, place.line), self.row(row))
        for path, number in self._files.items():
            shown, before = [], None
            for n in self._numbers(path):
                text = source.line(path, n)
                if text is None:
                    continue
                gap = before is not None and n > before + 1
                name = f"{self.name}-s{number}-{n}"
                shown.append(SourceLine(name, n, text, first.get((path, n), ""), gap))
                before = n
            yield paths.shown(path, self._root), shown

    def _numbers(self, path: str) -> list[int]:
        lines = {place.line for place in self._places if place.path == path}
        own = self.listing.lines
        if own is not None and own.path == path:
            lines |= set(range(own.line, (own.end_line or own.line) + 1))
        return sorted({max(1, n + k) for n in lines for k in range(-_AROUND, _AROUND + 1)})

    # -- keys -------------------------------------------------------------------------------

    def tree(self) -> Iterator[tuple[str, KeyNode | None]]:
        """The key tree from top to bottom: `open` and `leaf` with a node, `close` without.

        Not by recursion, and nested only so deep: a loop that Python unrolls splits one key from
        the other, hundreds of times.
        """
        waiting: list[tuple[int | None, int]] = [(n, 0) for n in reversed(self._below(None))]
        while waiting:
            number, depth = waiting.pop()
            if number is None:
                yield "close", None
                continue
            below = self._below(number)
            nested = bool(below) and depth < _DEEPEST
            yield "open" if nested else "leaf", self.listing.tree[number]
            if nested:
                waiting.append((None, depth))
            waiting += [(n, depth + nested) for n in reversed(below)]

    def _below(self, node: int | None) -> list[int]:
        return self._children.get(node, [])

    def lineage(self, finding: Finding) -> list[KeyNode | None]:
        """From where the key begins to what the finding is about; empty if not known.

        `None` stands for what is left out of a long way.
        """
        told = (finding.code, finding.place, finding.message)
        for number, known in enumerate(self.listing.findings):
            if (known.code, known.place, known.message) != told:
                continue
            for node in self.listing.tree:
                if number in node.findings and node.kind in ("draw", "split", "returned"):
                    return self._way_to(node)
        return []

    def _way_to(self, node: KeyNode) -> list[KeyNode | None]:
        way = [node]
        while way[-1].parent is not None:
            way.append(self.listing.tree[way[-1].parent])
        way.reverse()
        if len(way) <= 2 * _STEPS:
            return [*way]
        return [*way[:_STEPS], None, *way[-_STEPS:]]


def _made_by(row: Row) -> tuple[Variable, ...]:
    if isinstance(row, Line):
        return row.outputs
    if isinstance(row, Box):
        entered = (entry.inner for entry in row.entries if entry.inner is not None)
        return (*entered, *row.outputs)
    return ()


def _places(rows: Sequence[Row]) -> Iterator[Place]:
    for row in rows:
        if not isinstance(row, Fold) and row.place is not None:
            yield row.place
