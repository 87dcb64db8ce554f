"""A program as shown in a page: names, links and source lines for a `Listing`.

Each row, variable and source line has an id in the page. The page's links and its script connect
them through these ids.
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

OverMacro = Callable[["ProgramView", Over, Sequence[ScopeMark]], str]

_AROUND = 2
"""The number of context lines around a source line of the program."""

_CELLS = 48
"""The maximum number of cells of a variable's strip."""

_DEEPEST = 24
"""The maximum nesting depth of the key tree; deeper nodes are not nested further."""

_STEPS = 6
"""The number of steps shown at each end of a long lineage."""

_WORDS = {
    Variation.CONSTANT: "shared",
    Variation.EQUAL: "shared",
    Variation.DISTINCT: "distinct",
    Variation.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A source line. `row` is the id of the first row on this line, `""` if there is none.

    `gap`: lines before it are omitted.
    """

    name: str
    number: int
    text: str
    row: str
    gap: bool


class ProgramView:
    """`name` is the prefix of all ids; `layout` formats places."""

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
        self._over_text: dict[tuple[Over, tuple[int, ...]], str] = {}
        self._children: dict[int | None, list[int]] = {}
        for n, node in enumerate(listing.tree):
            self._children.setdefault(node.parent, []).append(n)

    # -- rows and variables -----------------------------------------------------------------

    def kind(self, row: Row) -> str:
        return {Line: "line", Box: "box", Fold: "fold"}[type(row)]

    def row(self, row: Row) -> str:
        """The id of a row."""
        return self._rows[id(row)]

    def variable(self, name: str) -> str:
        """The id of a variable's definition, `""` if that is not shown."""
        return self._variables.get(name, "")

    def over(self, over: Over, scopes: Sequence[ScopeMark]) -> list[tuple[str, str, str]]:
        """How a value varies: for each way, the indices, the scopes and a word for it."""
        by_word: dict[str, list[ScopeMark]] = {}
        for mark, variation in zip(scopes, over, strict=False):
            by_word.setdefault(_WORDS[variation], []).append(mark)
        return [
            (", ".join(mark.index for mark in marks), ", ".join(map(words.scope, marks)), word)
            for word, marks in by_word.items()
        ]

    def over_text(self, macro: OverMacro, over: Over, scopes: Sequence[ScopeMark]) -> str:
        """The cached result of `macro`, because most variables have the same `over`."""
        known = over, tuple(mark.number for mark in scopes)
        if known not in self._over_text:
            self._over_text[known] = macro(self, over, scopes)
        return self._over_text[known]

    def strip(self, mark: KeyMark) -> list[tuple[str, str]]:
        """The letters and the colour of each run."""
        return list(_strip.runs(mark.strip[:_CELLS], max(self.listing.colors, 1)))

    def keys(self, mark: KeyMark) -> str:
        """`… 64 keys, 1 distinct`; `""` for a single key, or if keys were not computed."""
        return words.keys_counted(mark, _CELLS).strip()

    def label(self, variable: Variable) -> str:
        """The user's name for it if it is not an identifier."""
        return words.label(variable)

    def findings(self) -> list[tuple[Finding, str]]:
        """Each finding with the id of its row, `""` if it has none."""
        rows: dict[int, str] = {}
        for row in walk(self.listing.rows):
            for number in () if isinstance(row, Fold | Box) else row.findings:
                rows.setdefault(number, self.row(row))
        return [(finding, rows.get(n, "")) for n, finding in enumerate(self.listing.findings)]

    # -- source -----------------------------------------------------------------------------

    def at(self, place: Place) -> str:
        """The id of the first source line of a place."""
        return f"{self.name}-s{self._files[place.path]}-{place.line}"

    def files(self) -> Iterator[tuple[str, list[SourceLine]]]:
        """Each file with the program's source lines and their context."""
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
        """The key tree in depth-first order: `open` and `leaf` with a node, `close` without.

        Iterative and with limited nesting, because an unrolled loop can make a chain of hundreds
        of splits.
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
        """The path from the root key to the use that the finding is about; empty if unknown.

        `None` stands for the omitted part of a long path.
        """
        wanted = (finding.code, finding.place, finding.message)
        for number, known in enumerate(self.listing.findings):
            if (known.code, known.place, known.message) != wanted:
                continue
            uses = [
                node
                for node in self.listing.tree
                if number in node.findings and node.kind in ("draw", "split", "returned")
            ]
            # Of several parts of a cause, the one at the finding's place.
            for node in sorted(uses, key=lambda node: node.place != finding.place)[:1]:
                return self._path_to(node)
        return []

    def _path_to(self, node: KeyNode) -> list[KeyNode | None]:
        path = [node]
        while path[-1].parent is not None:
            path.append(self.listing.tree[path[-1].parent])
        path.reverse()
        if len(path) <= 2 * _STEPS:
            return [*path]
        return [*path[:_STEPS], None, *path[-_STEPS:]]


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
