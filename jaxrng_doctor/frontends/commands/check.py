"""`jaxrng-doctor check`: check functions in worker processes, and report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from jaxrng_doctor._util.output import real_stdout
from jaxrng_doctor._util.version import __version__
from jaxrng_doctor.checking.targets.resolve import Flags
from jaxrng_doctor.config.per_target import TargetSettings
from jaxrng_doctor.frontends.command_settings import Settings
from jaxrng_doctor.frontends.commands import CLEAN, FAILED, FOUND
from jaxrng_doctor.frontends.commands.newest_jax import warn_about_newer_jax
from jaxrng_doctor.frontends.commands.target_names import allow, asked_for
from jaxrng_doctor.frontends.jobs.messages import Plan
from jaxrng_doctor.frontends.jobs.pool import WorkerPool
from jaxrng_doctor.frontends.jobs.schedule import Examination
from jaxrng_doctor.frontends.progress import Progress
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.suppression.unused import finish


def check(
    texts: Sequence[str], flags: Flags, settings: Settings, pool: WorkerPool, *, jobs: str
) -> int:
    """Check the targets named by `texts`, by default the configured ones."""
    allow(settings.timeout())
    config = settings.config
    workers = _number(jobs)
    # Baseline entries can only be called stale if all configured targets and rules are checked.
    complete = not ((texts and config.targets) or settings.flags.select or settings.flags.ignore)
    texts, folder = asked_for(texts, config, "check")
    plan = Plan(flags, folder, TargetSettings(config, settings.flags), settings.detail)
    with Progress(quiet=settings.verbosity == "quiet") as progress:
        examination = Examination(pool, workers, plan, progress)
        reports = examination.reports(texts)
    found = Report(finish(reports), __version__, examination.jax_version)
    report = settings.acceptance.apply(found, complete=complete)
    settings.publish(report, real_stdout())
    warn_about_newer_jax(sys.stderr)
    if report.failures:
        return FAILED
    return FOUND if report.fails else CLEAN


def _number(jobs: str) -> int:
    """The number of workers for `--jobs`; `auto` means one per available core."""
    if jobs == "auto":
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if not jobs.isdecimal() or not int(jobs):
        raise UsageError(f"invalid --jobs {jobs!r}: expected a positive integer or 'auto'")
    return int(jobs)
