"""The ignore comments of a source file, and which of them suppresses a finding.

`# jaxrng: ignore[RNG001] reason` applies to its statement, and `ignore-file[RNG001]` to its file.
The brackets hold one code or several with commas; without brackets it applies to every rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jaxrng_doctor._util import source
from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.rules import rule_of
from jaxrng_doctor.rules.rule import PREFIX

# An unclosed bracket, or a code without brackets, is a slip. It must not be read as a comment
# without codes, which suppresses every rule.
_IGNORE = re.compile(
    rf"#\s*jaxrng\s*:\s*ignore(?P<file>-file)?\b(?!-(?!{PREFIX}\d))"
    rf"(?:\s*\[(?P<codes>[^\]#]*)\]|(?P<slip>[^\w#]*(?:\[|{PREFIX}\d+)))?"
    r"(?P<reason>.*?)(?=\s#\s|#\s*jaxrng\s*:|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One ignore comment. `codes` is `None` if it names none, and so suppresses all rules.

    A comment without codes does not suppress rules about comments, which would hide that it is
    unused. `slip` is the text of a comment whose codes are not in brackets: it suppresses nothing.
    """

    line: int
    codes: frozenset[str] | None
    reason: str
    whole_file: bool = False
    slip: str = ""

    def covers(self, code: str) -> bool:
        if self.codes is not None:
            return code in self.codes
        rule = rule_of(code)
        return rule is None or not rule.checks_comments

    @property
    def text(self) -> str:
        """The comment without its reason, in its canonical form."""
        if self.slip:
            return self.slip
        named = "" if self.codes is None else f"[{', '.join(sorted(self.codes))}]"
        return f"# jaxrng: ignore{'-file' if self.whole_file else ''}{named}"


@dataclass(frozen=True, slots=True)
class _Ignores:
    """The ignore comments of one file; `comments` are all its comments, by line."""

    comments: Mapping[int, str]
    by_line: Mapping[int, list[Ignore]]
    whole_file: tuple[Ignore, ...]


_files: dict[str, _Ignores] = {}


def _of(path: str) -> _Ignores:
    comments = source.comments(path)
    known = _files.get(path)
    # `source.comments` returns the same mapping until the file changes.
    if known is None or known.comments is not comments:
        by_line = {n: _parsed(n, text) for n, text in comments.items()}
        whole_file = tuple(i for found in by_line.values() for i in found if i.whole_file)
        known = _files[path] = _Ignores(comments, by_line, whole_file)
    return known


def ignores(path: str) -> tuple[Ignore, ...]:
    """All ignore comments of a file, by line."""
    return tuple(ignore for found in _of(path).by_line.values() for ignore in found)


def comment_for(finding: Finding) -> tuple[Place, Ignore] | None:
    """The comment that suppresses the finding.

    It is at the draw, at a scope over which the draw's key does not vary, or applies to the whole
    file of the draw.
    """
    for place in places_of_comments(finding):
        by_line = _of(place.path).by_line
        first, last = source.logical_span(place.path, place.line)
        for n in range(first, last + 1):
            for comment in by_line.get(n, ()):
                if comment.covers(finding.code) and not comment.whole_file:
                    return Place(place.path, n), comment
    if finding.place is not None:
        for comment in _of(finding.place.path).whole_file:
            if comment.covers(finding.code):
                return Place(finding.place.path, comment.line), comment
    return None


def places_of_comments(finding: Finding) -> list[Place]:
    """Where a comment may suppress the finding, the best place first."""
    sharing = [s.place for s in finding.scopes if s.varies is not True]
    return [place for place in (finding.place, *sharing) if place is not None]


def with_codes(comment: str, codes: frozenset[str]) -> str | None:
    """A comment's text with `codes` added to its first list of codes; `None` if it has no list."""
    for match in _IGNORE.finditer(comment):
        if match["codes"] is not None and not match["file"]:
            known = _listed(match["codes"])
            at = match.start("codes") + len(match["codes"].rstrip())
            added = ", ".join([*([""] if known else []), *sorted(codes - known)])
            return f"{comment[:at]}{added}{comment[at:]}"
    return None


def _parsed(line: int, comment: str) -> list[Ignore]:
    found = []
    for match in _IGNORE.finditer(comment):
        slip = match[0].strip() if match["slip"] else ""
        codes = None if match["codes"] is None and not slip else _listed(match["codes"] or "")
        reason = match["reason"].strip().lstrip(":-").lstrip()
        found.append(Ignore(line, codes, reason, match["file"] is not None, slip))
    return found


def _listed(codes: str) -> frozenset[str]:
    return frozenset(filter(None, re.split(r"[\s,]+", codes.upper())))
