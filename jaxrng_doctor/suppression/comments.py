"""The ignore comments of a source file, and which of them suppresses a finding.

`# jaxrng: ignore[RNG001] reason` applies to its statement, and `ignore-file[RNG001]` to its file.
The brackets hold codes or names of rules, with commas; without brackets it applies to every rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jaxrng_doctor._util import source
from jaxrng_doctor._util.suggest import nearest
from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.rules import RULES, codes_by_word, rule_of
from jaxrng_doctor.rules.rule import PREFIX

_NAMED = rf"(?:{PREFIX}\d+|{'|'.join(rule.name for rule in RULES)})\b"

# An unclosed bracket, a rule without brackets, or a missing colon is a slip. It must not be read as
# a comment without codes, which suppresses every rule.
_IGNORE = re.compile(
    rf"#\s*jaxrng(?P<colon>\s*:\s*|\s+|[_-])ignore(?P<file>-file)?\b(?!-(?!{_NAMED}))"
    rf"(?:\s*\[(?P<codes>[^\]#]*)\]|(?P<slip>[^\w#]*(?:\[|{_NAMED})))?"
    r"(?P<reason>.*?)(?=\s#\s|#\s*jaxrng\s*:|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One ignore comment. `codes` is `None` if it names none, and so suppresses all rules.

    A comment without codes does not suppress rules about comments, which would hide that it is
    unused. `slip` is the text of a comment in another form than the documented one: it suppresses
    nothing. `unknown` has codes and names that no rule has. `meant` is the comment that was
    probably meant, if there are such or a slip, else `""`.
    """

    line: int
    codes: frozenset[str] | None
    reason: str
    whole_file: bool = False
    slip: str = ""
    unknown: frozenset[str] = frozenset()
    meant: str = ""

    def covers(self, code: str) -> bool:
        if self.codes is not None:
            return code in self.codes
        rule = rule_of(code)
        return rule is None or not rule.checks_comments

    @property
    def is_misspelt(self) -> bool:
        return bool(self.slip or self.unknown)

    @property
    def text(self) -> str:
        """The comment without its reason, in its canonical form."""
        return self.slip or _text(self.codes, self.whole_file)


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

    It is at the draw, at a scope over which its key does not vary, at a related place that accepts
    comments, or applies to the whole file of the draw.
    """
    for place in marked_places(finding):
        by_line = _of(place.path).by_line
        first, last = source.logical_span(place.path, place.line)
        # Elsewhere a comment must name the rule: it could be meant for another finding.
        anything = place == finding.place or any(place == s.place for s in finding.scopes)
        for n in range(first, last + 1):
            for comment in by_line.get(n, ()):
                fits = comment.covers(finding.code) and (anything or comment.codes is not None)
                if fits and not comment.whole_file:
                    return Place(place.path, n), comment
    if finding.place is not None:
        for comment in _of(finding.place.path).whole_file:
            if comment.covers(finding.code):
                return Place(finding.place.path, comment.line), comment
    return None


def marked_places(finding: Finding) -> list[Place]:
    """The marked places where a comment suppresses the finding, that of the draw first."""
    sharing = [s.place for s in finding.scopes if s.varies is not True]
    others = [related.place for related in finding.related if related.accepts]
    return [place for place in (finding.place, *sharing, *others) if place is not None]


def with_codes(comment: str, codes: frozenset[str]) -> str | None:
    """A comment's text with `codes` added to its first list of codes; `None` if it has no list."""
    for match in _IGNORE.finditer(comment):
        if match["codes"] is not None and not match["file"] and not _is_slip(match):
            known, _ = _listed(match["codes"])
            at = match.start("codes") + len(match["codes"].rstrip())
            added = ", ".join([*([""] if known else []), *sorted(codes - known)])
            return f"{comment[:at]}{added}{comment[at:]}"
    return None


def _parsed(line: int, comment: str) -> list[Ignore]:
    found = []
    for match in _IGNORE.finditer(comment):
        reason = match["reason"].strip().lstrip(":-").lstrip()
        whole_file = match["file"] is not None
        if _is_slip(match):
            named = match["codes"] is not None or match["slip"] is not None
            if not named and reason:
                continue  # prose, such as `# jaxrng ignore this line`
            listed = match["codes"] or ", ".join(re.findall(_NAMED, match[0], re.IGNORECASE))
            _, corrected = _listed(listed)
            meant = "" if named and not corrected else _text(corrected or None, whole_file)
            slip = match[0].strip()
            found.append(Ignore(line, frozenset(), reason, whole_file, slip, meant=meant))
        elif match["codes"] is None:
            found.append(Ignore(line, None, reason, whole_file))
        else:
            codes, corrected = _listed(match["codes"])
            unknown = codes - {*codes_by_word().values()}
            meant = _text(corrected, whole_file) if unknown and corrected else ""
            found.append(Ignore(line, codes, reason, whole_file, unknown=unknown, meant=meant))
    return found


def _is_slip(match: re.Match[str]) -> bool:
    return match["slip"] is not None or ":" not in match["colon"]


def _text(codes: frozenset[str] | None, whole_file: bool) -> str:
    named = "" if codes is None else f"[{', '.join(sorted(codes))}]"
    return f"# jaxrng: ignore{'-file' if whole_file else ''}{named}"


def _listed(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The codes that are listed, by code or by name, and the same with unknown ones corrected.

    An unknown code that is similar to no rule's code or name is left out of the second.
    """
    known = codes_by_word()
    similar = [w for w, c in known.items() if (rule := rule_of(c)) and not rule.checks_comments]
    codes: set[str] = set()
    corrected: set[str] = set()
    for word in filter(None, re.split(r"[\s,]+", text)):
        code = known.get(word.lower())
        codes.add(code or word)
        corrected.update([code] if code else (known[near] for near in nearest(word, similar)))
    return frozenset(codes), frozenset(corrected)
