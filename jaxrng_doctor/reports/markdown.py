"""The report as Markdown, for a pull request comment or a job summary.

A single line if there is nothing to report; else a heading, a table, and each target's report,
folded. Text from the user's program is escaped: in running text, every character that is special
in Markdown or HTML becomes an entity; longer text is in a code block with a fence longer than any
in it.
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
from jaxrng_doctor.reports._verdict import counts, has_content, verdict
from jaxrng_doctor.reports.options import RenderOptions

_ROOM = 60_000
"""Maximum length in characters; GitHub's limit for comments is 65,536."""

_ROWS = 50

_READ = re.compile(r"[^\w .,:;/()='\"+%?-]|_|:(?=//|[\w+-]+:)|(?<=www)\.", re.IGNORECASE)
"""Characters that are special in Markdown, HTML or GitHub's extensions."""

_MENTION = re.compile(r"(&#64;|&#35;)(?=\w)")


def render(report: Report, options: RenderOptions) -> str:
    """The report, cut to the size of a comment, with a note about omitted parts."""
    sentence, _ = verdict(report)
    if sentence and not report.gaps:
        return f"**jaxrng-doctor**: {_text(sentence)}\n"
    first, *others = counts(report)
    head = f"## jaxrng-doctor: {_text(sentence or first)}"
    summary = others if not sentence else [first, *others]
    parts = [head, *_table(report, options), " · ".join(summary)]
    parts += [_details(t, options) for t in report.targets if has_content(t)]
    text, left = "", 0
    for part in parts:
        if left or len(text) + len(part) > _ROOM:
            left += 1
        else:
            text += f"{part}\n\n"
    if left:
        text += f"{counted(left, 'part')} of this report omitted: too long for a comment.\n"
    return f"{text.rstrip()}\n"


def _table(report: Report, options: RenderOptions) -> list[str]:
    rows = [row for target in report.targets for row in _rows(target, options)]
    if not rows:
        return []
    head = ["| | message | location | target |", "|---|---|---|---|"]
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
    """`text` for a line, a table cell or an element, without mentions of users or issues."""
    return _MENTION.sub(r"\1&#8203;", _entities(text))


def _entities(text: str) -> str:
    return _READ.sub(lambda m: f"&#{ord(m[0])};", visible(" ".join(text.split())))
