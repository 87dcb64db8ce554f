"""What a finding is known by when lines have moved. In: findings and a folder. Out: hashes.

A fingerprint holds the code, the path from the folder on, the enclosing function, the text of the
statement without comments and layout, and a running number among findings that are alike in all
that. It holds no line number, so that it stays the same while other lines come and go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from jaxrng_doctor._util import paths, source
from jaxrng_doctor.model.findings import Finding, Place

VERSION = 1
"""Grows when the same finding gets another fingerprint than before."""

_Position = tuple[tuple[str, int, int], ...]


def fingerprints(findings: Sequence[Finding], root: str) -> tuple[str, ...]:
    """The fingerprint of each finding, 32 hexadecimal digits; `root` is an absolute folder or `""`.

    One fault that several targets show has one fingerprint; two faults that look alike have two.
    The order of `findings` changes nothing.
    """
    alike: dict[tuple[str, ...], set[_Position]] = {}
    for finding in findings:
        alike.setdefault(_looks(finding, root), set()).add(_position(finding))
    numbers = {
        (looks, position): n
        for looks, positions in alike.items()
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
    """What tells two faults apart that look alike: where they and what they come from are."""
    scopes = (scope.place for scope in finding.scopes)
    places = (finding.place, *scopes, *(related.place for related in finding.related))
    return tuple((p.path, p.line, p.column or 0) if p else ("", 0, 0) for p in places)


def _hash(*parts: str) -> str:
    # JSON keeps the parts apart, and is ASCII whatever a path has in it.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
