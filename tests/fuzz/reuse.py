"""Finds the disagreements of jaxrng-doctor and the oracle about two draws from one key."""

from __future__ import annotations

from itertools import combinations, takewhile
from typing import Any

from jaxrng_doctor.model.findings import Finding
from jaxrng_doctor.rules.by_cause import ungrouped
from tests.fuzz import threefry
from tests.fuzz.oracle import Note
from tests.fuzz.tree import Source, Where

CODES = ("RNG005", "RNG007")


def disagreements(
    notes: dict[Where, Note], source: Source, report: Any, *, proven: bool
) -> list[str]:
    """The lines on which only one of them reports a draw from a key that was drawn from before.

    Without the run, jaxrng-doctor may miss some.
    """
    if "random.clone(" in source.text:
        return []  # clones repeat numbers on purpose, so jaxrng-doctor does not report all of them
    said = {f.place.line: f for f in verdicts(report, proven=proven) if f.code in CODES}
    pairs = [
        ((v, a), (w, b), {source.at[later.line_of] for later in _later(v, a, w, b, proven=proven)})
        for (v, a), (w, b) in combinations(notes.items(), 2)
    ]
    true = [lines for (v, a), (w, b), lines in pairs if _share(v, a, w, b)]
    free = {source.at[n.line_of] for n in notes.values() if not n.keys}
    free |= {source.at[b.line_of] for (_, a), (_, b), _ in pairs if not a.keys}
    # If exclusive branches both repeat keys, jaxrng-doctor also reports a key that they share and
    # that is derived in two ways.
    may = {line for (_, a), (_, b), lines in pairs if _have_common(a, b) for line in lines}
    reported = [
        f"line {line}: {finding.code} is a false alarm: {finding.message}"
        for line, finding in sorted(said.items())
        if line not in may and (proven or line not in free)
    ]
    sure = {line for line, finding in said.items() if finding.confidence == "proven"}
    missed = {tuple(sorted(lines)) for lines in true if lines.isdisjoint(sure)} if proven else ()
    return reported + [
        f"line {' or '.join(map(str, lines))}: a key drawn from before is not proven"
        for lines in sorted(missed)
    ]


def verdicts(report: Any, *, proven: bool) -> list[Finding]:
    """The findings; with the run, without the notes on reuse that these inputs avoid."""
    return [
        f
        for f in ungrouped(report.findings)
        if not (proven and f.severity == "note" and f.confidence == "inferred")
    ]


def _have_common(a: Note, b: Note) -> bool:
    return not set(a.keys.values()).isdisjoint(b.keys.values())


def _later(v: Where, a: Note, w: Where, b: Note, *, proven: bool) -> list[Note]:
    """The draw that uses a common key second, `b` if both use it in one step of all loops.

    The draws may have several common keys, and use some of them in another order than others. The
    order of the steps is known only with the run.
    """
    common = set(a.keys.values()) & set(b.keys.values())
    if not proven or not common:
        return [b]
    around = {one[1] for one, other in takewhile(_same, zip(v, w, strict=False))}
    inside = [*takewhile(lambda d: a.scopes[d][1] in around, range(len(a.scopes)))]
    loops = [depth for depth in inside if a.scopes[depth][0] == "loop"]
    order = [_first_steps(a, key, loops) <= _first_steps(b, key, loops) for key in common]
    return [note for note, found in ((b, any(order)), (a, not all(order))) if found]


def _same(pair: tuple[object, object]) -> bool:
    return pair[0] == pair[1]


def _first_steps(note: Note, key: threefry.Key, loops: list[int]) -> tuple[int, ...]:
    """The first steps of these loops in which the draw uses the key."""
    return min(tuple(i[d] for d in loops) for i, other in note.keys.items() if other == key)


def _share(v: Where, a: Note, w: Where, b: Note) -> bool:
    """Whether both drew from one key; exclusive branches that repeat keys are left out."""
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
