"""Reports unused ignore comments, which takes the reports of all targets together.

Does not import JAX, so that one process can complete the reports that others made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.model.findings import Gap
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.rules import rng900_unused_suppression as rng900
from jaxrng_doctor.suppression.comments import Ignore
from jaxrng_doctor.suppression.policy import apply, misspelt, unused


def finish(reports: Sequence[TargetReport]) -> tuple[TargetReport, ...]:
    """The reports of all targets, with findings for the ignore comments that suppress nothing.

    Never raises: an error is a gap in each report.
    """
    try:
        return _finished(reports)
    except Exception as error:
        gap = Gap(f"unused ignore comments are not reported: {in_a_line(error)}")
        return tuple(replace(report, gaps=(*report.gaps, gap)) for report in reports)


def _finished(reports: Sequence[TargetReport]) -> tuple[TargetReport, ...]:
    finished = list(reports)
    for number, place, comment in (*misspelt(reports), *unused(reports)):
        report = finished[number]
        found = rng900.finding(place, comment.text, meant=comment.meant, wrong=_wrong(comment))
        reported, suppressed = apply((found,), report.choices)
        finished[number] = replace(
            report,
            findings=(*report.findings, *reported),
            suppressed=(*report.suppressed, *suppressed),
        )
    return tuple(finished)


def _wrong(comment: Ignore) -> str:
    """What is wrong with a comment that names unknown rules, else `""`."""
    words = ", ".join(sorted(comment.unknown))
    return f"names what is not a rule: {words}" if words else ""
