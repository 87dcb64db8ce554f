"""Listings as JSON, in the format of `docs/listing.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jaxrng_doctor._util.version import __version__
from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.model.listing import (
    Atom,
    Box,
    Entry,
    Fold,
    KeyMark,
    KeyNode,
    Line,
    Listing,
    Over,
    Row,
    ScopeMark,
    Variable,
)
from jaxrng_doctor.reports.json import Writer as Places
from jaxrng_doctor.reports.json import headline
from jaxrng_doctor.reports.options import RenderOptions

SCHEMA_VERSION = 1

_Json = dict[str, Any]


def render(listings: Sequence[Listing], options: RenderOptions, *, lineage: bool) -> str:
    """All of each listing, equations and key tree, regardless of `lineage`."""
    del lineage
    writer = _Writer(Places(options.root))
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "targets": [writer.listing(listing) for listing in listings],
    }
    return _spread(document, "") + "\n"


_HELD = frozenset({"findings", "gaps", "inputs", "inside", "results", "rows", "targets", "tree"})
"""The names of lists whose items are on separate lines."""

_in_a_line = json.JSONEncoder(allow_nan=False).encode


def _spread(value: _Json, margin: str) -> str:
    """JSON with one line per row or node.

    Fully indented, ten thousand equations would be half a million lines and take a second.
    """
    if not any(value.get(name) and isinstance(value[name][0], dict) for name in _HELD):
        return _in_a_line(value)
    parts = [f'"{name}": {_part(name, part, margin)}' for name, part in value.items()]
    return "{\n" + ",\n".join(f"{margin}  {part}" for part in parts) + f"\n{margin}}}"


def _part(name: str, part: Any, margin: str) -> str:
    if name not in _HELD or not part or not isinstance(part[0], dict):
        return _in_a_line(part)
    items = (f"{margin}    {_spread(item, f'{margin}    ')}" for item in part)
    return "[\n" + ",\n".join(items) + f"\n{margin}  ]"


class _Writer:
    def __init__(self, places: Places) -> None:
        self.places = places

    def listing(self, listing: Listing) -> _Json:
        return {
            "target": listing.target,
            "place": self.place(listing.lines),
            "equations": listing.equations,
            "not_computed": listing.not_computed,
            "inputs": [_variable(v) for v in listing.inputs],
            "rows": self.rows(listing.rows),
            "results": [{"path": path, **_atom(atom)} for path, atom in listing.results],
            "tree": [self.node(node) for node in listing.tree],
            "findings": [self.finding(f) for f in listing.findings],
            "gaps": [{"message": g.message, "place": self.place(g.place)} for g in listing.gaps],
        }

    def rows(self, rows: Sequence[Row]) -> list[_Json]:
        return [self.row(row) for row in rows]

    def row(self, row: Row) -> _Json:
        match row:
            case Line():
                return self.line(row)
            case Box():
                return self.box(row)
            case Fold():
                return {
                    "row": "fold",
                    "equations": row.equations,
                    "first": self.place(row.first),
                    "last": self.place(row.last),
                    "rows": self.rows(row.rows),
                }

    def line(self, line: Line) -> _Json:
        return {
            "row": "line",
            "kind": line.kind,
            "what": line.what,
            "params": line.params,
            "outputs": [_variable(v) for v in line.outputs],
            "operands": [_atom(atom) for atom in line.operands],
            "keys": _mark(line.key),
            "place": self.place(line.place),
            "findings": list(line.findings),
            "equations": line.equations,
            "inside": self.rows(line.inside),
        }

    def box(self, box: Box) -> _Json:
        return {
            "row": "box",
            "title": box.title,
            "name": box.name,
            "scopes": [self.scope(mark) for mark in box.scopes],
            "entries": [_entry(entry) for entry in box.entries],
            "rows": self.rows(box.rows),
            "results": [_atom(atom) for atom in box.results],
            "outputs": [_variable(v) for v in box.outputs],
            "place": self.place(box.place),
            "findings": list(box.findings),
            "equations": box.equations,
        }

    def scope(self, mark: ScopeMark) -> _Json:
        return {
            "number": mark.number,
            "index": mark.index,
            "kind": mark.scope.kind,
            "size": mark.scope.size,
            "name": mark.scope.name,
            "axis_name": mark.scope.axis_name,
            "place": self.place(mark.scope.place),
        }

    def node(self, node: KeyNode) -> _Json:
        return {
            "kind": node.kind,
            "label": node.label,
            "parent": node.parent,
            "also": list(node.also),
            "variable": node.variable,
            "type": node.type,
            "place": self.place(node.place),
            "scopes": [mark.number for mark in node.scopes],
            "over": _over(node.over),
            "keys": _mark(node.key),
            "findings": list(node.findings),
        }

    def finding(self, finding: Finding) -> _Json:
        return {**headline(finding), "place": self.place(finding.place)}

    def place(self, place: Place | None) -> _Json | None:
        return None if place is None else self.places.place(place)


def _variable(made: Variable) -> _Json:
    return {
        "name": made.name,
        "label": made.label,
        "type": made.type,
        "over": _over(made.over),
        "keys": _mark(made.key),
    }


def _atom(atom: Atom) -> _Json:
    return {"text": atom.text, "is_variable": atom.is_variable}


def _entry(entry: Entry) -> _Json:
    return {
        "inner": None if entry.inner is None else _variable(entry.inner),
        "outer": None if entry.outer is None else _atom(entry.outer),
        "how": entry.how,
    }


def _over(over: Over) -> list[str]:
    return [variation.name.lower() for variation in over]


def _mark(mark: KeyMark | None) -> _Json | None:
    if mark is None:
        return None
    return {
        "strip": list(mark.strip),
        "computed": mark.computed,
        "count": mark.count,
        "distinct": mark.distinct,
    }
