"""Which findings are told, which are called intended, and in what order: all of it here, once.

In: the rules' findings, the user's choices, and the comments of the user's source. Out: the
findings to report and the suppressed ones, each sorted by place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxrng_doctor._util import source
from jaxrng_doctor.model.findings import Choices, Finding, Place, Suppressed, SuppressedBy
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.suppression.comments import Ignore, comment_for, ignores
from jaxrng_doctor.suppression.globs import matches

SHARING = frozenset({"RNG001", "RNG002", "RNG003", "RNG004", "RNG014"})
"""What `expect="same"` calls intended: sharing within one call, and from call to call."""


def apply(
    findings: Sequence[Finding], choices: Choices
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """Findings to report, and findings that somebody called intended.

    What is not selected, or is in a file that is excluded, is in neither result.
    """
    told: list[Finding] = []
    intended: list[Suppressed] = []
    for finding in sorted(findings, key=_order):
        if not _selected(finding.code, choices):
            continue
        if any(_in(finding, pattern, choices) for pattern in choices.exclude):
            continue
        if (suppressed := _suppressed(finding, choices)) is None:
            told.append(finding)
        else:
            intended.append(suppressed)
    return tuple(told), tuple(intended)


def _suppressed(finding: Finding, choices: Choices) -> Suppressed | None:
    """How the finding is suppressed: a comment's reason is worth more than a bare setting."""
    if (found := comment_for(finding)) is not None:
        place, comment = found
        by: SuppressedBy = "file-comment" if comment.whole_file else "comment"
        return Suppressed(finding, by, comment.reason, place)
    if choices.expect == "same" and finding.code in SHARING:
        return Suppressed(finding, "expect")
    for pattern, codes in choices.per_file_ignores:
        if _in(finding, pattern, choices) and _longest_match(finding.code, codes) >= 0:
            return Suppressed(finding, "per-file-ignores", f'"{pattern}"')
    return None


def _in(finding: Finding, pattern: str, choices: Choices) -> bool:
    """Whether the finding is in a file that matches."""
    return finding.place is not None and matches(finding.place.path, pattern, choices.folder)


def unused(reports: Sequence[TargetReport]) -> Iterator[tuple[int, Place, Ignore]]:
    """The ignore comments that suppressed nothing in any report.

    Yields the number of the report, the comment's place, and the comment. Reports that are not
    complete, because of a gap, a failure or no run, judge no comment. The others judge those
    inside of their function, and together those about a file in which no function was left out.
    """
    used = {(s.comment.path, s.comment.line) for r in reports for s in r.suppressed if s.comment}
    complete = [
        (n, r, r.lines)
        for n, r in enumerate(reports)
        if r.lines and not r.failure and not r.gaps and r.comparison is not None
    ]
    seen = _lines_seen([report for _, report, _ in complete])
    for number, report, lines in complete:
        for comment in ignores(lines.path):
            key = (lines.path, comment.line)
            if comment.whole_file:
                judged = _all_seen(lines.path, seen)
            else:
                judged = lines.line <= comment.line <= (lines.end_line or lines.line)
            codes = comment.codes or {"RNG"}
            if judged and key not in used and any(_selected(c, report.choices) for c in codes):
                used.add(key)
                yield number, Place(*key), comment


def _lines_seen(reports: Sequence[TargetReport]) -> set[tuple[str, int]]:
    """The lines of the functions that were examined, and those of the draws of others."""
    seen = set()
    for report in reports:
        for place in (report.lines, *(draw.place for draw in report.draws)):
            if place is not None:
                last = place.end_line or place.line
                seen |= {(place.path, n) for n in range(place.line, last + 1)}
    return seen


def _all_seen(path: str, seen: set[tuple[str, int]]) -> bool:
    return all(
        any((path, n) in seen for n in range(first, last + 1))
        for first, last in source.functions(path)
    )


def _selected(code: str, choices: Choices) -> bool:
    return _longest_match(code, choices.select or ["ALL"]) > _longest_match(code, choices.ignore)


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
