"""The report with one line per finding, for editors and `grep`.

The form is `path:line:column: RNG001 message [name]`, as that of linters and compilers. Gaps and
failures are lines too, and the last line is a summary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports._gap_text import failed
from jaxrng_doctor.reports._layout import visible
from jaxrng_doctor.reports._plain_text import location
from jaxrng_doctor.reports._verdict import with_summary
from jaxrng_doctor.reports.options import RenderOptions


def render(report: Report, options: RenderOptions) -> str:
    """The lines, each once, and a last line with the verdict and the counts."""
    return with_summary(lines(report, options.root), report)


def lines(report: Report, root: str) -> Iterator[str]:
    """A line for each failure, finding and gap, which may be the same for several targets."""
    for target in report.targets:
        yield from _target(target, root)


def _target(target: TargetReport, root: str) -> Iterator[str]:
    if target.failure is not None:
        message = f"{target.target} could not be checked: {failed(target.failure)}"
        yield _line(target.lines, message, root)
    for finding in target.findings:
        message = f"{finding.code} {finding.message} [{finding.name}]"
        yield _line(finding.place or target.lines, message, root)
    for gap in target.gaps:
        yield _line(gap.place or target.lines, f"gap: {gap.message}", root)


def _line(place: Place | None, message: str, root: str) -> str:
    text = " ".join(visible(line) for line in message.splitlines())
    if place is None:
        return text
    # Editors expect a column.
    where = location(place if place.column else replace(place, column=1), root)
    return f"{visible(where)}: {text}"
