"""The report for a terminal, in the style of rustc.

Text from the user (source, names, paths, tracebacks) is never interpreted as rich markup, and its
control characters are escaped. Everything is wrapped except what a reader may want to copy: paths,
suggested code, tracebacks.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.panel import Panel
from rich.text import Text

from jaxrng_doctor.model.findings import Comparison
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports._comparison_text import (
    compared_rows,
    not_compared,
    not_compared_rows,
    title,
)
from jaxrng_doctor.reports._console import Page
from jaxrng_doctor.reports._finding_text import draw_rows, finding_rows
from jaxrng_doctor.reports._gap_text import failure_rows, gap_and_suppression_rows
from jaxrng_doctor.reports._layout import Layout
from jaxrng_doctor.reports._verdict import counts, has_content, verdict
from jaxrng_doctor.reports.options import RenderOptions

_MAX_DRAWS = 5
"""The maximum number of draws shown for a target without findings."""


def render(report: Report, options: RenderOptions) -> str:
    """The complete report, `options.width` but at least 40 cells wide."""
    page = _Page(options)
    for target in report.targets:
        if not options.brief or has_content(target):
            page.target(target)
    page.closing(report)
    return page.text()


class _Page(Page):
    def target(self, target: TargetReport) -> None:
        self.put([self.rule(target.target)])
        self.blank()
        for finding in target.findings:
            self.put(finding_rows(finding, self.layout))
            self.blank()
        if target.failure is not None:
            self.put(failure_rows(target.failure, self.layout))
            self.blank()
        elif not target.findings:
            self.draws(target)
        if target.comparison is not None:
            self.comparison(target.comparison)
            self.blank()
        for rows in gap_and_suppression_rows(target, self.layout):
            self.put(rows)
            self.blank()

    def draws(self, target: TargetReport) -> None:
        """The draws of a target without findings, and why they are fine."""
        for draw in target.draws[:_MAX_DRAWS]:
            self.put(draw_rows(draw, self.layout))
        more = len(target.draws) - _MAX_DRAWS
        if more > 0:
            self.put([((f"… and {more:,} more", "dim"),)])
        if target.draws:
            self.blank()

    def comparison(self, comparison: Comparison) -> None:
        if why := not_compared(comparison):
            self.put(not_compared_rows(why, self.layout))
            return
        inside = Layout(self.layout.width - 4, self.layout.root, cell_len)
        body = Text("\n").join(Text.assemble(*row) for row in compared_rows(comparison, inside))
        head = Text(title(comparison), style="title")
        self.console.print(
            Panel(body, title=head, title_align="left", border_style="gutter", expand=False)
        )

    def closing(self, report: Report) -> None:
        sentence, good = verdict(report)
        if sentence:
            style = "help" if good else "warning"
            self.put(self.layout.hanging((), sentence, style))
        style = "title" if not report.failures else "error"
        first, *others = counts(report)
        lines = [first]
        for part in others:  # break lines between counts only
            longer = f"{lines[-1]} · {part}"
            fits = cell_len(longer) <= self.layout.width
            lines[-1:] = [longer] if fits else [lines[-1], part]
        self.put(((line, style),) for line in lines)
