"""Finds the disagreements of jaxrng-doctor and the oracle about a case of a family."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrng_doctor import check
from jaxrng_doctor.model.findings import Finding
from tests.fuzz import reuse
from tests.fuzz.compare import NOT_COMPARED, load
from tests.fuzz.families.lanes import Case, faulty
from tests.fuzz.oracle import Note, along
from tests.fuzz.tree import Source, Where

CODES = {
    "vmap": frozenset({"RNG001", "RNG002"}),
    "loop": frozenset({"RNG003"}),
    "device": frozenset({"RNG004"}),
}
SHARING = tuple(sorted(frozenset().union(*CODES.values())))


@dataclass(frozen=True)
class Verdict:
    """The disagreements, whether keys are truly shared, and whether there is a correct gap."""

    reported: list[str]
    faulty: bool
    gap: bool = False


def judged(case: Case) -> Verdict:
    """Check the case with computed keys, and compare the draws."""
    source, notes = case.source(), case.notes()
    with tempfile.TemporaryDirectory() as folder:
        fn = load(source, Path(folder))
        args = [_argument(value, case.typed.get(name)) for name, value in case.inputs.items()]
        with NOT_COMPARED:
            report = check(fn, args, select=(*SHARING, *reuse.CODES))
    reported = [f"failure: {failure.message}" for failure in report.failures]
    gaps = [f"gap: {gap.message}" for gap in report.gaps]
    if case.oddity and gaps:
        return Verdict(reported, faulty(notes), gap=True)
    reported += (
        gaps
        + _draws(notes, source, report)
        + _sharing(notes, source, reuse.verdicts(report, proven=True))
    )
    reported += reuse.disagreements(notes, source, report, proven=True)
    return Verdict(reported, faulty(notes))


def _argument(value: np.ndarray, impl: str | None) -> Any:
    return jnp.asarray(value) if impl is None else jax.random.wrap_key_data(value, impl=impl)


def _draws(notes: dict[Where, Note], source: Source, report: Any) -> list[str]:
    """The disagreement about the lines of the draws, if there is one."""
    true = sorted(source.at[note.line_of] for note in notes.values())
    seen = sorted(draw.place.line if draw.place else 0 for draw in report.draws)
    return [] if true == seen else [f"draws on lines {true}, the doctor saw {seen}"]


def must(note: Note) -> list[frozenset[str]]:
    """Sets of codes; at least one code of each set must be proven for the draw."""
    guilty = {kind for depth, (kind, _, _) in enumerate(note.scopes) if along(note, depth).equal}
    if guilty:
        return [CODES[kind] for kind in sorted(guilty)]
    together = _together(note)
    return [frozenset().union(*(CODES[kind] for kind in together))] if together else []


def may(note: Note) -> set[str]:
    """The codes for the scopes in whose index two draws with one key differ."""
    return {code for kind in _together(note) for code in CODES[kind]}


def _together(note: Note) -> set[str]:
    """The kinds of the scopes in whose index two draws with one key differ."""
    same: dict[Any, list[tuple[int, ...]]] = {}
    for index, key in note.keys.items():
        same.setdefault(key, []).append(index)
    pairs = [pair for indices in same.values() for pair in combinations(indices, 2)]
    return {
        kind
        for one, other in pairs
        for (kind, _, _), i, j in zip(note.scopes, one, other, strict=True)
        if i != j
    }


def _sharing(notes: dict[Where, Note], source: Source, findings: list[Finding]) -> list[str]:
    reported = []
    found: dict[int, set[str]] = {}
    for finding in findings:
        line = finding.place.line if finding.place else 0
        if finding.code not in SHARING:
            continue
        found.setdefault(line, set())
        if finding.confidence == "proven":
            found[line].add(finding.code)
        allowed = {c for n in notes.values() if source.at[n.line_of] == line for c in may(n)}
        if finding.code not in allowed:
            reported.append(f"line {line}: {finding.code} is a false alarm: {finding.message}")
    for note in notes.values():
        line = source.at[note.line_of]
        missed = [codes for codes in must(note) if not codes & found.get(line, set())]
        reported += [f"line {line}: {' or '.join(sorted(codes))} is not proven" for codes in missed]
    return reported
