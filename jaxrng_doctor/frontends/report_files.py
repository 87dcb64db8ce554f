"""Where the reports of one command go. In: `--format` and `--output`. Out: files, and a stream.

Each report is rendered for the place that it goes to: only a terminal gets colours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from jaxrng_doctor._util.output import check_writable, write, write_file
from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.reports import FORMATS, RenderOptions, html
from jaxrng_doctor.reports.options import options_for

Render = Callable[[Report, RenderOptions], str]

_SEVERAL = "type: --format terminal --format sarif:report.sarif"


@dataclass(frozen=True)
class Destination:
    """One report. `path` is absolute, `None` for the stream; `flag` is what the user typed."""

    render: Render
    path: Path | None
    flag: str


def destinations(
    formats: Sequence[str], output: Path | None, known: Mapping[str, Render] = FORMATS
) -> tuple[Destination, ...]:
    """Where reports are to go, each of which can be written; raises `UsageError` otherwise.

    A format is `NAME` or `NAME:FILE`, and none at all is the terminal's; names are of `known`.
    """
    found = [_destination(text, known) for text in formats or ["terminal"]]
    if output is not None:
        if len(found) > 1 or found[0].path is not None:
            raise UsageError("--output goes with one format, and that without a file", _SEVERAL)
        found = [Destination(found[0].render, output.absolute(), f"--output {output}")]
    for n, one in enumerate(found):
        for other in found[:n]:
            if _same(one.path, other.path):
                where = "one stream" if one.path is None else str(one.path)
                raise UsageError(f"{other.flag} and {one.flag} both go to {where}", _SEVERAL)
        if one.path is not None:
            check_writable(one.path, one.flag)
    return tuple(found)


def keep_apart(to: Sequence[Destination], other: Path | None, flag: str) -> None:
    """Raise `UsageError` where a report would go to the file `other`, which `flag` is about."""
    for one in to:
        if other is not None and _same(one.path, other):
            raise UsageError(f"{one.flag} and {flag} are both about {other}", "give another name")


def publish(to: Sequence[Destination], report: Report, out: TextIO, **options: Any) -> None:
    """Write each report, that for the stream `out` first; raise the first `UsageError` at the end.

    `options` are those of `RenderOptions`, in place of what suits each destination.
    """
    failed: UsageError | None = None
    for one in sorted(to, key=lambda one: one.path is not None):
        stream = out if one.path is None else None
        text = one.render(report, replace(options_for(stream), **options))
        if one.path is None:
            write(out, text)
            continue
        try:
            write_file(one.path, text, one.flag)
        except UsageError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def _destination(text: str, known: Mapping[str, Render]) -> Destination:
    typed, colon, file = text.partition(":")
    name = choose("--format", typed, tuple(known))
    if name == "html":
        html.check_installed()
    if colon and not file:
        raise UsageError(
            f"--format {text} names no file", f"type: --format {name} or --format {name}:report"
        )
    return Destination(known[name], Path(file).absolute() if file else None, f"--format {text}")


def _same(one: Path | None, other: Path | None) -> bool:
    if one is None or other is None:
        return one is other
    if one.exists() and other.exists():
        return one.samefile(other)  # There may be links, and names in capitals.
    return one.resolve() == other.resolve()
