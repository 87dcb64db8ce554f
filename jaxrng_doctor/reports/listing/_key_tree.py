"""The key tree as text.

The child with the largest subtree continues in its parent's column, and the others branch off
before it. So a chain of a thousand splits is as narrow as one split.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.listing import KeyNode
from jaxrng_doctor.reports._layout import Row, visible
from jaxrng_doctor.reports.listing import _words as words
from jaxrng_doctor.reports.listing._rows import Writer

_SYMBOLS = {"draw": "◆ ", "returned": "→ "}


def tree_rows(writer: Writer) -> Iterator[Row]:
    """Every node, on one row or more if it does not fit."""
    nodes = writer.listing.tree
    children: list[list[int]] = [[] for _ in nodes]
    weights = [1] * len(nodes)
    for number in range(len(nodes) - 1, -1, -1):
        parent = nodes[number].parent
        if parent is not None:
            children[parent].append(number)
            weights[parent] += weights[number]
    if not nodes:
        yield (("no keys", "dim"),)
    roots = [n for n, node in enumerate(nodes) if node.parent is None]
    waiting = [(n, "", False) for n in reversed(roots)]
    while waiting:
        number, bars, branches = waiting.pop()
        if nodes[number].parent is None and number:
            yield ()
        below = sorted(children[number])
        # Of children with equal weights, the last continues.
        main = max(below, key=lambda n: (weights[n], n), default=None)
        head = (bars[:-2] + "├─" if branches else bars, "gutter")
        yield from _node(writer, number, head, (bars + ("│ " if below else "  "), "gutter"))
        if main is not None:
            waiting.append((main, bars, False))
        waiting += [(n, bars + "│ ", True) for n in reversed(below) if n != main]


def _node(
    writer: Writer, number: int, head: tuple[str, str], under: tuple[str, str]
) -> Iterator[Row]:
    node = writer.listing.tree[number]
    parent = None if node.parent is None else writer.listing.tree[node.parent]
    symbol = _SYMBOLS.get(node.kind, "● ")
    title = f"{node.label}:{node.type}" if node.kind == "draw" and node.type else node.label
    segments: list[Row] = [((symbol, ""), (visible(title), "title"))]
    if node.key is not None:
        segments.append(writer.keys(node.key))
    scopes = (words.scope_title(mark) for mark in words.entered(node, parent))
    others = (writer.listing.tree[other].label for other in node.also)
    segments += [((f"in {visible(scope)}", ""),) for scope in scopes]
    segments += [((f"or from {visible(label)}", "dim"),) for label in others]
    segments.append(_varies(node))
    yield from writer.flowing((head,), segments, writer.location(node.place), (under,))
    yield from writer.faults(node.findings, (under,))


def _varies(node: KeyNode) -> Row:
    varies = words.varying(node.over, node.scopes)
    return ((f"{{{varies}}}", "note"),) if varies and node.kind != "draw" else ()
