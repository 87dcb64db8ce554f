"""Which findings are told, which are called intended, and in what order: all of it here, once.

In: the rules' findings, the user's choices, and the comments of the user's source. Out: the
findings to report and the suppressed ones, each sorted by place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxrng_doctor import source
from jaxrng_doctor.findings import Expect, Finding, Place, Suppressed, TargetReport

SHARING = frozenset({"RNG001", "RNG002", "RNG003", "RNG004"})
"""What `expect="same"` calls intended."""

# An opened bracket that is never closed is a slip: it must not turn into "ignore everything".
_IGNORE = re.compile(
    r"#\s*jaxrng\s*:\s*ignore\b(?:\s*\[(?P<codes>[^\]]*)\]|(?!\s*\[))"
    r"(?P<reason>.*?)(?=\s#\s|#\s*jaxrng\s*:|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One ignore comment. `codes` is `None` where it names none and so suppresses all."""

    line: int
    codes: frozenset[str] | None
    reason: str

    def covers(self, code: str) -> bool:
        return self.codes is None or code in self.codes


def apply(
    findings: Sequence[Finding],
    *,
    expect: Expect = "different",
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """Findings to report, and findings that somebody called intended.

    `select` and `ignore` hold codes or prefixes of codes (`"RNG001"`, `"RNG0"`, `"ALL"`); the
    longest match decides, and `ignore` where both match alike. No `select` is all of them. What
    these drop is in neither result.
    """
    told: list[Finding] = []
    intended: list[Suppressed] = []
    for finding in sorted(findings, key=_order):
        if not _selected(finding.code, select, ignore):
            continue
        comment = _comment_for(finding)
        if comment is not None:
            intended.append(Suppressed(finding, "comment", comment[1].reason, comment[0]))
        elif expect == "same" and finding.code in SHARING:
            intended.append(Suppressed(finding, "expect"))
        else:
            told.append(finding)
    return tuple(told), tuple(intended)


def ignores(path: str) -> tuple[Ignore, ...]:
    """All ignore comments of a file, by line."""
    return tuple(i for n, text in source.comments(path).items() for i in _parsed(n, text))


def unused(
    reports: Sequence[TargetReport],
    *,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
) -> Iterator[tuple[int, Place, Ignore]]:
    """The ignore comments inside of the examined functions that suppressed nothing in any report.

    Yields the number of the report, the comment's place, and the comment. Reports that
    are not complete, because of a gap, a failure or no run, judge no comment.
    """
    used = {(s.comment.path, s.comment.line) for r in reports for s in r.suppressed if s.comment}
    for number, report in enumerate(reports):
        if report.lines is None or report.failure or report.gaps or report.comparison is None:
            continue
        lines = report.lines
        for comment in ignores(lines.path):
            key = (lines.path, comment.line)
            inside = lines.line <= comment.line <= (lines.end_line or lines.line)
            codes = comment.codes if comment.codes is not None else {"RNG"}
            if inside and key not in used and any(_selected(c, select, ignore) for c in codes):
                used.add(key)
                yield number, Place(*key), comment


def _parsed(line: int, comment: str) -> list[Ignore]:
    found = []
    for match in _IGNORE.finditer(comment):
        codes = match["codes"]
        wanted = None if codes is None else frozenset(re.split(r"[\s,]+", codes.strip().upper()))
        found.append(Ignore(line, wanted, match["reason"].strip()))
    return found


def _comment_for(finding: Finding) -> tuple[Place, Ignore] | None:
    """The comment at the draw, or at a scope that the draw's key does not vary over."""
    guilty = [s.place for s in finding.scopes if s.varies is not True]
    for place in (finding.place, *guilty):
        if place is None:
            continue
        comments = source.comments(place.path)
        first, last = source.logical_span(place.path, place.line)
        for n in range(first, last + 1):
            for comment in _parsed(n, comments.get(n, "")):
                if comment.covers(finding.code):
                    return Place(place.path, n), comment
    return None


def _selected(code: str, select: Sequence[str] | None, ignore: Sequence[str] | None) -> bool:
    return _longest_match(code, select or ["ALL"]) > _longest_match(code, ignore or [])


def _longest_match(code: str, prefixes: Sequence[str]) -> int:
    """The length of the longest prefix of `code` among them, 0 for `"ALL"`, -1 for none."""
    wanted = [p.strip().upper() for p in prefixes]
    lengths = [
        0 if p == "ALL" else len(p) for p in wanted if p == "ALL" or (p and code.startswith(p))
    ]
    return max(lengths, default=-1)


def _order(finding: Finding) -> tuple[bool, str, int, int, str, str]:
    place = finding.place
    if place is None:
        return (True, "", 0, 0, finding.code, finding.message)
    return (False, place.path, place.line, place.column or 0, finding.code, finding.message)
