"""The last lines of a report: a verdict and the counts.

The verdict is "All clear" only if everything was followed and nothing is shared.
"""

from __future__ import annotations

from collections.abc import Iterable

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import SEVERITIES, Draw
from jaxrng_doctor.model.report import Report, TargetReport


def verdict(report: Report) -> tuple[str, bool]:
    """A sentence, `""` if there are findings or failures; and whether it is good news."""
    if report.findings or report.failures:
        return "", False
    draws = counted(len(report.draws), "draw")
    nothing = f"No findings in {draws}" if report.draws else "No draws found"
    if report.gaps:
        return f"{nothing}, but the analysis has {counted(len(report.gaps), 'gap')}", False
    if not report.draws:
        return f"{nothing}: nothing to check", False
    unknown, shared = _doubtful(report.draws)
    if unknown:
        return f"{nothing} ({unknown:,} undecided)", False
    if known := sum(s.by == "baseline" for s in report.suppressed):
        return f"No new findings in {draws} ({known:,} in the baseline)", False
    if report.suppressed:
        suppressed = counted(len(report.suppressed), "finding")
        return f"No unexpected sharing in {draws} ({suppressed} suppressed)", True
    if shared:
        verb = "shares" if shared == 1 else "share"
        return f"{nothing}; {shared:,} {verb} a key in a way no rule flags", False
    return f"All clear: no shared noise in {draws}", True


def passed(target: TargetReport) -> tuple[str, bool]:
    """`3 draws, 1 undecided`, for a target that passes; and whether it is good news."""
    unknown, shared = _doubtful(target.draws)
    draws = counted(len(target.draws), "draw") if target.draws else "no draws"
    doubts = [f"{unknown:,} undecided"] if unknown else []
    if shared and not target.suppressed:
        doubts.append(f"{shared:,} with a shared key")
    suppressed = [f"{len(target.suppressed):,} suppressed"] if target.suppressed else []
    return ", ".join([draws, *doubts, *suppressed]), bool(target.draws) and not doubts


def _doubtful(draws: Iterable[Draw]) -> tuple[int, int]:
    """How many draws have a scope over which their keys are unknown, or shared."""
    varying = [{s.varies for s in d.scopes if s.size not in (0, 1)} for d in draws]
    return sum(None in v for v in varying), sum(False in v for v in varying)


def passes(target: TargetReport) -> bool:
    """Whether nothing was found in the target, and all of it was checked."""
    return target.complete and not target.findings


def has_content(target: TargetReport) -> bool:
    """Whether the target has anything to report besides its draws."""
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


def with_summary(lines: Iterable[str], report: Report) -> str:
    """The lines, each once, and a last line with the verdict and the counts."""
    sentence, _ = verdict(report)
    last = " · ".join([*filter(None, [sentence]), *counts(report)])
    return "".join(f"{line}\n" for line in (*dict.fromkeys(lines), last))
