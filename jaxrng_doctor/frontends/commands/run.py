"""`jaxrng-doctor run`: run a program like `python`, watch it, and report when it ends."""

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
from jaxrng_doctor.frontends.commands.newest_jax import warn_about_newer_jax
from jaxrng_doctor.model.findings import Gap, Severity
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.suppression.source_versions import note, noting_imports, with_versions
from jaxrng_doctor.watching import script
from jaxrng_doctor.watching.on_import import once_jax_is_imported

if TYPE_CHECKING:
    from jaxrng_doctor.watching.processes import ProcessMerge


def run(
    program: str,
    arguments: Sequence[str],
    settings: Settings,
    *,
    is_module: bool,
    key_values: bool,
    exit_on_first: bool,
) -> int:
    """Run the script or module. Returns its exit code, or that of the report if it succeeded."""
    folder, stderr = str(Path.cwd()), _stderr()
    watch = _Watch(settings, key_values=key_values, exit_on_first=exit_on_first)
    note(program)
    started = script.program(program, arguments, is_module=is_module)
    process = os.getpid()
    with noting_imports:
        code = watch.over(started)
    if os.getpid() != process:  # a child forked by the program; the parent makes the report
        return code
    try:
        found = _report(watch, settings, folder, stderr)
    except Exception:
        if not code:
            raise
        # The program's own failure takes precedence.
        print("jaxrng-doctor: the report could not be written:", file=stderr)
        traceback.print_exc(file=stderr)
    return code or found


def _report(watch: _Watch, settings: Settings, folder: str, stderr: TextIO) -> int:
    """Write the report; returns its exit code."""
    report, merge = watch.report, watch.merge
    if merge is not None and merge.process > 0:
        return _report_of_other_process(report, merge, settings, folder, stderr)
    report = replace(report, targets=tuple(map(with_versions, report.targets)))
    # Not complete: baseline entries that this program does not reproduce may be another's.
    report = settings.acceptance.apply(report, complete=False)
    _publish(report, settings, folder, stderr)
    warn_about_newer_jax(stderr)
    return FOUND if report.fails else CLEAN


def _publish(report: Report, settings: Settings, folder: str, stderr: TextIO) -> None:
    # A program may have hundreds of functions that pass.
    brief = settings.verbosity != "verbose"
    settings.publish(report, stderr, brief=brief, root=folder)


class _Watch:
    """Watches a program from its import of JAX to its end.

    `report` is empty until then, and if the program never imports JAX.
    """

    def __init__(self, settings: Settings, *, key_values: bool, exit_on_first: bool) -> None:
        self.report = Report((), __version__, importlib.metadata.version("jax"))
        self.merge: ProcessMerge | None = None
        self._settings = settings
        self._key_values = key_values
        self._exit_on_first = exit_on_first
        self._started_by = _outermost_file()
        self._open = contextlib.ExitStack()

    def over(self, started: Callable[[], int]) -> int:
        """Run the program and return its exit code. Internal errors become gaps."""
        with self._open, once_jax_is_imported(self._begin):
            return started()

    def _begin(self) -> None:
        try:
            self._watch()
        except Exception as error:  # an internal error must not stop the program
            gap = Gap(f"the program was not watched: {in_a_line(error)}")
            unwatched = TargetReport(Path(sys.argv[0]).name, gaps=(gap,))
            self.report = replace(self.report, targets=(unwatched,))

    def _watch(self) -> None:
        from jaxrng_doctor.frontends.api import watching
        from jaxrng_doctor.jax_internals.call_hooks import hide_frames_of
        from jaxrng_doctor.watching.processes import ProcessMerge

        choices = self._settings.choices()
        # With `never`, `--exit-on-first` stops at the severity that fails by default.
        stop_at: Severity = choices.fail_on if choices.fail_on != "never" else "warning"
        hide_frames_of(self._started_by)
        self.merge = ProcessMerge(detail=self._settings.detail)
        self.report = self._open.enter_context(
            watching(
                choices,
                key_values=self._key_values,
                stop_at=stop_at if self._exit_on_first else None,
                new=self._settings.acceptance.new_among,
                detail=self._settings.detail,
                merge=self.merge,
            )
        )


def _outermost_file() -> str:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename


def _stderr() -> TextIO:
    """A stderr that still works if the program replaces or closes `sys.stderr`."""
    stream: TextIO | None = sys.stderr
    if stream is None:  # closed before Python started
        return open(os.devnull, "w", encoding="utf-8")
    return open(stream.fileno(), "w", encoding=stream.encoding, errors=stream.errors, closefd=False)


def _report_of_other_process(
    report: Report, merge: ProcessMerge, settings: Settings, folder: str, stderr: TextIO
) -> int:
    """Finish a process other than 0: process 0 writes the common report and all files."""
    writes = settings.acceptance.writes
    report = settings.acceptance.reading_only().apply(report, complete=False)
    if merge.handed_over:
        found = counted(len(report.findings), "finding")
        print(
            f"jaxrng-doctor: process {merge.process}: {found}, see the report of process 0",
            file=stderr,
        )
    else:
        _publish(report, settings.to_stream(), folder, stderr)
    return FOUND if report.fails and not writes else CLEAN
