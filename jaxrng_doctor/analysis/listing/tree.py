"""Builds the key tree: which key is derived from which, down to the draws.

A value that only passes a key on (a reshape, the wrapping of a legacy key) has no separate node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jaxrng_doctor.analysis.lineage.describe import TRANSPARENT, describe, index_of, parameters
from jaxrng_doctor.analysis.lineage.transfers import indexing
from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.analysis.listing.rows import ListedValue
from jaxrng_doctor.jax_internals import primitives
from jaxrng_doctor.model.listing import KeyNode, NodeKind
from jaxrng_doctor.tracing.places import locate
from jaxrng_doctor.tracing.scopes import EqnPath

_INDEXING = frozenset({"block", "element", *indexing.TRANSFERS})
_JOINING = frozenset({"concatenate", "stack"})
_CHOOSING = frozenset({"chosen", "select_n"})


@dataclass(slots=True)
class _Node:
    kind: NodeKind
    label: str
    made: ListedValue | None
    value: Value | None
    parents: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)


class Tree:
    """Collects the nodes of the key tree, in program order; `nodes()` returns all of them."""

    def __init__(
        self, made: Mapping[int, ListedValue], drawn: Mapping[EqnPath, ListedValue]
    ) -> None:
        self._made = made
        self._drawn = drawn
        self._nodes: list[_Node] = []
        self._numbers: dict[int, int] = {}

    def draw(self, path: EqnPath, sampler: str, keys: tuple[Value, ...]) -> None:
        self._leaf("draw", sampler, self._drawn.get(path), keys)

    def returned(self, output: str, key: Value) -> None:
        self._leaf("returned", f"returned as output{output}", None, (key,))

    def _leaf(
        self, kind: NodeKind, label: str, made: ListedValue | None, keys: tuple[Value, ...]
    ) -> None:
        parents = list(dict.fromkeys(map(self.key, keys)))
        self._append(_Node(kind, label, made, None, parents))

    def key(self, value: Value) -> int:
        """The number of a key's node; creates the node and its ancestors if they are missing."""
        waiting = [value]
        while waiting:  # not by recursion: a key can be thousands of splits away from its seed
            value_here = waiting[-1]
            core = _core(value_here)
            if id(core) in self._numbers:
                waiting.pop()
                continue
            parents = list(_parents(core))
            missing = [p for p in parents if id(_core(p)) not in self._numbers]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            kind, label = _step(core)
            made = self._made.get(id(value_here)) or self._made.get(id(core))
            numbers = list(dict.fromkeys(self._numbers[id(_core(p))] for p in parents))
            self._numbers[id(core)] = self._append(_Node(kind, label, made, core, numbers))
        return self._numbers[id(_core(value))]

    def _append(self, node: _Node) -> int:
        number = len(self._nodes)
        self._nodes.append(node)
        if node.parents:
            self._nodes[node.parents[0]].children.append(number)
        return number

    def nodes(self) -> tuple[KeyNode, ...]:
        """The nodes in depth-first order: the descendants of a node directly follow it."""
        order: list[int] = []
        waiting = [n for n, node in reversed(list(enumerate(self._nodes))) if not node.parents]
        while waiting:
            number = waiting.pop()
            order.append(number)
            waiting += reversed(self._nodes[number].children)
        index = {number: i for i, number in enumerate(order)}
        return tuple(_plain(self._nodes[number], index) for number in order)


def _plain(node: _Node, index: Mapping[int, int]) -> KeyNode:
    parents = [index[n] for n in node.parents]
    made, value = node.made, node.value
    place = made.place if made else None
    if place is None and value is not None and node.kind not in ("input", "captured"):
        place = locate(value.birth)
    return KeyNode(
        kind=node.kind,
        label=node.label,
        parent=parents[0] if parents else None,
        also=tuple(parents[1:]),
        variable=made.variable.name if made else "",
        type=made.variable.type if made else "",
        place=place,
        scopes=made.scopes if made else (),
        over=made.variable.over if made else (),
        key=None if made is None else made.key or made.variable.key,
        findings=made.findings if made else (),
    )


def _core(value: Value) -> Value:
    while value.op in TRANSPARENT and value.args:
        value = value.args[0]
    return value


def _parents(value: Value) -> Iterator[Value]:
    """The keys that a key is derived from; for a `fold_in` or an index, not the integer."""
    if value.op == primitives.SEED:
        return
    if value.op in _JOINING:
        yield from value.args
    elif value.op in _CHOOSING:
        yield from value.args[1:]
    elif value.op == "after_loop":
        yield value.args[1]
    else:
        yield from [arg for arg in value.args if arg.op != "literal"][:1]


def _step(value: Value) -> tuple[NodeKind, str]:  # noqa: C901
    """The kind of a node, and the label of the step from its parent."""
    match value.op:
        case "input":
            return "input", str(value.params)
        case "const" | "literal":
            return "captured", describe(value)
        case primitives.SEED:
            return "seed", describe(value)
        case primitives.SPLIT:
            shape = parameters(value)["shape"]
            return "split", f"split({shape[0] if len(shape) == 1 else shape})"
        case primitives.FOLD_IN:
            return "fold_in", f"fold_in({describe(value.args[1])})"
        case "element":
            return "index", f"[{index_of(value.params[1])}]"
        case "stacked":
            return "other", f"for each {index_of(value.params[1])}"
        case "carry":
            return "loop", "carried from step to step"
        case "after_loop":
            return "loop", "after the loop"
        case op if op in _CHOOSING:
            return "chosen", "one of several"
        case "slice" | "unstack":
            return "index", describe(value).removeprefix(describe(value.args[0]))
        case op if op in _INDEXING:
            return "index", "[…]"
        case op:
            return "other", op
