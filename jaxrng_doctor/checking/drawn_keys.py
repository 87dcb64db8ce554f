"""The keys that a function draws with, for a comparison of two functions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.analysis.facts.key_reuse import use_facts
from jaxrng_doctor.checking.examine import diagnose, traced
from jaxrng_doctor.model.findings import Gap, Place
from jaxrng_doctor.model.target import Target

Numbers = tuple[str, str, tuple[int, ...]]
"""What determines the numbers of one draw: sampler, dtype with shape, and the words of its key."""


@dataclass(frozen=True)
class DrawnKeys:
    """The draws of one function. A draw in a scope counts once for each index that reaches it.

    `counts`: how often the same numbers are drawn. `places`: a place and the origin of the key for
    each. `gaps`: what could not be followed or computed; the rest is then incomplete.
    """

    counts: Counter[Numbers]
    places: dict[Numbers, tuple[Place | None, str]]
    gaps: tuple[Gap, ...]


def drawn_keys(target: Target) -> DrawnKeys:
    """The draws of `target`, without those that only repeat others for a backward pass.

    Raises `TargetError` if the target cannot be traced.
    """
    _, trace = traced(target)
    found = diagnose(trace, run=True)
    counts: Counter[Numbers] = Counter()
    places: dict[Numbers, tuple[Place | None, str]] = {}
    gaps, missing = list(found.gaps), 0
    for use, facts in zip(found.draws, found.facts.draws, strict=True):
        if facts.redone:
            continue
        table = found.ledger.keys.get(use.path)
        if table is None:
            missing += 1
            continue
        shape = use_facts(use).numbers
        rows, times = np.unique(table.words[table.reached], axis=0, return_counts=True)
        for words, count in zip(rows.tolist(), times.tolist(), strict=True):
            numbers = (facts.sampler, shape, tuple(words))
            counts[numbers] += count
            places.setdefault(numbers, (facts.place, facts.origin))
    if missing:
        gaps.append(Gap(f"the keys of {counted(missing, 'draw')} were not computed"))
    return DrawnKeys(counts, places, tuple(gaps))
