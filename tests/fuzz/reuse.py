"""One key for two draws, by the oracle's notes and by the doctor: out come their disagreements."""

from __future__ import annotations

from itertools import combinations
from typing import Any

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
    said = {f.place.line: f for f in report.findings if f.code in CODES}
    pairs = [((v, a), (w, b)) for (v, a), (w, b) in combinations(notes.items(), 2)]
    true = {source.at[b.line_of] for (v, a), (w, b) in pairs if _share(v, a, w, b)}
    free = {source.at[n.line_of] for n in notes.values() if not n.keys}
    free |= {source.at[b.line_of] for (_, a), (_, b) in pairs if not a.keys}
    told = [
        f"line {line}: {finding.code} is a false alarm: {finding.message}"
        for line, finding in sorted(said.items())
        if line not in true and (proven or line not in free)
    ]
    sure = {line for line, finding in said.items() if finding.confidence == "proven"}
    missed = sorted(true - sure) if proven else []
    return told + [f"line {line}: a key drawn from before is not proven" for line in missed]


def _share(v: Where, a: Note, w: Where, b: Note) -> bool:
    """Both drew from one key. In branches of which one is taken that is told of each by itself."""
    if set(a.keys.values()).isdisjoint(b.keys.values()):
        return False
    return not (_exclusive(v, w) and (_repeats(a) or _repeats(b)))


def _exclusive(v: Where, w: Where) -> bool:
    for one, other in zip(v, w, strict=False):
        if one != other:
            return one[:2] == other[:2] and one[0] == "branch"
    return False


def _repeats(note: Note) -> bool:
    return len(set(note.keys.values())) < len(note.keys)
