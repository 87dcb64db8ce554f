"""The report for human eyes, laid out in the manner of rustc. In: a `Report`. Out: its text.

The user's own text (source, names, paths, tracebacks) is only ever data: it is never read as
rich's markup, and no character of it steers the terminal. Everything is wrapped to the width but
what a reader wants to copy whole: paths, suggested code, tracebacks.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.panel import Panel
from rich.text import Text

from jaxrng_doctor.model.findings import Comparison
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports._comparison_text import panel_rows
from jaxrng_doctor.reports._console import Page
from jaxrng_doctor.reports._finding_text import draw_rows, finding_rows
from jaxrng_doctor.reports._gap_text import aside_rows, failure_rows
from jaxrng_doctor.reports._layout import Layout
from jaxrng_doctor.reports._verdict import counts, says_something, verdict
from jaxrng_doctor.reports.options import RenderOptions

_MAX_DRAWS = 5
"""So many healthy draws are shown; the rest is counted."""


def render(report: Report, options: RenderOptions) -> str:
    """The whole report, at least 40 cells wide whatever `options.width` asks for."""
    page = _Page(options)
    for target in report.targets:
        if not options.brief or says_something(target):
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
        for rows in aside_rows(target, self.layout):
            self.put(rows)
            self.blank()

    def draws(self, target: TargetReport) -> None:
        """What a clean target's draws rest on: an acquittal has its evidence too."""
        for draw in target.draws[:_MAX_DRAWS]:
            self.put(draw_rows(draw, self.layout))
        more = len(target.draws) - _MAX_DRAWS
        if more > 0:
            self.put([((f"… and {more:,} more", "dim"),)])
        if target.draws:
            self.blank()

    def comparison(self, comparison: Comparison) -> None:
        size = "" if comparison.size is None else f" of {comparison.size:,}"
        inside = Layout(self.layout.width - 4, self.layout.root, cell_len)
        body = Text("\n").join(Text.assemble(*row) for row in panel_rows(comparison, inside))
        title = Text(f"first and last example{size}", style="title")
        self.console.print(
            Panel(body, title=title, title_align="left", border_style="gutter", expand=False)
        )

    def closing(self, report: Report) -> None:
        sentence, good = verdict(report)
        if sentence:
            style = "help" if good else "warning"
            self.put(self.layout.hanging((), sentence, style))
        style = "title" if not report.failures else "error"
        first, *others = counts(report)
        lines = [first]
        for part in others:  # a count is not torn from its noun
            longer = f"{lines[-1]} · {part}"
            fits = cell_len(longer) <= self.layout.width
            lines[-1:] = [longer] if fits else [lines[-1], part]
        self.put(((line, style),) for line in lines)
