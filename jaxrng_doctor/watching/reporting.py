"""The end of a watched program: in come its functions and what was noted, out come the reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jaxrng_doctor.diagnosis import as_draws
from jaxrng_doctor.doctor import detailed
from jaxrng_doctor.facts import ProgramFacts
from jaxrng_doctor.findings import Choices, Draw, Gap, TargetReport
from jaxrng_doctor.pictures import with_pictures
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppress import apply
from jaxrng_doctor.watching.compiled import Compiled
from jaxrng_doctor.watching.merging import known_by

ACROSS = "across calls"
"""The name under which the keys that repeat from call to call are reported."""

BETWEEN = "between processes"
"""The name under which is reported what only several processes together show."""


def of_functions(
    functions: Sequence[Compiled], choices: Choices, *, detail: bool
) -> Iterator[TargetReport]:
    """The report of each function; `detail` is that of `doctor.detailed`."""
    told: set[Any] = set()
    for function in functions:
        # What two signatures of one function share is told once.
        new = [f for f in judge(function.diagnosis.facts) if known_by(f) not in told]
        told.update(map(known_by, new))
        findings, suppressed = apply(new, choices)
        trace = function.program.trace
        report = TargetReport(
            function.name,
            findings,
            draws=as_draws(function.diagnosis.facts.draws),
            gaps=function.diagnosis.gaps,
            suppressed=suppressed,
            lines=trace.place,
            choices=choices,
        )
        yield detailed(report, trace, function.diagnosis) if detail else report


def of_several(
    name: str,
    facts: ProgramFacts,
    gaps: Sequence[Gap],
    choices: Choices,
    *,
    detail: bool,
    draws: Sequence[Draw] = (),
) -> TargetReport:
    """The report of what only several calls or processes show; `draws` are outside of functions."""
    findings, suppressed = apply(judge(facts), choices)
    findings = with_pictures(findings) if detail else findings
    return TargetReport(
        name,
        findings,
        draws=tuple(dict.fromkeys(draws)),
        gaps=tuple(gaps),
        suppressed=suppressed,
        choices=choices,
    )
