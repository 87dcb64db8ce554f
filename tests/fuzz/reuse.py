"""One key for two draws, by the oracle's notes and by the doctor: out come their disagreements."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from jaxrng_doctor.model.findings import Finding
from tests.fuzz.oracle import Note
from tests.fuzz.tree import Source, Where

CODES = ("RNG005", "RNG007")


def disagreements(
    notes: dict[Where, Note], source: Source, report: Any, *, proven: bool
) -> list[str]:
    """Lines on which only one of the two says that a draw's key was drawn from before.

    Without the run the doctor may be silent.
    """
    if "random.clone(" in source.text:
        return []  # a clone's author wants the same numbers: the doctor asks which of the two it is
    said = {f.place.line: f for f in verdicts(report, proven=proven) if f.code in CODES}
    pairs = [((v, a), (w, b)) for (v, a), (w, b) in combinations(notes.items(), 2)]
    true = {source.at[b.line_of] for (v, a), (w, b) in pairs if _share(v, a, w, b)}
    free = {source.at[n.line_of] for n in notes.values() if not n.keys}
    free |= {source.at[b.line_of] for (_, a), (_, b) in pairs if not a.keys}
    # The doctor tells also what keys that are made in two ways share in branches that both repeat.
    either = {source.at[b.line_of] for (v, a), (w, b) in pairs if _have_common(a, b)} - true
    told = [
        f"line {line}: {finding.code} is a false alarm: {finding.message}"
        for line, finding in sorted(said.items())
        if line not in true | either and (proven or line not in free)
    ]
    sure = {line for line, finding in said.items() if finding.confidence == "proven"}
    missed = sorted(true - sure) if proven else []
    return told + [f"line {line}: a key drawn from before is not proven" for line in missed]


def verdicts(report: Any, *, proven: bool) -> list[Finding]:
    """The findings on what has happened: with the run, a note may say what these inputs avoid."""
    return [
        f
        for f in report.findings
        if not (proven and f.severity == "note" and f.confidence == "inferred")
    ]


def _have_common(a: Note, b: Note) -> bool:
    return not set(a.keys.values()).isdisjoint(b.keys.values())


def _share(v: Where, a: Note, w: Where, b: Note) -> bool:
    """Both drew from one key. In branches of which one is taken that is told of each by itself."""
    if not _have_common(a, b):
        return False
    return not (_exclusive(v, w) and (_repeats(a) or _repeats(b)))


def _exclusive(v: Where, w: Where) -> bool:
    for one, other in zip(v, w, strict=False):
        if one != other:
            return one[:2] == other[:2] and one[0] == "branch"
    return False


def _repeats(note: Note) -> bool:
    return len(set(note.keys.values())) < len(note.keys)
