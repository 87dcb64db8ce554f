"""Pictures of the noise, for findings that computed keys prove.

Each shared draw is made again from its computed keys, and once from keys that a split gives. A
picture that cannot be made is a gap. It only illustrates: the keys are the proof.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.analysis.keys.counts import KeyCount, numbered
from jaxrng_doctor.analysis.keys.tables import KeyTable
from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.equations import Eqn
from jaxrng_doctor.model.facts import RBG, DrawFacts, Variation
from jaxrng_doctor.model.findings import Evidence, Finding, Gap, Picture
from jaxrng_doctor.rules import rule_of
from jaxrng_doctor.tracing.draws import is_key, sampler_name

COLUMNS = 32
"""The most columns of a picture, and the most rows: enough to see whether rows are equal."""

MOST_PICTURES, FEWER = 24, 16
"""Each picture may compile a sampler, and a page with hundreds of them is large. Further pictures
have fewer rows and columns, and show numbers of `jax.random.normal`."""

MOST_NUMBERS = 1 << 18
"""A larger draw is not made again; its picture shows numbers of `jax.random.normal`."""

_IMPLS = {"fry": "threefry2x32", **RBG}

_Sampler = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of a finding: `words`, uint32 of shape (examples, words of a key), of `examples`.

    `pair` are two examples with equal keys. `sampler`, called `name`, draws from them, if it can
    run outside of the program.
    """

    words: np.ndarray
    examples: np.ndarray
    impl: str
    pair: tuple[int, ...] = ()
    sampler: _Sampler | None = None
    name: str = ""


def with_pictures(
    findings: Sequence[Finding],
    draws: Sequence[DrawFacts] = (),
    eqns: Sequence[Any] = (),
    tables: Sequence[KeyTable | None] = (),
) -> tuple[tuple[Finding, ...], tuple[Gap, ...]]:
    """The findings, with a picture where computed keys prove them; gaps for pictures that failed.

    `eqns` and `tables` hold the equation and the keys of each draw.
    """
    found: list[Finding] = []
    gaps: list[Gap] = []
    made = 0
    for finding in findings:
        picture: Picture | None = None
        if finding.confidence == "proven" and finding.evidence is not None:
            try:
                keys = _of_scopes(finding.evidence, draws, eqns, tables)
                rule = rule_of(finding.code)
                if keys is None and rule is not None and rule.draws_alone:
                    keys = _of_uses(finding.evidence)
                picture = None if keys is None else _of(keys, few=made < MOST_PICTURES)
            except Exception as error:
                why = f"no picture for {finding.code}: {in_a_line(error)}"
                gaps.append(Gap(why, finding.place))
        made += picture is not None
        found.append(finding if picture is None else replace(finding, picture=picture))
    return tuple(found), tuple(gaps)


def _of_scopes(
    evidence: Evidence,
    draws: Sequence[DrawFacts],
    eqns: Sequence[Any],
    tables: Sequence[KeyTable | None],
) -> _Keys | None:
    for draw, eqn, table in zip(draws, eqns, tables, strict=True):
        # A finding has the evidence of the scope, or of the scopes together, that share the key.
        alone = [(i,) for i, scope in enumerate(draw.scopes) if scope.evidence is evidence]
        joint = [joint.scopes for joint in draw.joint if joint.evidence is evidence]
        axes = next(iter((*alone, *joint)), None)
        if table is None or axes is None:
            continue
        over = [draw.scopes[i] for i in axes if alone or draw.scopes[i].scope.kind == "vmap"]
        if draw.impl in RBG and any(s.variation is not Variation.CONSTANT for s in over):
            return None  # under a vmap such a draw does not depend on each key alone (RNG012)
        count = KeyCount(table.words, table.reached)
        examples, words = count.keys_over(axes)
        pair, impl = evidence.equal_pair or (), _IMPLS[draw.impl]
        return _Keys(words, examples, impl, pair, _again(draw, eqn), sampler_name(eqn))
    return None


def _of_uses(evidence: Evidence) -> _Keys | None:
    """The first key that is used at several places or in several calls."""
    if evidence.key is None:
        return None
    words = np.array([int(word, 16) for word in evidence.key.split()], np.uint32)
    uses = np.flatnonzero(np.array(evidence.strip) == 0)
    every = np.broadcast_to(words, (len(uses), len(words)))
    return _Keys(every, uses, "threefry2x32" if len(words) == 2 else "rbg")


