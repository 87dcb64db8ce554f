"""Builds the reports of a watched program at its end, from its functions and their calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.analysis.facts.draws import as_draws
from jaxrng_doctor.checking.examine import detailed
from jaxrng_doctor.checking.pictures import with_pictures
from jaxrng_doctor.model.facts import ProgramFacts, Repeated
from jaxrng_doctor.model.findings import SEVERITIES, Choices, Draw, Gap, Place
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppression.policy import apply
from jaxrng_doctor.watching.compiled_function import Compiled
from jaxrng_doctor.watching.merge_reports import known_by

ACROSS = "across calls"
"""The name of the target with the keys that repeat across calls."""

BETWEEN = "between processes"
"""The name of the target with what only several processes together show."""


def of_functions(
    functions: Sequence[Compiled],
    repeated: Sequence[Repeated],
    choices: Choices,
    *,
    detail: bool,
) -> Iterator[TargetReport]:
    """The report of each function; with `detail`, it has the data of `examine.detailed`.

    A constant key that is `repeated` in several calls is reported for the calls, and not again for
    the function.
    """
    known: dict[Any, int] = {}
    seen = {use.place for r in repeated for use in (r.first, r.second) if not use.is_split}
    for function in functions:
        try:
            report = _of_function(function, seen, choices, known)
        except Exception as error:
            gaps = (*function.diagnosis.gaps, not_examined(function.name, error))
            yield TargetReport(function.name, gaps=gaps, choices=choices)
            continue
        try:
            trace = function.program.trace
            yield detailed(report, trace, function.diagnosis) if detail else report
        except Exception as error:
            gap = Gap(f"the details of {function.name} could not be shown: {in_a_line(error)}")
            yield replace(report, gaps=(*report.gaps, gap))


def _of_function(
    function: Compiled, repeated: Collection[Place | None], choices: Choices, known: dict[Any, int]
) -> TargetReport:
    """The report of one function, without the findings in `known`; its new ones are added there.

    Two signatures of a function often have the same findings. One that is an error only in the
    second is new. `known` has the index of each finding's severity.
    """
    facts = function.diagnosis.facts
    draws = [replace(d, constant=None) if d.place in repeated else d for d in facts.draws]
    judged, unjudged = judge(replace(facts, draws=tuple(draws)), choices.select)
    grave = {f: SEVERITIES.index(f.severity) for f in judged}
    new = [f for f in judged if grave[f] < known.get(known_by(f), len(SEVERITIES))]
    known.update((known_by(f), grave[f]) for f in new)
    findings, suppressed = apply(new, choices)
    return TargetReport(
        function.name,
        findings,
        draws=as_draws(function.diagnosis.facts.draws),
        gaps=(*function.diagnosis.gaps, *unjudged),
        suppressed=suppressed,
        lines=function.program.trace.place,
        choices=choices,
    )


def not_examined(what: str, error: BaseException) -> Gap:
    return Gap(f"{what} could not be checked: {in_a_line(error)}")


def error_report(what: str, error: Exception, choices: Choices) -> TargetReport:
    """The report after an internal error: only a gap."""
    return TargetReport(ACROSS, gaps=(not_examined(what, error),), choices=choices)


def of_several(
    name: str,
    facts: ProgramFacts,
    gaps: Sequence[Gap],
    choices: Choices,
    *,
    detail: bool,
    draws: Sequence[Draw] = (),
) -> TargetReport:
    """The report of what only several calls or processes show.

    `draws` are the eager ones, outside of compiled functions.
    """
    judged, unjudged = judge(facts, choices.select)
    findings, suppressed = apply(judged, choices)
    findings, unseen = with_pictures(findings) if detail else (findings, ())
    return TargetReport(
        name,
        findings,
        draws=tuple(dict.fromkeys(draws)),
        gaps=(*gaps, *unjudged, *unseen),
        suppressed=suppressed,
        choices=choices,
    )
