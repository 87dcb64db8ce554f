"""Finds the disagreements of jaxrng-doctor and the oracle about a program, as text."""

from __future__ import annotations

import hashlib
import importlib.util
import linecache
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp

from jaxrng_doctor import check
from jaxrng_doctor.model.findings import Comparison, Draw, Finding
from tests.fuzz import reuse
from tests.fuzz.oracle import Note, Oracle, Truth, along, equal_together
from tests.fuzz.tree import Program, Source, Var, render

CODES = ("RNG001", "RNG002", "RNG003")
VMAP_CODES = frozenset({"RNG001", "RNG002"})

# The comparison of outputs is not part of a verdict, and compiling every sampler for it takes most
# of the time.
NOT_COMPARED = mock.patch(
    "jaxrng_doctor.checking.compare_outputs.compare",
    return_value=Comparison(unavailable="not compared"),
)


def disagreements(program: Program) -> list[str]:
    """The disagreements of jaxrng-doctor and the oracle, with the run and without it.

    Raises:
        TooLong: The oracle gives up.
    """
    by_where = Oracle(program).notes
    notes = list(by_where.values())
    source = render(program)
    reported: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        fn = load(source, Path(folder))
        args = [_argument(var, value) for var, value in program.inputs]
        for run in (True, False):
            words = "run" if run else "no run"
            try:
                with NOT_COMPARED:
                    report = check(fn, args, run=run, select=(*CODES, *reuse.CODES))
            except Exception as error:
                reported.append(f"{words}: {type(error).__name__}: {str(error).splitlines()[0]}")
                continue
            reported += [f"{words}: gap: {gap.message}" for gap in report.gaps]
            reported += [f"{words}: failure: {failure.message}" for failure in report.failures]
            compare = _with_run if run else _without_run
            reported += [f"{words}: {text}" for text in compare(notes, source, report)]
            reused = reuse.disagreements(by_where, source, report, proven=run)
            reported += [f"{words}: {text}" for text in reused]
    return reported


def load(source: Source, folder: Path) -> Callable[..., Any]:
    """Write a module with this text into the folder, import it, and return its `program`."""
    name = "fuzz_" + hashlib.sha256(source.text.encode()).hexdigest()[:12]
    path = folder / f"{name}.py"
    path.write_text(source.text, encoding="utf-8")
    linecache.checkcache()
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    fn: Callable[..., Any] = module.program
    return fn


def _argument(var: Var, value: Any) -> Any:
    if var.kind == "int":
        return jnp.asarray(value, dtype=jnp.int32)
    return jnp.asarray(value) if var.legacy else jax.random.wrap_key_data(jnp.asarray(value))


# -- draws ---------------------------------------------------------------------------------


def _matched(
    notes: list[Note],
    source: Source,
    report: Any,
) -> tuple[list[tuple[Note, Draw]], list[str]]:
    """The oracle's draws paired with jaxrng-doctor's, by line and program order; and mismatches."""
    seen: dict[int, list[Draw]] = defaultdict(list)
    for draw in report.draws:
        seen[draw.place.line if draw.place else 0].append(draw)
    true: dict[int, list[Note]] = defaultdict(list)
    for note in notes:
        true[source.at[note.line_of]].append(note)
    reported, pairs = [], []
    for line in sorted({*seen, *true}):
        if len(seen[line]) != len(true[line]):
            reported.append(
                f"line {line}: {len(true[line])} draws, the doctor saw {len(seen[line])}"
            )
            continue
        for note, draw in zip(true[line], seen[line], strict=True):
            theirs = [
                ("vmap" if s.kind == "vmap" else "loop", s.place.line if s.place else 0)
                for s in draw.scopes
            ]
            ours = [(kind, source.at[id]) for kind, id, _ in note.scopes]
            if theirs != ours:
                reported.append(f"line {line}: scopes {ours}, the doctor saw {theirs}")
            else:
                pairs.append((note, draw))
    return pairs, reported


def _truths(note: Note) -> list[Truth]:
    return [along(note, depth) for depth in range(len(note.scopes))]