def _of(keys: _Keys, *, few: bool) -> Picture | None:
    """The picture; a smaller one, of `jax.random.normal`, if it is not among the first `few`."""
    if len(keys.words) < 2:
        return None
    most = COLUMNS if few else FEWER
    sampler = keys.sampler if few else None
    pair = [int(i) for i in np.searchsorted(keys.examples, keys.pair)]
    rows = _rows(keys.words, pair, most)
    wrap = functools.partial(jax.random.wrap_key_data, impl=keys.impl)
    own = [wrap(keys.words[i]) for i in rows]
    fix = jax.random.split(wrap(keys.words[pair[0] if pair else 0]), len(rows))
    stands_in = sampler is None
    try:
        before, after = _drawn(sampler or _stand_in, own), _drawn(sampler or _stand_in, [*fix])
    except Exception:
        if stands_in:
            raise
        stands_in = True
        before, after = _drawn(_stand_in, own), _drawn(_stand_in, [*fix])
    columns = _evenly(before.shape[1], most)
    return Picture(
        size=len(keys.words),
        drawn=before.shape[1],
        examples=tuple(int(keys.examples[i]) for i in rows),
        keys=_first_seen(numbered(keys.words[rows])),
        shared=_plain(before[:, columns]),
        separate=_plain(after[:, columns]),
        distinct=(len(np.unique(before, axis=0)), len(np.unique(after, axis=0))),
        sampler="jax.random.normal" if stands_in else keys.name,
        stands_in=stands_in,
    )


def _again(draw: DrawFacts, eqn: Eqn) -> _Sampler | None:
    """The draw as a function of its key, or `None` if it depends on other values too."""
    keys = [i for i, v in enumerate(eqn.invars) if is_key(v.aval)]
    others = [v for i, v in enumerate(eqn.invars) if i not in keys]
    size = sum(int(np.prod(v.aval.shape)) for v in eqn.outvars)
    if len(keys) != 1 or eqn.invars[keys[0]].aval.shape or not 0 < size <= MOST_NUMBERS:
        return None
    if not all(isinstance(v, equations.Literal) for v in others):
        return None  # such as the logits of `categorical`

    def sampler(key: Any) -> Any:
        values = [key if i in keys else getattr(v, "val", None) for i, v in enumerate(eqn.invars)]
        return equations.evaluate(eqn, values)[0]

    return sampler


def _stand_in(key: Any) -> Any:
    return jax.random.normal(key, (COLUMNS,))


def _drawn(sampler: _Sampler, keys: Sequence[Any]) -> np.ndarray:
    """The numbers of each key, float64 of shape (keys, numbers); equal keys are drawn from once."""
    known: dict[bytes, np.ndarray] = {}
    rows = []
    for key in keys:
        words = np.asarray(jax.random.key_data(key)).tobytes()
        if words not in known:
            values = np.asarray(sampler(key))
            known[words] = np.real(values).astype(np.float64).reshape(-1)
        rows.append(known[words])
    return np.stack(rows)


def _rows(words: np.ndarray, pair: Sequence[int], most: int) -> list[int]:
    """The examples to show: evenly spaced, and among them two with equal keys."""
    rows = _evenly(len(words), most)
    if len(set(numbered(words[rows]).tolist())) < len(rows):
        return rows
    for i in (i for i in pair if i not in rows):  # in the place of the nearest
        others = [row for row in rows if row not in pair]
        rows[rows.index(min(others, key=lambda row: abs(row - i)))] = i
    return sorted(rows)


def _evenly(size: int, most: int) -> list[int]:
    if size <= most:
        return list(range(size))
    return [round(i * (size - 1) / (most - 1)) for i in range(most)]


def _first_seen(numbers: np.ndarray) -> tuple[int, ...]:
    seen: dict[int, int] = {}
    return tuple(seen.setdefault(int(n), len(seen)) for n in numbers)


def _plain(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    # A number that is not finite is drawn at the end of the scale.
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return tuple(tuple(float(f"{x:.4g}") for x in row) for row in values)
