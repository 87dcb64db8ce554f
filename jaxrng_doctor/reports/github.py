"""The report as GitHub Actions workflow commands, one per line.

Each command becomes an annotation in the pull request. Identical commands of several targets are
written once, because GitHub keeps only the first ten errors and the first ten warnings of a step.
The last line is a summary for the log.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports._gap_text import failed
from jaxrng_doctor.reports._layout import visible
from jaxrng_doctor.reports._plain_text import location
from jaxrng_doctor.reports._region import region
from jaxrng_doctor.reports._verdict import with_summary
from jaxrng_doctor.reports.options import RenderOptions

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, options: RenderOptions) -> str:
    """The commands, and a last line with the verdict and the counts."""
    commands = (c for target in report.targets for c in _target(target, options.root))
    return with_summary(commands, report)


def _target(target: TargetReport, root: str) -> Iterator[str]:
    if target.failure is not None:
        text = f"{failed(target.failure)}\n{target.failure.traceback}".rstrip()
        title = f"{target.target} could not be checked"
        yield _command("error", target.lines, title, text)
    for finding in target.findings:
        title = f"{finding.code} {finding.name}"
        place = finding.place or target.lines
        yield _command(_COMMANDS[finding.severity], place, title, _message(finding, root))
    for gap in target.gaps:
        yield _command("warning", gap.place or target.lines, "gap", gap.message)


def _message(finding: Finding, root: str) -> str:
    lines = [finding.message]
    lines += [f"{location(r.place, root)}: {r.message}" for r in finding.related]
    lines += finding.notes
    lines += [f"help: {way.message}" for way in finding.help]
    return "\n".join(lines)


def _command(name: str, place: Place | None, title: str, message: str) -> str:
    properties = {**_where(place), "title": title}
    given = ",".join(f"{key}={_escaped(visible(v), ':,')}" for key, v in properties.items())
    shown = "\n".join(visible(line) for line in message.splitlines())
    return f"::{name} {given}::{_escaped(shown)}"


def _where(place: Place | None) -> dict[str, str]:
    if place is None:
        return {}
    # GitHub makes absolute paths relative to the repository, whatever folder the command ran in.
    where = {"file": place.path, "line": str(place.line)}
    at = region(place)
    if at.end_line is not None and at.end_line > at.line:
        return {**where, "endLine": str(at.end_line)}  # the runner then rejects columns
    columns = {"col": at.column, "endLine": at.end_line, "endColumn": at.end_column}
    return where | {key: str(value) for key, value in columns.items() if value is not None}


def _escaped(text: str, more: str = "") -> str:
    """`text` escaped for the runner; `more` are further special characters, as in properties."""
    for char in f"%\r\n{more}":
        text = text.replace(char, f"%{ord(char):02X}")
    return text
