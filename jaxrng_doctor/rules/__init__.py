"""The rules, listed one by one. In come the facts of a program, out come findings; no JAX.

To add a rule: a module that defines `RULE`, and a line here.
"""

from __future__ import annotations

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.model.facts import ProgramFacts
from jaxrng_doctor.model.findings import SEVERITIES, Finding, Gap
from jaxrng_doctor.rules.rng001_shared_key_under_vmap import RULE as RNG001
from jaxrng_doctor.rules.rng002_duplicate_keys_in_batch import RULE as RNG002
from jaxrng_doctor.rules.rng003_same_key_every_iteration import RULE as RNG003
from jaxrng_doctor.rules.rng004_same_key_on_every_device import RULE as RNG004
from jaxrng_doctor.rules.rng005_reused_key import RULE as RNG005
from jaxrng_doctor.rules.rng006_key_used_after_split import RULE as RNG006
from jaxrng_doctor.rules.rng007_colliding_derivation import RULE as RNG007
from jaxrng_doctor.rules.rng008_consumed_key_returned import RULE as RNG008
from jaxrng_doctor.rules.rng009_discarded_split import RULE as RNG009
from jaxrng_doctor.rules.rng010_host_rng_in_trace import RULE as RNG010
from jaxrng_doctor.rules.rng011_constant_key_in_trace import RULE as RNG011
from jaxrng_doctor.rules.rng012_rbg_under_vmap import RULE as RNG012
from jaxrng_doctor.rules.rng013_key_words_mapped import RULE as RNG013
from jaxrng_doctor.rules.rng014_key_repeated_across_calls import RULE as RNG014
from jaxrng_doctor.rules.rng015_rbg_loop_under_vmap import RULE as RNG015
from jaxrng_doctor.rules.rng900_unused_suppression import RULE as RNG900
from jaxrng_doctor.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    RNG001,
    RNG002,
    RNG003,
    RNG004,
    RNG005,
    RNG006,
    RNG007,
    RNG008,
    RNG009,
    RNG010,
    RNG011,
    RNG012,
    RNG013,
    RNG014,
    RNG015,
    RNG900,
)
CODES: tuple[str, ...] = tuple(rule.code for rule in RULES)


def judge(program: ProgramFacts) -> tuple[tuple[Finding, ...], tuple[Gap, ...]]:
    """Every rule on the program; a fault at one place that shows in several draws is told once.

    A rule that fails is a gap, and the others are told.
    """
    told: dict[object, Finding] = {}
    gaps: list[Gap] = []
    for rule in RULES:
        try:
            found = tuple(rule.check(program))
        except Exception as error:
            gaps.append(Gap(f"{rule.code} could not be judged: {in_a_line(error)}"))
            continue
        for finding in found:
            scopes = tuple((s.kind, s.place) for s in finding.scopes)
            apart = (scopes, finding.related) if finding.place else finding.message
            key = (finding.code, finding.place, apart)
            known = told.get(key)
            if known is None or _weight(finding) > _weight(known):
                told[key] = finding
    return tuple(told.values()), tuple(gaps)


def _weight(finding: Finding) -> tuple[int, int]:
    return -SEVERITIES.index(finding.severity), _SURER[finding.confidence]


_SURER = {"refuted": 0, "inferred": 1, "proven": 2}