def _with_run(notes: list[Note], source: Source, report: Any) -> list[str]:
    pairs, reported = _matched(notes, source, report)
    for note, draw in pairs:
        for depth, (truth, scope) in enumerate(zip(_truths(note), draw.scopes, strict=True)):
            if not truth.judged:
                continue
            at = f"line {source.at[note.line_of]}, scope {depth}"
            if scope.varies is not (not truth.equal):
                reported.append(f"{at}: varies={scope.varies}, equal keys: {truth.equal}")
            if scope.distinct not in truth.counts:
                reported.append(f"{at}: distinct={scope.distinct}, truly {sorted(truth.counts)}")
    return reported + _findings(notes, source, report, proven=True)


def _without_run(notes: list[Note], source: Source, report: Any) -> list[str]:
    pairs, reported = _matched(notes, source, report)
    for note, draw in pairs:
        for depth, (truth, scope) in enumerate(zip(_truths(note), draw.scopes, strict=True)):
            at = f"line {source.at[note.line_of]}, scope {depth}"
            if scope.varies and truth.equal:
                reported.append(f"{at}: called distinct, truly {sorted(truth.counts)}")
            if scope.varies is False and truth.judged and not truth.same:
                reported.append(f"{at}: called the same, truly {sorted(truth.counts)}")
            if scope.varies is not False and truth.judged and truth.structural:
                reported.append(f"{at}: varies={scope.varies}, and nothing of the key is mapped")
    return reported + _findings(notes, source, report, proven=False)


# -- findings ------------------------------------------------------------------------------

_Where = tuple[int, tuple[int, ...]]
"""The line of a draw and the lines of its scopes: each is reported once."""


def _where(note: Note, source: Source) -> _Where:
    return source.at[note.line_of], tuple(source.at[id] for _, id, _ in note.scopes)


def _findings(notes: list[Note], source: Source, report: Any, *, proven: bool) -> list[str]:
    """The disagreements about findings: those that are refuted, false or missing, by draw."""
    must: dict[_Where, set[frozenset[str]]] = defaultdict(set)
    may: dict[_Where, set[str]] = defaultdict(set)
    for note in notes:
        where = _where(note, source)
        for codes in _expected(note):
            must[where].add(codes)
        may[where] |= _allowed(note)
    reported = []
    found: dict[_Where, list[Finding]] = defaultdict(list)
    for finding in (f for f in reuse.verdicts(report, proven=proven) if f.code in CODES):
        lines = tuple(s.place.line if s.place else 0 for s in finding.scopes)
        found[finding.place.line if finding.place else 0, lines].append(finding)
    for where in sorted({*must, *found}):
        line = where[0]
        for finding in found[where]:
            sure = any(finding.code in codes for codes in must[where])
            if finding.confidence == "refuted":
                reported.append(f"line {line}: {finding.code} is refuted")
            if not sure and finding.code not in may[where]:
                reported.append(f"line {line}: {finding.code} is a false alarm: {finding.message}")
        sure_codes = {f.code for f in found[where] if f.confidence == "proven"}
        missed = [sorted(c) for c in must[where] if not c & sure_codes] if proven else []
        reported += [f"line {line}: {' or '.join(codes)} is not proven" for codes in missed]
    return reported


def _expected(note: Note) -> list[frozenset[str]]:
    """Sets of codes; at least one code of each set must be found."""
    truths = list(zip(note.scopes, _truths(note), strict=True))
    guilty = [(kind, truth) for (kind, _, _), truth in truths if truth.judged and truth.equal]
    expected = []
    vmaps = [truth for kind, truth in guilty if kind == "vmap"]
    if any(truth.structural for truth in vmaps):
        expected.append(frozenset({"RNG001"}))
    elif vmaps:
        expected.append(VMAP_CODES)
    if len(vmaps) < len(guilty):
        expected.append(frozenset({"RNG003"}))
    if not guilty and equal_together(note):
        codes = {"RNG002" if any(kind == "vmap" for (kind, _, _), _ in truths) else "RNG003"}
        for (kind, _, _), truth in truths:
            if truth.structural:
                codes.add("RNG001" if kind == "vmap" else "RNG003")
        expected.append(frozenset(codes))
    return expected


def _allowed(note: Note) -> set[str]:
    """Codes that may be found: keys are equal elsewhere, or there are too few draws to decide."""
    allowed: set[str] = set()
    for (kind, _, size), truth in zip(note.scopes, _truths(note), strict=True):
        if (truth.judged and truth.equal) or (not truth.judged and size not in (0, 1)):
            allowed |= VMAP_CODES if kind == "vmap" else {"RNG003"}
    return allowed
