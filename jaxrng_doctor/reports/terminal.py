"""The report for a terminal, in the style of rustc.

Text from the user (source, names, paths, tracebacks) is never interpreted as rich markup, and its
control characters are escaped. Everything is wrapped except what a reader may want to copy: paths,
suggested code, tracebacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

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
from jaxrng_doctor.reports._layout import Layout, Row
from jaxrng_doctor.reports._verdict import counts, has_content, passed, passes, verdict
from jaxrng_doctor.reports.options import RenderOptions

_MAX_DRAWS = 5
"""The maximum number of draws shown for a target without findings."""


def render(report: Report, options: RenderOptions) -> str:
    """The report, `options.width` but at least 40 cells wide; `options.verbosity` says how much."""
    page = _Page(options)
    if options.verbosity != "quiet":
        shown = [t for t in report.targets if not options.brief or has_content(t)]
        page.targets(shown, whole=options.verbosity == "verbose")
    page.closing(report)
    return page.text()


class _Page(Page):
    def targets(self, targets: Sequence[TargetReport], *, whole: bool) -> None:
        """The targets: with `whole` also the whole report of each one that passes."""
        for in_lines, group in groupby(targets, lambda target: passes(target) and not whole):
            for target in group:
                if in_lines:
                    self.passed(target)
                else:
                    self.target(target)
            if in_lines:
                self.blank()

    def passed(self, target: TargetReport) -> None:
        text, good = passed(target)
        first: Row = (("passed", "help" if good else "warning"), (": ", ""))
        self.put(self.layout.hanging(first, f"{target.target} ({text})"))

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
        if not target.draws:
            self.put([(("no draws", "dim"),)])
        for draw in target.draws[:_MAX_DRAWS]:
            self.put(draw_rows(draw, self.layout))
        more = len(target.draws) - _MAX_DRAWS
        if more > 0:
            self.put([((f"… and {more:,} more", "dim"),)])
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
