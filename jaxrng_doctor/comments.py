"""The comments that call a finding intended: in comes a file's path, out come its `Ignore`s.

`# jaxrng: ignore[RNG001] reason` is about its statement, `# jaxrng: ignore-file[RNG001] reason`
about its file; without brackets about every rule, and with commas about several.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jaxrng_doctor import source
from jaxrng_doctor.findings import Finding, Place

# An opened bracket that is never closed is a slip: it must not turn into "ignore everything".
_IGNORE = re.compile(
    r"#\s*jaxrng\s*:\s*ignore(?P<file>-file)?\b(?!-)"
    r"(?:\s*\[(?P<codes>[^\]#]*)\]|(?!\s*\[))"
    r"(?P<reason>.*?)(?=\s#\s|#\s*jaxrng\s*:|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One ignore comment. `codes` is `None` where it names none and so suppresses all rules.

    All but RNG900, which a comment that suppresses nothing would otherwise hide from itself.
    """

    line: int
    codes: frozenset[str] | None
    reason: str
    whole_file: bool = False

    def covers(self, code: str) -> bool:
        return code != "RNG900" if self.codes is None else code in self.codes

    @property
    def text(self) -> str:
        """The comment without its reason, as it is best written."""
        named = "" if self.codes is None else f"[{', '.join(sorted(self.codes))}]"
        return f"# jaxrng: ignore{'-file' if self.whole_file else ''}{named}"


def ignores(path: str) -> tuple[Ignore, ...]:
    """All ignore comments of a file, by line."""
    return tuple(i for n, text in source.comments(path).items() for i in _parsed(n, text))


def comment_for(finding: Finding) -> tuple[Place, Ignore] | None:
    """The comment that suppresses the finding.

    It stands at the draw, at a scope that the draw's key does not vary over, or is about the
    whole file that the draw is in.
    """
    for place in places_of_comments(finding):
        comments = source.comments(place.path)
        first, last = source.logical_span(place.path, place.line)
        for n in range(first, last + 1):
            for comment in _parsed(n, comments.get(n, "")):
                if comment.covers(finding.code) and not comment.whole_file:
                    return Place(place.path, n), comment
    if finding.place is not None:
        for comment in ignores(finding.place.path):
            if comment.covers(finding.code) and comment.whole_file:
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
        codes = None if match["codes"] is None else _listed(match["codes"])
        found.append(Ignore(line, codes, match["reason"].strip(), match["file"] is not None))
    return found


def _listed(codes: str) -> frozenset[str]:
    return frozenset(filter(None, re.split(r"[\s,]+", codes.upper())))
