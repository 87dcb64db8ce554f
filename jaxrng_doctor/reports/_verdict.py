"""The last words of a report: in, the report; out, what was counted, and whether all is clear.

"All clear" is said only where everything was seen and followed, and nothing is shared.
"""

from __future__ import annotations

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import SEVERITIES
from jaxrng_doctor.model.report import Report, TargetReport


def verdict(report: Report) -> tuple[str, bool]:
    """A sentence, `""` where the findings or failures speak; and whether it is good news."""
    if report.findings or report.failures:
        return "", False
    draws = counted(len(report.draws), "draw")
    nothing = f"No findings in {draws}" if report.draws else "No draws seen"
    if report.gaps:
        places = counted(len(report.gaps), "place")
        return f"{nothing}, but {places} could not be followed: see the gaps", False
    if not report.draws:
        return f"{nothing}: there was nothing to examine", False
    varying = [{s.varies for s in d.scopes if s.size not in (0, 1)} for d in report.draws]
    if unknown := sum(None in v for v in varying):
        return f"{nothing}, of which {unknown:,} could not be judged", False
    if known := sum(s.by == "baseline" for s in report.suppressed):
        return f"No new findings in {draws}: {known:,} known from the baseline", False
    if report.suppressed:
        return f"All clear in {draws}, apart from the sharing that is called intended", True
    if shared := sum(False in v for v in varying):
        return f"{nothing}, of which {shared:,} shared a key that no rule objects to", False
    return f"All clear: no shared noise in {draws}", True


def says_something(target: TargetReport) -> bool:
    """Whether there is more to tell of it than what it draws."""
    return bool(target.findings or target.gaps or target.suppressed or target.failure)


def counts(report: Report) -> list[str]:
    """`1 error, 0 warnings, 0 notes`, `3 draws seen`, `0 gaps`, `1 suppressed`."""
    found = (
        counted(sum(f.severity == severity for f in report.findings), severity)
        for severity in SEVERITIES
    )
    parts = [
        ", ".join(found),
        f"{counted(len(report.draws), 'draw')} seen",
        counted(len(report.gaps), "gap"),
        f"{len(report.suppressed):,} suppressed",
    ]
    if report.failures:
        parts.append(f"{counted(len(report.failures), 'target')} failed")
    return parts
