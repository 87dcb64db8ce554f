"""The report as Markdown, for a pull request's comment or a job's summary. Out: its text.

Nothing but a line where all is clear; else a heading, a table of what was found, and under it
each target's report, folded. Whatever comes from the user's program is shown, never obeyed: in
running text, every character that Markdown or HTML could read is an entity; longer text stands
in a block whose fence is longer than any in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports._gap_text import failed
from jaxrng_doctor.reports._layout import visible
from jaxrng_doctor.reports._plain_text import location, target_text
from jaxrng_doctor.reports._verdict import counts, says_something, verdict
from jaxrng_doctor.reports.options import RenderOptions

_ROOM = 60_000
"""Characters; a comment on GitHub holds 65,536."""

_ROWS = 50

_READ = re.compile(r"[^\w .,:;/()='\"+%?-]|_|:(?=//|[\w+-]+:)|(?<=www)\.", re.IGNORECASE)
"""What Markdown, HTML or GitHub's own additions may read as more than a letter."""

_MENTION = re.compile(r"(&#64;|&#35;)(?=\w)")


def render(report: Report, options: RenderOptions) -> str:
    """The whole report, or as much of it as a comment holds, and then how much is left out."""
    sentence, _ = verdict(report)
    if sentence and not report.gaps:
        return f"**jaxrng-doctor**: {_text(sentence)}\n"
    first, *others = counts(report)
    head = f"## jaxrng-doctor: {_text(sentence or first)}"
    said = others if not sentence else [first, *others]
    parts = [head, *_table(report, options), " · ".join(said)]
    parts += [_details(t, options) for t in report.targets if says_something(t)]
    text, left = "", 0
    for part in parts:
        if left or len(text) + len(part) > _ROOM:
            left += 1
        else:
            text += f"{part}\n\n"
    if left:
        text += f"{counted(left, 'part')} of this report did not fit here.\n"
    return f"{text.rstrip()}\n"


def _table(report: Report, options: RenderOptions) -> list[str]:
    rows = [row for target in report.targets for row in _rows(target, options)]
    if not rows:
        return []
    head = ["| | what | where | target |", "|---|---|---|---|"]
    table = "\n".join([*head, *rows[:_ROWS]])
    more = len(rows) - _ROWS
    return [table, f"… and {more:,} more"] if more > 0 else [table]


def _rows(target: TargetReport, options: RenderOptions) -> Iterator[str]:
    def row(kind: str, what: str, place: Place | None) -> str:
        where = "" if place is None else _code(location(place, options.root))
        return f"| {kind} | {what} | {where} | {_code(target.target)} |"

    if target.failure is not None:
        yield row("failure", _text(failed(target.failure)), None)
    for finding in target.findings:
        what = f"**{_text(finding.code)}** {_text(finding.message)}"
        yield row(finding.severity, what, finding.place)
    for gap in target.gaps:
        yield row("gap", _text(gap.message), gap.place)


def _details(target: TargetReport, options: RenderOptions) -> str:
    text = target_text(target, options.root)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return (
        f"<details><summary>{_code(target.target)}</summary>\n\n"
        f"{fence}text\n{text}\n{fence}\n\n</details>"
    )


def _code(text: str) -> str:
    return f"<code>{_entities(text)}</code>"


def _text(text: str) -> str:
    """`text` for a line, a cell or an element; nobody and no issue is mentioned by it."""
    return _MENTION.sub(r"\1&#8203;", _entities(text))


def _entities(text: str) -> str:
    return _READ.sub(lambda m: f"&#{ord(m[0])};", visible(" ".join(text.split())))
