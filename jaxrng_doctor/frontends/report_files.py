"""The destinations of a command's reports: the files and stream of `--format` and `--output`.

Each report is rendered for its destination: only a terminal gets colours.
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
from jaxrng_doctor.reports import html
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions, options_for

Render = Callable[[Report, RenderOptions], str]

_SEVERAL = "for several reports, use: --format terminal --format sarif:report.sarif"


@dataclass(frozen=True)
class Destination:
    """One report. `path` is absolute, `None` for the stream; `flag` is the flag as typed."""

    render: Render
    path: Path | None
    flag: str


def destinations(
    formats: Sequence[str], output: Path | None, known: Mapping[str, Render] = FORMATS
) -> tuple[Destination, ...]:
    """The destinations, all of them writable. Raises `UsageError` otherwise.

    A format is `NAME` or `NAME:FILE`, with a name in `known`. The default is `terminal`.
    """
    found = [_destination(text, known) for text in formats or ["terminal"]]
    if output is not None:
        if len(found) > 1 or found[0].path is not None:
            raise UsageError("--output needs exactly one --format, without a file", _SEVERAL)
        found = [Destination(found[0].render, output.absolute(), f"--output {output}")]
    for n, one in enumerate(found):
        for other in found[:n]:
            if _same(one.path, other.path):
                where = "the same stream" if one.path is None else str(one.path)
                raise UsageError(f"{other.flag} and {one.flag} both write to {where}", _SEVERAL)
        if one.path is not None:
            check_writable(one.path, one.flag)
    return tuple(found)


def keep_apart(to: Sequence[Destination], other: Path | None, flag: str) -> None:
    """Raise `UsageError` if a report would be written to `other`, the file of `flag`."""
    for one in to:
        if other is not None and _same(one.path, other):
            raise UsageError(f"{one.flag} and {flag} both use {other}", "choose another file")


def publish(to: Sequence[Destination], report: Report, out: TextIO, **options: Any) -> None:
    """Write all reports, first that for the stream `out`; then raise the first `UsageError`.

    `options` override the `RenderOptions` chosen for each destination.
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
            f"--format {text}: missing file name",
            f"use --format {name} or --format {name}:report",
        )
    return Destination(known[name], Path(file).absolute() if file else None, f"--format {text}")


def _same(one: Path | None, other: Path | None) -> bool:
    if one is None or other is None:
        return one is other
    if one.exists() and other.exists():
        return one.samefile(other)  # also for links and on case-insensitive file systems
    return one.resolve() == other.resolve()
