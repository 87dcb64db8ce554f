"""Listings as a Graphviz graph in the DOT language.

Scopes, jits and branches are clusters. Equations with keys are nodes, with the letters of their
keys and striped in their colours. Equations without keys are counted in their cluster's label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxrng_doctor._util import paths
from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.model.listing import Box, Fold, KeyMark, KeyNode, Line, Listing, Row, ScopeMark
from jaxrng_doctor.reports import _strip
from jaxrng_doctor.reports._layout import visible
from jaxrng_doctor.reports.listing import _words as words
from jaxrng_doctor.reports.options import RenderOptions

_HEAD = (
    "digraph jaxrng_doctor {",
    '  graph [fontname="Helvetica", rankdir=TB, compound=true];',
    '  node [fontname="Helvetica", shape=box, color="#555555"];',
    '  edge [fontname="Helvetica", color="#555555"];',
)


def render(listings: Sequence[Listing], options: RenderOptions, *, lineage: bool) -> str:
    """One graph with a cluster for each target: its equations, or with `lineage` its key tree."""
    lines = list(_HEAD)
    for number, listing in enumerate(listings):
        graph = _Graph(listing, options.root, f"t{number}")
        lines.append(f"  subgraph {_quoted(f'cluster_t{number}')} {{")
        lines.append(f"    label={_quoted(visible(listing.target))};")
        lines += graph.tree() if lineage else graph.program()
        lines.append("  }")
        lines += graph.edges
    return "\n".join([*lines, "}"]) + "\n"


class _Graph:
    def __init__(self, listing: Listing, root: str, prefix: str) -> None:
        self.listing = listing
        self.root = root
        self.prefix = prefix
        self.edges: list[str] = []
        self._nodes = 0
        # The nodes that make a variable: one, or one per branch. Variables that only pass through
        # a box's boundary refer to the nodes that made their value.
        self._makers: dict[str, tuple[str, ...]] = {}

    # -- the equations -----------------------------------------------------------------

    def program(self) -> Iterator[str]:
        for made in self.listing.inputs:
            if made.key is not None:
                node = self._new()
                self._makers[made.name] = (node,)
                yield self._node(node, [words.variable(made)], made.key, "", None, ())
        yield from self.rows(self.listing.rows, "    ")
        for path, atom in self.listing.results:
            if atom.text in self._makers:
                node = self._new()
                yield self._node(node, [f"out {atom.text} {path}".rstrip()], None, "", None, ())
                self._edge(atom.text, node)

    def rows(self, rows: Sequence[Row], indent: str) -> Iterator[str]:
        for row in rows:
            match row:
                case Line():
                    yield from self.line(row, indent)
                case Box():
                    yield from self.box(row, indent)
                case Fold():
                    yield from self.rows(row.rows, indent)

    def line(self, line: Line, indent: str) -> Iterator[str]:
        node = self._new()
        operands = [atom.text for atom in line.operands]
        call = words.equation_params(line.what, operands, line.params)
        made = ", ".join(map(words.variable, line.outputs))
        keys = line.key if line.kind == "draw" else line.outputs[0].key if line.outputs else None
        draw = "draw " if line.kind == "draw" else ""
        yield (
            indent
            + self._node(
                node, [f"{made} =", draw + call], keys, line.kind, line.place, line.findings
            ).lstrip()
        )
        for operand in dict.fromkeys(atom.text for atom in line.operands if atom.is_variable):
            self._edge(operand, node)
        self._makers.update((variable.name, (node,)) for variable in line.outputs)
        if line.inside:
            yield from self.rows(line.inside, indent)

    def box(self, box: Box, indent: str) -> Iterator[str]:
        for entry in box.entries:
            if entry.inner is not None and entry.outer is not None:
                maker = self._makers.get(entry.outer.text)
                if maker is not None:
                    self._makers[entry.inner.name] = maker
        folded = sum(row.equations for row in box.rows if isinstance(row, Fold) and not row.rows)
        label = [words.box_title(box), self._where(box.place)]
        if folded:
            label.append(f"… {counted(folded, 'equation')} without keys")
        yield f"{indent}subgraph {_quoted(f'cluster_{self._new()}')} {{"
        yield f"{indent}  label={_label(label)}; style={'bold' if box.scopes else 'dashed'};"
        yield from self.rows(box.rows, f"{indent}  ")
        yield f"{indent}}}"
        for variable, result in zip(box.outputs, box.results, strict=False):
            if result.text in self._makers:
                self._makers[variable.name] = self._makers[result.text]
        for part in box.rows if not box.results else ():
            for variable, text in zip(box.outputs, _results(part), strict=False):
                known = self._makers.get(variable.name, ())
                makers = dict.fromkeys((*known, *self._makers.get(text, ())))
                if makers:
                    self._makers[variable.name] = tuple(makers)

    # -- the key tree ------------------------------------------------------------------

    def tree(self) -> Iterator[str]:
        nodes = self.listing.tree
        for number, node in enumerate(nodes):
            if node.parent is not None:
                self.edges.append(f"  {self._id(node.parent)} -> {self._id(number)};")
            self.edges += [
                f"  {self._id(other)} -> {self._id(number)} [style=dashed];" for other in node.also
            ]
        yield from self.scope((), "    ", range(len(nodes)))

    def scope(
        self, around: tuple[ScopeMark, ...], indent: str, numbers: Sequence[int]
    ) -> Iterator[str]:
        """The nodes directly inside these scopes, and a cluster for each inner scope."""
        depth = len(around)
        inside: dict[int, list[int]] = {}
        marks: dict[int, ScopeMark] = {}
        for number in numbers:
            scopes = self.listing.tree[number].scopes
            if len(scopes) == depth:
                yield indent + self._tree_node(number, self.listing.tree[number])
            else:
                marks[scopes[depth].number] = scopes[depth]
                inside.setdefault(scopes[depth].number, []).append(number)
        for scope, further in inside.items():
            mark = marks[scope]
            title = _label([words.scope_title(mark), self._where(mark.scope.place)])
            yield f"{indent}subgraph {_quoted(f'cluster_{self.prefix}_{scope}')} {{"
            yield f"{indent}  label={title}; style=bold;"
            yield from self.scope((*around, mark), f"{indent}  ", further)
            yield f"{indent}}}"

    def _tree_node(self, number: int, node: KeyNode) -> str:
        label = f"{node.label}:{node.type}" if node.kind == "draw" and node.type else node.label
        node_id = self._id(number)
        return self._node(node_id, [label], node.key, node.kind, node.place, node.findings).lstrip()

    def _id(self, number: int) -> str:
        return f"{self.prefix}_k{number}"

    # -- nodes and edges ---------------------------------------------------------------

    def _new(self) -> str:
        self._nodes += 1
        return f"{self.prefix}_n{self._nodes}"

    def _edge(self, operand: str, node: str) -> None:
        for maker in self._makers.get(operand, ()):
            self.edges.append(f"  {maker} -> {node} [label={_quoted(visible(operand))}];")

    def _node(
        self,
        node: str,
        title: Sequence[str],
        keys: KeyMark | None,
        kind: str,
        place: Place | None,
        findings: Sequence[int],
    ) -> str:
        label = [*title]
        attributes = []
        if keys is not None:
            label.append(words.keys(keys))
            attributes += self._filling(words.letters(keys)[0])
        label.append(self._where(place))
        label += [f"✗ {words.fault(self.listing.findings[number])}" for number in findings]
        if findings:
            attributes += ['color="#cc0000"', "penwidth=3"]
        if kind == "draw":
            attributes.append("peripheries=2")
        return f"    {node} [{', '.join([f'label={_label(label)}', *attributes])}];"

    def _filling(self, keys: Sequence[int]) -> list[str]:
        """A stripe for each run of one key, with a proportional width."""
        runs = list(_strip.runs(keys, max(self.listing.colors, 1)))
        if len(runs) < 2:
            return [f"style=filled, fillcolor={_quoted(color)}" for _, color in runs]
        # The last stripe takes the rest, because rounded fractions may not add up to one.
        stripes = [f"{color};{len(letters) / len(keys):.4f}" for letters, color in runs[:-1]]
        return [f"style=striped, fillcolor={_quoted(':'.join([*stripes, runs[-1][1]]))}"]

    def _where(self, place: Place | None) -> str:
        return "" if place is None else f"{paths.shown(place.path, self.root)}:{place.line}"


def _results(row: Row) -> tuple[str, ...]:
    return tuple(atom.text for atom in row.results) if isinstance(row, Box) else ()


def _label(lines: Sequence[str]) -> str:
    return '"' + r"\n".join(_escaped(visible(line)) for line in lines if line) + '"'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    # Graphviz also interprets HTML entities.
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
