"""Fingerprints, which identify a finding even if its line number changes.

A fingerprint is made of the code, the path relative to a folder, the enclosing function, the text
of the statement without comments and layout, and a number among the findings that agree in all of
these. It has no line number, so edits elsewhere in the file do not change it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from jaxrng_doctor._util import paths, source
from jaxrng_doctor.model.findings import Finding, Place

VERSION = 1
"""Increases when a change gives the same finding another fingerprint."""

_Position = tuple[tuple[str, int, int], ...]


def fingerprints(findings: Sequence[Finding], root: str) -> tuple[str, ...]:
    """The fingerprint of each finding, 32 hexadecimal digits; `root` is an absolute folder or `""`.

    A finding in several targets has one fingerprint; two findings with equal statements have two.
    The order of `findings` does not matter.
    """
    same: dict[tuple[str, ...], set[_Position]] = {}
    for finding in findings:
        same.setdefault(_looks(finding, root), set()).add(_position(finding))
    numbers = {
        (looks, position): n
        for looks, positions in same.items()
        for n, position in enumerate(sorted(positions))
    }
    return tuple(
        _hash(*(looks := _looks(f, root)), str(numbers[looks, _position(f)])) for f in findings
    )


def _looks(finding: Finding, root: str) -> tuple[str, ...]:
    place = finding.place
    if place is None:
        return (finding.code, "", "", finding.message)
    path = paths.shown(place.path, root)
    return (finding.code, path, place.function or "", _statement(place))


def _statement(place: Place) -> str:
    first, last = source.logical_span(place.path, place.line)
    comments = source.comments(place.path)
    lines = (
        (source.line(place.path, n) or "").rstrip().removesuffix(comments.get(n, "").rstrip())
        for n in range(first, last + 1)
    )
    return " ".join(" ".join(lines).split())


def _position(finding: Finding) -> _Position:
    """What distinguishes two findings with equal statements: their places and related places."""
    scopes = (scope.place for scope in finding.scopes)
    places = (finding.place, *scopes, *(related.place for related in finding.related))
    return tuple((p.path, p.line, p.column or 0) if p else ("", 0, 0) for p in places)


def _hash(*parts: str) -> str:
    # JSON separates the parts, and is ASCII whatever characters a path has.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
