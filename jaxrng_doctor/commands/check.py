"""`jaxrng-doctor check`: examine functions, one after another, and report."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import jax

from jaxrng_doctor import __version__
from jaxrng_doctor.commands import CLEAN, FAILED, FOUND
from jaxrng_doctor.config import Config
from jaxrng_doctor.doctor import examine, finish
from jaxrng_doctor.errors import TargetError, UsageError
from jaxrng_doctor.findings import Report, TargetReport
from jaxrng_doctor.output import take_stdout
from jaxrng_doctor.progress import Progress
from jaxrng_doctor.settings import Settings
from jaxrng_doctor.target import Target
from jaxrng_doctor.target.arguments import Flags
from jaxrng_doctor.target.arguments import targets as targets_of
from jaxrng_doctor.trace import recording_vmaps
from jaxrng_doctor.tracebacks import failure


def check(texts: Sequence[str], flags: Flags, settings: Settings) -> int:
    """Examine the targets that `texts` name, or else the configured ones."""
    allow(settings.timeout())
    config = settings.config
    # A part of the configured ones, or of the rules, is no reason to miss what a baseline knows.
    complete = not ((texts and config.targets) or settings.flags.select or settings.flags.ignore)
    texts, folder = asked_for(texts, config, "check")
    out = take_stdout()
    with Progress() as progress:
        found = find(texts, folder, flags, config, progress)
        report = _examine(found, progress, settings)
    report = settings.settling.settle(report, complete=complete)
    settings.publish(report, out)
    if report.failures:
        return FAILED
    return FOUND if report.fails else CLEAN


def allow(timeout: float) -> None:
    """Raise `UsageError` where `timeout`, in seconds, is no time."""
    if not 0 < timeout < threading.TIMEOUT_MAX:
        raise UsageError(f"--timeout {timeout:g} is no time to wait", "type: --timeout 60")


def asked_for(texts: Sequence[str], config: Config, command: str) -> tuple[Sequence[str], Path]:
    """The targets' texts, the configured ones where there are none, and where they are found."""
    folder = Path.cwd() if texts else config.folder
    texts = texts or list(dict.fromkeys(entry.target for entry in config.targets))
    if not texts:
        raise UsageError(
            f"nothing to {command}",
            f"type: jaxrng-doctor {command} module:function\n"
            "or name targets in pyproject.toml, in [[tool.jaxrng-doctor.targets]]",
        )
    return texts, folder


def find(
    texts: Sequence[str], folder: Path, flags: Flags, config: Config, progress: Progress
) -> list[Target | TargetReport]:
    """The targets, and reports of those that could not be imported."""
    found: list[Target | TargetReport] = []
    for text in texts:
        progress.stage(f"importing {text}")
        try:
            # From before the user's module is imported: its `from jax import vmap` counts too.
            with recording_vmaps():
                found += targets_of(text, flags, config, folder)
        except TargetError as error:
            found.append(TargetReport(target=text, failure=error.failure))
    return found


def _examine(
    found: Sequence[Target | TargetReport],
    progress: Progress,
    settings: Settings,
) -> Report:
    reports = []
    for target in found:
        if isinstance(target, TargetReport):
            reports.append(target)
            continue
        try:
            reports.append(
                examine(
                    target,
                    run=settings.runs(target.overrides),
                    timeout=settings.timeout(target.overrides),
                    choices=settings.choices(target.overrides),
                    detail=settings.detail,
                    progress=progress.stage,
                )
            )
        except TargetError as error:
            reports.append(TargetReport(target=target.name, failure=error.failure))
        except SystemExit as error:
            # The user's code may not choose the exit code of the doctor, least of all 0.
            failed = failure("run", target.name, error)
            reports.append(TargetReport(target=target.name, failure=failed))
    return Report(finish(reports), tool_version=__version__, jax_version=jax.__version__)
