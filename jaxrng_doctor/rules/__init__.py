"""All rules, each a module of this folder named `rngNNN_its_name.py` that defines `RULE`.

Every such module is loaded; `make new-rule CODE=RNG016 NAME=its-name` adds one. Modules whose names
begin with an underscore hold the code that several rules share. Nothing here imports JAX.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Collection

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.model.facts import ProgramFacts
from jaxrng_doctor.model.findings import SEVERITIES, Finding, Gap
from jaxrng_doctor.rules.rule import Rule

_RULE_MODULE = re.compile(r"rng\d{3}_\w+")


def _load(module: str) -> Rule:
    """The rule of a module, whose name must be made of the rule's code and name.

    Raises `TypeError` if the module defines no rule, `ValueError` if the names do not agree.
    """
    rule = getattr(importlib.import_module(f"{__name__}.{module}"), "RULE", None)
    if not isinstance(rule, Rule):
        raise TypeError(f"{__name__}.{module} defines no RULE")
    if module != f"{rule.code.lower()}_{rule.name.replace('-', '_')}":
        raise ValueError(f"{__name__}.{module} defines {rule.code} {rule.name}: rename one of them")
    return rule


RULES: tuple[Rule, ...] = tuple(
    _load(found)
    for found in sorted(module.name for module in pkgutil.iter_modules(__path__))
    if _RULE_MODULE.fullmatch(found)
)
"""All rules, sorted by code."""

CODES: tuple[str, ...] = tuple(rule.code for rule in RULES)


def codes_by_word() -> dict[str, str]:
    """The code of each rule by its code and its name, both in lower case."""
    return {word.lower(): rule.code for rule in RULES for word in (rule.code, rule.name)}


def rule_of(code: str) -> Rule | None:
    """The rule with this code, `None` if there is none."""
    return next((rule for rule in RULES if rule.code == code), None)


def codes_forbidding_run(impls: Collection[str]) -> tuple[str, ...]:
    """The codes of the rules whose findings forbid the run, for keys of these implementations."""
    return tuple(
        r.code for r in RULES if r.is_on(None) and not r.forbids_run_with.isdisjoint(impls)
    )


def judge(
    program: ProgramFacts, select: Collection[str] | None = None
) -> tuple[tuple[Finding, ...], tuple[Gap, ...]]:
    """The findings of every rule; those of a preview rule only if `select` has its code.

    Of several findings of one rule at one place, with the same scopes and related places, the one
    with the highest severity, and then confidence, is kept. A rule that raises is a gap, and does
    not stop the others.
    """
    kept: dict[object, Finding] = {}
    gaps: list[Gap] = []
    for rule in RULES:
        if not rule.is_on(select):
            continue
        try:
            found = tuple(rule.check(program))
        except Exception as error:
            gaps.append(Gap(f"{rule.code} could not be checked: {in_a_line(error)}"))
            continue
        for finding in found:
            scopes = tuple((s.kind, s.place) for s in finding.scopes)
            apart = (scopes, finding.related) if finding.place else finding.message
            key = (finding.code, finding.place, apart)
            known = kept.get(key)
            if known is None or _weight(finding) > _weight(known):
                kept[key] = finding
    return tuple(kept.values()), tuple(gaps)


def _weight(finding: Finding) -> tuple[int, int]:
    return -SEVERITIES.index(finding.severity), _SURER[finding.confidence]


_SURER = {"refuted": 0, "inferred": 1, "proven": 2}
