"""`jaxrng-doctor run`: run a program as `python` would, watch it, and report at its end."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from jaxrng_doctor._util.text import counted
from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor._util.version import __version__
from jaxrng_doctor.frontends.command_settings import Settings
from jaxrng_doctor.frontends.commands import CLEAN, FOUND
from jaxrng_doctor.frontends.commands.newest_jax import tell_of_newer_jax
from jaxrng_doctor.model.findings import Gap, Severity
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.watching import script
from jaxrng_doctor.watching.on_import import once_jax_is_imported

if TYPE_CHECKING:
    from jaxrng_doctor.watching.processes import Meeting


def run(
    program: str,
    arguments: Sequence[str],
    settings: Settings,
    *,
    is_module: bool,
    key_values: bool,
    exit_on_first: bool,
) -> int:
    """Run the script or module; returns its own exit code, or that of the findings if it is 0."""
    folder, stderr = str(Path.cwd()), _stderr()
    watch = _Watch(settings, key_values=key_values, exit_on_first=exit_on_first)
    started = script.program(program, arguments, is_module=is_module)
    process = os.getpid()
    code = watch.over(started)
    if os.getpid() != process:  # forked off by the program: the report is its parent's
        return code
    try:
        found = _told(watch, settings, folder, stderr)
    except Exception:
        if not code:
            raise
        # The program has failed, and that counts.
        print("jaxrng-doctor: the report could not be made:", file=stderr)
        traceback.print_exc(file=stderr)
    return code or found


def _told(watch: _Watch, settings: Settings, folder: str, stderr: TextIO) -> int:
    """Tell what was found, in its place; returns the exit code for that."""
    report, meeting = watch.report, watch.meeting
    if meeting is not None and meeting.process > 0:
        return _of_another(report, meeting, settings, folder, stderr)
    # What one program does not do, another may: a baseline is not told to have too much.
    report = settings.settling.settle(report, complete=False)
    settings.publish(report, stderr, brief=True, root=folder)
    tell_of_newer_jax(stderr)
    return FOUND if report.fails else CLEAN


class _Watch:
    """Over a program, from where it has imported JAX to its end.

    `report` is empty before that end, and if it never imports JAX.
    """

    def __init__(self, settings: Settings, *, key_values: bool, exit_on_first: bool) -> None:
        self.report = Report((), __version__, importlib.metadata.version("jax"))
        self.meeting: Meeting | None = None
        self._settings = settings
        self._key_values = key_values
        self._exit_on_first = exit_on_first
        self._started_by = _outermost_file()
        self._open = contextlib.ExitStack()

    def over(self, started: Callable[[], int]) -> int:
        """The exit code of the program; what goes wrong in the doctor is in the report."""
        with self._open, once_jax_is_imported(self._begin):
            return started()

    def _begin(self) -> None:
        try:
            self._watch()
        except Exception as error:  # the program has done nothing wrong, and goes on
            gap = Gap(f"the program was not watched: {in_a_line(error)}")
            unwatched = TargetReport(Path(sys.argv[0]).name, gaps=(gap,))
            self.report = replace(self.report, targets=(unwatched,))

    def _watch(self) -> None:
        from jaxrng_doctor.frontends.api import watching
        from jaxrng_doctor.jax_internals.running import hide_frames_of
        from jaxrng_doctor.watching.processes import Meeting

        choices = self._settings.choices()
        # Where no finding is to fail, the first that would by default ends the program.
        stop_at: Severity = choices.fail_on if choices.fail_on != "never" else "warning"
        hide_frames_of(self._started_by)
        self.meeting = Meeting(detail=self._settings.detail)
        self.report = self._open.enter_context(
            watching(
                choices,
                key_values=self._key_values,
                stop_at=stop_at if self._exit_on_first else None,
                new=self._settings.settling.new_among,
                detail=self._settings.detail,
                meeting=self.meeting,
            )
        )


def _outermost_file() -> str:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename


def _stderr() -> TextIO:
    """That of the doctor, whatever the program makes of `sys.stderr`, or closes."""
    stream: TextIO | None = sys.stderr
    if stream is None:  # it was closed before Python started
        return open(os.devnull, "w", encoding="utf-8")
    return open(stream.fileno(), "w", encoding=stream.encoding, errors=stream.errors, closefd=False)


def _of_another(
    report: Report, meeting: Meeting, settings: Settings, folder: str, stderr: TextIO
) -> int:
    """The end of a process whose report, and all files, are those of process 0."""
    writes = settings.settling.writes
    report = settings.settling.reading_only().settle(report, complete=False)
    if meeting.handed_over:
        found = counted(len(report.findings), "finding")
        print(
            f"jaxrng-doctor: process {meeting.process}: {found}, told in the report of process 0",
            file=stderr,
        )
    else:
        settings.to_stream().publish(report, stderr, brief=True, root=folder)
    return FOUND if report.fails and not writes else CLEAN
