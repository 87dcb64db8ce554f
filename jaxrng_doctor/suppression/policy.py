"""Decides which findings are reported, which are suppressed, and in what order.

This depends on the user's settings and the ignore comments in the source. No other module decides
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxrng_doctor._util import source
from jaxrng_doctor.model.findings import Choices, Finding, Place, Suppressed, SuppressedBy
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.rules import rule_of
from jaxrng_doctor.rules.by_cause import grouped, ungrouped
from jaxrng_doctor.rules.rule import PREFIX
from jaxrng_doctor.suppression.comments import Ignore, comment_for, ignores
from jaxrng_doctor.suppression.globs import matches


def apply(
    findings: Sequence[Finding], choices: Choices
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """Findings to report, and suppressed findings, each sorted by place, and one for each cause.

    `findings` are of one program. One that is not selected, or is in an excluded file, is in
    neither result. Of a cause of which only a part is suppressed, the rest is reported.
    """
    reported: list[Finding] = []
    suppressed: dict[_How, list[Finding]] = {}
    for finding in sorted(ungrouped(findings), key=_order):
        if not _selected(finding.code, choices):
            continue
        if any(_in(finding, pattern, choices) for pattern in choices.exclude):
            continue
        if (how := _suppressed(finding, choices)) is None:
            reported.append(finding)
        else:
            suppressed.setdefault(how, []).append(finding)
    return grouped(reported), tuple(
        Suppressed(finding, *how) for how, found in suppressed.items() for finding in grouped(found)
    )


_How = tuple[SuppressedBy, str, Place | None]
"""What suppresses a finding: the fields of `Suppressed` after the first."""


def _suppressed(finding: Finding, choices: Choices) -> _How | None:
    """How the finding is suppressed, if it is. A comment has a reason, so it precedes a setting."""
    if (found := comment_for(finding)) is not None:
        place, comment = found
        by: SuppressedBy = "file-comment" if comment.whole_file else "comment"
        return by, comment.reason, place
    rule = rule_of(finding.code)
    if choices.expect == "same" and rule is not None and rule.shares:
        return "expect", "", None
    for pattern, codes in choices.per_file_ignores:
        if _in(finding, pattern, choices) and _longest_match(finding.code, codes) >= 0:
            return "per-file-ignores", f'"{pattern}"', None
    return None


def _in(finding: Finding, pattern: str, choices: Choices) -> bool:
    """Whether the finding is in a file that matches the pattern."""
    return finding.place is not None and matches(finding.place.path, pattern, choices.folder)


def misspelt(reports: Sequence[TargetReport]) -> Iterator[tuple[int, Place, Ignore]]:
    """The ignore comments of the checked functions, and of their files, that cannot be right.

    Yields the number of the report, the comment's place, and the comment, each comment once.
    """
    seen: set[tuple[str, int]] = set()
    for number, report in enumerate(reports):
        if (lines := report.lines) is None:
            continue
        for comment in ignores(lines.path):
            key = (lines.path, comment.line)
            last = lines.end_line or lines.line
            inside = comment.whole_file or lines.line <= comment.line <= last
            if inside and comment.is_misspelt and key not in seen:
                seen.add(key)
                yield number, Place(*key), comment


def unused(reports: Sequence[TargetReport]) -> Iterator[tuple[int, Place, Ignore]]:
    """The ignore comments that suppressed nothing in any report, except misspelt ones.

    Yields the number of the report, the comment's place, and the comment. Reports with a gap or a
    failure, or without a run, decide about no comment. Each of the others decides about the
    comments inside its function; together they decide about `ignore-file` comments in files of
    which every function was checked.
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
            codes = comment.codes or {PREFIX}
            judged = judged and not comment.is_misspelt
            if judged and key not in used and any(_selected(c, report.choices) for c in codes):
                used.add(key)
                yield number, Place(*key), comment


def _lines_seen(reports: Sequence[TargetReport]) -> set[tuple[str, int]]:
    """The lines of the functions that were checked, and those of all draws."""
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
    rule = rule_of(code)
    if rule is not None and not rule.is_on(choices.select):
        return False
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
