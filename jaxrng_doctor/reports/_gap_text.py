"""The rows of a target's failure, gaps and suppressed findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxrng_doctor.model.findings import Failure, Gap, Suppressed
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports._layout import Layout, Row, visible

_SUPPRESSED_BY = {
    "comment": "ignored by a comment",
    "file-comment": "ignored by a file-level comment",
    "expect": 'expect = "same"',
    "per-file-ignores": "per-file-ignores",
    "baseline": "in the baseline",
}
_STAGES = {"import": "imported", "trace": "traced", "run": "run", "analysis": "analysed"}


def failed(failure: Failure) -> str:
    """`could not be traced: TypeError: …`."""
    return f"could not be {_STAGES[failure.stage]}: {failure.message}"


def suppression_text(suppressed: Suppressed) -> str:
    """What suppressed the finding, and the reason if one was given."""
    by = _SUPPRESSED_BY[suppressed.by]
    return f"{by}: {suppressed.reason}" if suppressed.reason else by


def failure_rows(failure: Failure, layout: Layout) -> Iterator[Row]:
    yield from layout.hanging(
        (("error", "error"), (": ", "title")), f"target {failed(failure)}", "title"
    )
    for line in failure.traceback.splitlines():
        yield (("  ", ""), (visible(line), "dim"))


def gap_and_suppression_rows(target: TargetReport, layout: Layout) -> Iterator[list[Row]]:
    """The gaps, then the suppressed findings, each as one block of rows."""
    if target.gaps:
        yield list(gap_rows(target.gaps, layout))
    if target.suppressed:
        yield [row for one in target.suppressed for row in _suppressed(one, layout)]


def gap_rows(gaps: Sequence[Gap], layout: Layout) -> Iterator[Row]:
    for gap in gaps:
        yield from layout.hanging((("gap", "warning"), (": ", "")), gap.message)
        if gap.place is not None:
            yield (("  --> ", "gutter"), (layout.location(gap.place), ""))


def _suppressed(one: Suppressed, layout: Layout) -> Iterator[Row]:
    place = one.finding.place
    where = f" {layout.location(place)}" if place else ""
    code = (f"suppressed[{one.finding.code}]", "dim")
    yield from layout.hanging((code, (f"{where}, ", "")), suppression_text(one))
