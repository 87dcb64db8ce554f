"""`jaxrng-doctor inspect`: show functions' programs, with scopes as boxes and keys in colour."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jaxrng_doctor._util.gc_pause import gc_paused
from jaxrng_doctor._util.output import check_writable, take_stdout, write, write_file
from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor._util.tracebacks import failure
from jaxrng_doctor.checking.examine import inspect as inspect_target
from jaxrng_doctor.checking.targets.resolve import Flags, targets
from jaxrng_doctor.config.pyproject import Config
from jaxrng_doctor.frontends.command_settings import Settings
from jaxrng_doctor.frontends.commands import CLEAN, FAILED
from jaxrng_doctor.frontends.commands.target_names import allow, asked_for
from jaxrng_doctor.frontends.progress import Progress
from jaxrng_doctor.model.errors import TargetError
from jaxrng_doctor.model.findings import Failure
from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.reports import html
from jaxrng_doctor.reports.listing import FORMATS
from jaxrng_doctor.reports.options import options_for
from jaxrng_doctor.tracing import recording_vmaps


def inspect(
    texts: Sequence[str],
    flags: Flags,
    settings: Settings,
    *,
    format: str,
    output: Path | None,
    every: bool,
    lineage: bool,
    run: bool,
    timeout: float | None,
) -> int:
    """Show the targets named by `texts`, by default the configured ones; `timeout` in seconds.

    Targets that cannot be shown are reported on stderr. Findings do not affect the exit code.
    """
    render = FORMATS[choose("--format", format, tuple(FORMATS))]
    if format == "html":
        html.check_installed()
    flag = f"--output {output}"
    if output is not None:
        output = output.absolute()  # the user's module may change the working directory
        check_writable(output, flag)
    if timeout is not None:
        allow(timeout)
    texts, folder = asked_for(texts, settings.config, "inspect")
    out = take_stdout()
    shown: list[Listing] = []
    failed: list[tuple[str, Failure]] = []
    with Progress() as progress:
        for target in _find(texts, folder, flags, settings.config, progress, failed):
            try:
                shown.append(
                    inspect_target(
                        target,
                        every=every,
                        run=run,
                        timeout=timeout,
                        choices=settings.choices(target.overrides),
                        progress=lambda stage, text: progress.stage(text),
                    )
                )
            except TargetError as error:
                failed.append((target.name, error.failure))
            except SystemExit as error:
                failed.append((target.name, failure("run", target.name, error)))
    for name, why in failed:
        print(f"error: cannot show {name}: {why.message}", file=sys.stderr)
        print(why.traceback, end="", file=sys.stderr)
    if shown or not failed:
        stream = out if output is None else None
        with gc_paused():
            text = render(shown, options_for(stream), lineage=lineage)
        if output is None:
            write(out, text)
        else:
            write_file(output, text, flag)
    return FAILED if failed else CLEAN


def _find(
    texts: Sequence[str],
    folder: Path,
    flags: Flags,
    config: Config,
    progress: Progress,
    failed: list[tuple[str, Failure]],
) -> list[Target]:
    """The targets; those that could not be imported are added to `failed`."""
    found: list[Target] = []
    for text in texts:
        progress.stage(f"importing {text}")
        try:
            # Patch JAX before importing the user's module, which may use `from jax import vmap`.
            with recording_vmaps():
                found += targets(text, flags, config, folder)
        except TargetError as error:
            failed.append((text, error.failure))
    return found
