"""Makes one finding of all that have one cause.

The user makes one mistake, and each draw that follows from it breaks a rule, or several. The
finding is the most severe one, and of several the one about the key that is the reason for the
others, then the one with the lowest code. The other places are added to it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import (
    SEVERITIES,
    STRIP_LENGTH,
    Finding,
    Place,
    Related,
)
from jaxrng_doctor.rules import rule_of

MOST_PLACES = 8
"""A finding has at most this many places, unless one part alone has more. Others are counted."""


def grouped(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings with one for each cause, at the place of its first one. All need one program."""
    by_cause: dict[Hashable, list[Finding]] = {}
    for number, finding in enumerate(findings):
        alone = finding.cause_id is None
        by_cause.setdefault(("", number) if alone else finding.cause_id, []).append(finding)
    return tuple(_one(found) for found in by_cause.values())


def ungrouped(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings that `grouped` got."""
    for finding in findings:
        yield from finding.each_part


def _one(parts: Sequence[Finding]) -> Finding:
    if len(parts) == 1:
        return parts[0]
    main = min(parts, key=lambda f: (SEVERITIES.index(f.severity), f.derived, f.code))
    firsts = {part.code: part for part in reversed(parts) if part.code != main.code}
    others = [firsts[code] for code in sorted(firsts)]
    related, left_out = _related(main, parts)
    notes = [f"also {other.code} ({other.name}): {other.message}" for other in others]
    if left_out:
        notes.insert(0, f"and at {counted(left_out, 'more place')}")
    helps = dict.fromkeys(help for finding in (main, *others) for help in finding.help)
    whole = replace(
        main,
        related=related,
        notes=(*main.notes, *notes),
        help=tuple(helps),
        also=tuple(other.code for other in others),
        parts=tuple(parts),
    )
    return _with_all_uses(whole, main, [part for part in parts if part.code == main.code])


def _related(main: Finding, parts: Sequence[Finding]) -> tuple[tuple[Related, ...], int]:
    """The places to mark, besides that of `main`, and how many places are left out."""
    marked = {main.place, *(related.place for related in main.related)}
    keys = {key for key, _ in main.uses}
    explaining: list[Related] = []
    added: dict[Place, Related] = {}
    for part in parts:
        is_of_key = keys.issuperset(key for key, _ in part.uses)
        explaining += part.related if is_of_key else ()
        if part.place is not None and part.place not in marked:
            again = "also " if part.label == main.label else ""
            other = "" if is_of_key else ", with another key"
            added.setdefault(part.place, Related(part.place, f"{again}{part.label}{other}"))
    uses = len(added)
    for related in explaining:
        if related.place not in marked:
            added.setdefault(related.place, related)
    shown = [*added.values()][: max(0, MOST_PLACES - len(marked))]
    return (*main.related, *shown), max(0, uses - len(shown))


def _with_all_uses(whole: Finding, main: Finding, same: Sequence[Finding]) -> Finding:
    """The finding with the count of all uses of its keys."""
    uses = {key: set(used) for key, used in main.uses}
    for key, used in (each for part in same for each in part.uses):
        if key in uses:
            uses[key] |= used
    numbers = [number for number, used in enumerate(uses.values()) for _ in used]
    more = len(numbers) - sum(len(used) for _, used in main.uses)
    if not more:
        return whole
    evidence = main.evidence
    if evidence is not None:
        strip = tuple(numbers[:STRIP_LENGTH])
        evidence = replace(evidence, examples=len(numbers), distinct_keys=len(uses), strip=strip)
    keys = "this key" if len(uses) == 1 else "these keys"
    message = f"{main.message}; {counted(len(numbers), 'use')} of {keys} in all"
    whole = replace(whole, message=message, evidence=evidence)
    rule = rule_of(main.code)
    adapt = None if rule is None else rule.with_uses
    return whole if adapt is None or len(uses) > 1 else adapt(whole, len(numbers))
