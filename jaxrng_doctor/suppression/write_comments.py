"""Ignore comments for what is found today: in comes a report, out come changed files.

A comment is added at the end of a line, or codes are added to the one that is there, and nothing
else of the file changes: not its encoding, its line ends, or the syntax and places of its code.
"""

from __future__ import annotations

import ast
import io
import linecache
import os
import stat
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from jaxrng_doctor._util import paths, source
from jaxrng_doctor._util.output import replace_file
from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.suppression.comments import Ignore, places_of_comments, with_codes
from jaxrng_doctor.suppression.policy import apply

_INSTALLED = {"site-packages", "dist-packages"}

AnyReport = TypeVar("AnyReport", bound=Report)

Wanted = dict[int, frozenset[str]]
"""The codes that the comment on a line is to name."""


class _Refused(Exception):
    """A file that is to stay as it is; the message says why."""


def add_ignores(report: AnyReport, project: Path) -> tuple[AnyReport, list[str]]:
    """Write the comments into the files under the folder `project`.

    Returns the report as it is with them, and what is to be told: what was written, and
    for which findings nothing was, and why.
    """
    files: dict[str, Wanted] = {}
    for finding in report.findings:
        if (place := _place(finding, project)) is not None:
            wanted = files.setdefault(place.path, {})
            line = _line(place, wanted)
            wanted[line] = wanted.get(line, frozenset()) | {finding.code}
    refused: dict[str, str] = {}
    for path, wanted in files.items():
        try:
            _write(path, wanted)
        except _Refused as why:
            refused[path] = str(why)
    written = {path: wanted for path, wanted in files.items() if path not in refused}
    targets = []
    for target in report.targets:
        left = [finding for finding in target.findings if not _serves_now(finding, written)]
        told, suppressed = apply(left, target.choices)
        targets.append(replace(target, findings=told, suppressed=(*target.suppressed, *suppressed)))
    done = replace(report, targets=tuple(targets))
    return done, [_done(written), *_left(done, project, refused)]


def with_ignores(text: str, path: str, wanted: Wanted) -> str:
    """The text of the file `path` with the comments at the ends of the lines that are `wanted`."""
    lines = io.StringIO(text, newline="").readlines()
    comments = source.comments(path)
    for number, codes in wanted.items():
        line = lines[number - 1]
        body = line.rstrip("\r\n")
        old = comments.get(number, "").rstrip()
        new = with_codes(old, codes) if old else None
        if new is None:
            space = " " * max(0, 2 - (len(body) - len(body.rstrip(" "))))
            changed = f"{body}{space}{Ignore(number, codes, '').text}"
        else:
            at = len(body.rstrip()) - len(old)
            changed = f"{body[:at]}{new}{body[at + len(old) :]}"
        lines[number - 1] = changed + line[len(body) :]
    return "".join(lines)


def _serves_now(finding: Finding, written: Mapping[str, Wanted]) -> bool:
    """Whether the finding is a comment that suppressed nothing, and has got codes that do."""
    place = finding.place
    return (
        finding.code == "RNG900" and place is not None and place.line in written.get(place.path, {})
    )


def _place(finding: Finding, project: Path) -> Place | None:
    """The first place at which a comment may be written, if there is one."""
    if finding.code == "RNG900":
        return None  # a comment about a comment that should go
    places = places_of_comments(finding)
    return next((p for p in places if not _hindrance(p.path, project)), None)


def _hindrance(path: str, project: Path) -> str:
    """Why a file is to stay as it is; `""` where it need not."""
    if not os.path.isfile(path):
        return "it is in no file"
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(project)):
        return "the file lies outside of the project"
    if _INSTALLED & set(Path(path).parts):
        return "the file belongs to an installed package"
    writable = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    if not os.stat(path).st_mode & writable or not os.access(path, os.W_OK):
        return "the file is read-only"
    return ""


def _line(place: Place, wanted: Wanted) -> int:
    """The line of the statement for the comment: one that has or gets one, else the nearest."""
    first, last = source.logical_span(place.path, place.line)
    comments = source.comments(place.path)
    for n in range(first, last + 1):
        if n in wanted or with_codes(comments.get(n, ""), frozenset()) is not None:
            return n
    free = source.lines_for_comments(place.path)
    lines = [*range(place.line, last + 1), *range(first, place.line)]
    return next((n for n in lines if n in free), place.line)


def _write(path: str, wanted: Wanted) -> None:
    before = Path(path).read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(before).readline)
        text = before.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise _Refused("its encoding is not known") from error
    lines = io.StringIO(text, newline=None).readlines()
    if [line.rstrip("\n") for line in lines] != [
        line.rstrip("\n") for line in linecache.getlines(path)
    ]:
        raise _Refused("the file has changed since it was imported")
    after = with_ignores(text, path, wanted).encode(encoding)
    if _syntax(before) != _syntax(after):
        raise _Refused("it would not stay the same program")
    try:
        replace_file(Path(path), after)
    except OSError as error:
        raise _Refused(f"the file cannot be written: {error.strerror}") from error
    linecache.checkcache(path)


def _syntax(content: bytes) -> str:
    """All that Python makes of a file, with every place in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(content), include_attributes=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _Refused("it would not be sure to stay the same program") from error


def _done(written: Mapping[str, Wanted]) -> str:
    comments = sum(map(len, written.values()))
    return f"{comments} ignore comment{'s' * (comments != 1)} in {_files(len(written))}"


def _files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"


def _left(report: Report, project: Path, refused: Mapping[str, str]) -> Iterator[str]:
    for finding in report.findings:
        place = finding.place
        where = f" at {paths.shown(place.path, str(project))}:{place.line}" if place else ""
        if finding.code == "RNG900":
            why = "remove the comment that suppresses nothing"
        elif place is None:
            why = "it has no place"
        else:
            why = refused.get(place.path) or _hindrance(place.path, project)
        yield f"no comment for {finding.code}{where}: {why}"
