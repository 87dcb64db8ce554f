"""`jaxrng-doctor run`: run a program as `python` would, watch it, and report at its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jaxrng_doctor.api import watching
from jaxrng_doctor.commands import CLEAN, FOUND
from jaxrng_doctor.findings import Report, Severity
from jaxrng_doctor.report.layout import counted
from jaxrng_doctor.settings import Settings
from jaxrng_doctor.watching import script
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
    folder = str(Path.cwd())
    started = script.program(program, arguments, is_module=is_module)
    choices = settings.choices()
    # Where no finding is to fail, the first that would by default ends the program.
    stop_at: Severity = choices.fail_on if choices.fail_on != "never" else "warning"
    meeting = Meeting(detail=settings.detail)
    with watching(
        choices,
        key_values=key_values,
        stop_at=stop_at if exit_on_first else None,
        new=settings.settling.new_among,
        detail=settings.detail,
        meeting=meeting,
    ) as report:
        code = started()
    if meeting.process > 0:
        return code or _of_another(report, meeting, settings, folder)
    # What one program does not do, another may: a baseline is not told to have too much.
    report = settings.settling.settle(report, complete=False)
    settings.publish(report, sys.stderr, brief=True, root=folder)
    return code or (FOUND if report.fails else CLEAN)


def _of_another(report: Report, meeting: Meeting, settings: Settings, folder: str) -> int:
    """The end of a process whose report, and all files, are those of process 0."""
    writes = settings.settling.writes
    report = settings.settling.reading_only().settle(report, complete=False)
    if meeting.handed_over:
        found = counted(len(report.findings), "finding")
        print(
            f"jaxrng-doctor: process {meeting.process}: {found}, told in the report of process 0",
            file=sys.stderr,
        )
    else:
        settings.to_stream().publish(report, sys.stderr, brief=True, root=folder)
    return FOUND if report.fails and not writes else CLEAN
