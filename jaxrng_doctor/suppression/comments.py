"""The comments that call a finding intended: in comes a file's path, out come its `Ignore`s.

`# jaxrng: ignore[RNG001] reason` is about its statement, `# jaxrng: ignore-file[RNG001] reason`
about its file; without brackets about every rule, and with commas about several.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jaxrng_doctor._util import source
from jaxrng_doctor.model.findings import Finding, Place

# A bracket that is never closed, or a code in none, is a slip: it must not turn into "ignore
# everything".
_IGNORE = re.compile(
    r"#\s*jaxrng\s*:\s*ignore(?P<file>-file)?\b(?!-(?!RNG\d))"
    r"(?:\s*\[(?P<codes>[^\]#]*)\]|(?P<slip>[^\w#]*(?:\[|RNG\d+)))?"
    r"(?P<reason>.*?)(?=\s#\s|#\s*jaxrng\s*:|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One ignore comment. `codes` is `None` where it names none and so suppresses all rules.

    All but RNG900, which a comment that suppresses nothing would otherwise hide from itself.
    `slip` is the text of one whose codes are not in brackets: it suppresses nothing.
    """

    line: int
    codes: frozenset[str] | None
    reason: str
    whole_file: bool = False
    slip: str = ""

    def covers(self, code: str) -> bool:
        return code != "RNG900" if self.codes is None else code in self.codes

    @property
    def text(self) -> str:
        """The comment without its reason, as it is best written."""
        if self.slip:
            return self.slip
        named = "" if self.codes is None else f"[{', '.join(sorted(self.codes))}]"
        return f"# jaxrng: ignore{'-file' if self.whole_file else ''}{named}"


@dataclass(frozen=True, slots=True)
class _Ignores:
    """Those of one file, of which `comments` are all comments."""

    comments: Mapping[int, str]
    by_line: Mapping[int, list[Ignore]]
    whole_file: tuple[Ignore, ...]


_files: dict[str, _Ignores] = {}


def _of(path: str) -> _Ignores:
    comments = source.comments(path)
    known = _files.get(path)
    # One mapping for as long as the file is the same.
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

    It stands at the draw, at a scope that the draw's key does not vary over, or is about the
    whole file that the draw is in.
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
    """Where a comment about the finding may stand, the best place first."""
    guilty = [s.place for s in finding.scopes if s.varies is not True]
    return [place for place in (finding.place, *guilty) if place is not None]


def with_codes(comment: str, codes: frozenset[str]) -> str | None:
    """The text of a comment with `codes` added to its first list of codes, if it has one."""
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
