"""The rules, listed one by one. In come facts about draws, out come findings; no JAX.

To add a rule: a module that defines `RULE`, and a line here.
"""

from __future__ import annotations

from collections.abc import Iterable

from jaxrng_doctor.facts import DrawFacts
from jaxrng_doctor.findings import Finding
from jaxrng_doctor.rules.rng001_shared_key_under_vmap import RULE as RNG001
from jaxrng_doctor.rules.rng002_duplicate_keys_in_batch import RULE as RNG002
from jaxrng_doctor.rules.rng003_same_key_every_iteration import RULE as RNG003
from jaxrng_doctor.rules.rule import Rule

RULES: tuple[Rule, ...] = (RNG001, RNG002, RNG003)
CODES: tuple[str, ...] = tuple(rule.code for rule in RULES)


def judge(draws: Iterable[DrawFacts]) -> tuple[Finding, ...]:
    """Every rule on every draw; a fault at one place that shows in several draws is told once."""
    told: dict[object, Finding] = {}
    for draw in draws:
        for rule in RULES:
            finding = rule.check(draw)
            if finding is not None:
                scopes = tuple((s.kind, s.place) for s in finding.scopes)
                key = (finding.code, finding.place, scopes if finding.place else finding.message)
                known = told.get(key)
                if known is None or _SURER[finding.confidence] > _SURER[known.confidence]:
                    told[key] = finding
    return tuple(told.values())


_SURER = {"refuted": 0, "inferred": 1, "proven": 2}
