"""Writes an ignore comment into the source for each finding of a report (`--add-ignores`).

A comment is added at the end of a line, or codes are added to the comment there. Nothing else in
the file changes: not its encoding, its line ends, or the syntax and places of its code.
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
from jaxrng_doctor.rules import rule_of
from jaxrng_doctor.rules.by_cause import ungrouped
from jaxrng_doctor.suppression.comments import Ignore, marked_places, with_codes
from jaxrng_doctor.suppression.policy import apply
from jaxrng_doctor.suppression.source_versions import version

_HAS_CHANGED = "the file has changed since it was imported"
_INSTALLED = {"site-packages", "dist-packages"}

AnyReport = TypeVar("AnyReport", bound=Report)

Wanted = dict[int, frozenset[str]]
"""The codes for the comment on each line."""


class _Refused(Exception):
    """A file that must not be changed; the message says why."""


def add_ignores(report: AnyReport, project: Path) -> tuple[AnyReport, list[str]]:
    """Write the comments into the files under the folder `project`.

    Returns the report with the findings that they suppress, and lines for the user: what was
    written, which findings got no comment, and why.
    """
    files: dict[str, Wanted] = {}
    for finding in ungrouped(report.findings):
        if (place := _place(finding, project)) is not None:
            wanted = files.setdefault(place.path, {})
            line = _line(place, wanted)
            wanted[line] = wanted.get(line, frozenset()) | {finding.code}
    refused: dict[str, str] = {}
    imported = {source for target in report.targets for source in target.sources}
    for path, wanted in files.items():
        try:
            if any(source.path == path and source != version(path) for source in imported):
                raise _Refused(_HAS_CHANGED)
            _write(path, wanted)
        except _Refused as why:
            refused[path] = str(why)
    written = {path: wanted for path, wanted in files.items() if path not in refused}
    targets = []
    for target in report.targets:
        kept = [finding for finding in target.findings if not _is_used_now(finding, written)]
        left, suppressed = apply(kept, target.choices)
        targets.append(replace(target, findings=left, suppressed=(*target.suppressed, *suppressed)))
    done = replace(report, targets=tuple(targets))
    return done, [_done(written), *_left(done, project, refused)]


def with_ignores(text: str, path: str, wanted: Wanted) -> str:
    """The text of the file `path` with comments at the ends of the `wanted` lines."""
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


def _is_used_now(finding: Finding, written: Mapping[str, Wanted]) -> bool:
    """Whether the finding is about an unused comment to which codes were added."""
    place = finding.place
    if place is None or not _is_about_a_comment(finding):
        return False
    return place.line in written.get(place.path, {})


def _is_about_a_comment(finding: Finding) -> bool:
    rule = rule_of(finding.code)
    return rule is not None and rule.checks_comments


def _place(finding: Finding, project: Path) -> Place | None:
    """The place at which to write a comment, if there is one.

    A comment at the draw of a helper would hide the faults of all other calls of the helper: a
    scope or a call is better.
    """
    if _is_about_a_comment(finding):
        return None  # its comment should be removed, not suppressed
    scopes = [scope.place for scope in finding.scopes]
    calls = [related.place for related in finding.related if related.is_call]
    marked = marked_places(finding)
    places = sorted(marked, key=lambda place: place not in scopes and place not in calls)
    return next((p for p in places if not _hindrance(p.path, project)), None)


def _hindrance(path: str, project: Path) -> str:
    """The reason why a file must not be changed; `""` if it may be."""
    if not os.path.isfile(path):
        return "it is in no file"
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(project)):
        return "the file is outside of the project"
    if _INSTALLED & set(Path(path).parts):
        return "the file belongs to an installed package"
    writable = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    if not os.stat(path).st_mode & writable or not os.access(path, os.W_OK):
        return "the file is read-only"
    return ""


def _line(place: Place, wanted: Wanted) -> int:
    """The line of the statement for the comment: one with a comment, else the nearest."""
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
        raise _Refused("its encoding is unknown") from error
    lines = io.StringIO(text, newline=None).readlines()
    if [line.rstrip("\n") for line in lines] != [
        line.rstrip("\n") for line in linecache.getlines(path)
    ]:
        raise _Refused(_HAS_CHANGED)
    after = with_ignores(text, path, wanted).encode(encoding)
    if _syntax(before) != _syntax(after):
        raise _Refused("the comment would change the program")
    try:
        replace_file(Path(path), after)
    except OSError as error:
        raise _Refused(f"the file cannot be written: {error.strerror}") from error
    linecache.checkcache(path)


def _syntax(content: bytes) -> str:
    """The syntax tree of a file, with the place of every node."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(content), include_attributes=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _Refused(
            "the file cannot be parsed, so the comment might change the program"
        ) from error


def _done(written: Mapping[str, Wanted]) -> str:
    comments = sum(map(len, written.values()))
    return f"{comments} ignore comment{'s' * (comments != 1)} in {_files(len(written))}"


def _files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"


def _left(report: Report, project: Path, refused: Mapping[str, str]) -> Iterator[str]:
    for finding in report.findings:
        place = finding.place
        where = f" at {paths.shown(place.path, str(project))}:{place.line}" if place else ""
        if _is_about_a_comment(finding):
            why = "remove the comment that suppresses nothing"
        elif place is None:
            why = "it has no place"
        else:
            why = refused.get(place.path) or _hindrance(place.path, project)
        yield f"no comment for {finding.code}{where}: {why}"
