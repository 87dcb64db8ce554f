"""The command line: parses flags, runs a command and exits.

Exit codes: 0: clean; 1: findings at or above `--fail-on`; 2: bad usage or configuration;
3: a target could not be imported, traced or run; 130: interrupted. `--version`, `--help`,
`rules` and `explain` do not import JAX.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.completion import get_completion_inspect_parameters

from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor._util.time_limit import is_left_running
from jaxrng_doctor._util.version import __version__
from jaxrng_doctor.frontends.commands import FAILED, INTERRUPTED, USAGE
from jaxrng_doctor.frontends.flags import (
    AddIgnores,
    Arg,
    AxisSize,
    Baseline,
    Expect,
    FailOn,
    Formats,
    Ignore,
    InAxes,
    NoRun,
    Output,
    Quiet,
    Seed,
    Select,
    Static,
    Statistics,
    Strict,
    Targets,
    Verbose,
    WriteBaseline,
    codes,
)
from jaxrng_doctor.model.errors import ProgramToRun, UsageError

if TYPE_CHECKING:
    from jaxrng_doctor.frontends.jobs.pool import WorkerPool


NAME = "jaxrng-doctor"
COMPLETE = "_JAXRNG_DOCTOR_COMPLETE"
"""The environment variable with which a shell requests completions, and the completion script."""
SHELLS = ("bash", "zsh", "fish", "powershell")

app = typer.Typer(
    name=NAME,
    help="Finds JAX programs whose random numbers are not as random as their authors believe.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(pool: WorkerPool | None = None) -> NoReturn:
    """Run the command line and exit. `pool` is for `check`; its first worker may be running."""
    if COMPLETE in os.environ:
        get_completion_inspect_parameters()  # registers the shells
    try:
        sys.exit(app(prog_name=NAME, obj=pool))
    except ProgramToRun as program:
        work = program.args[0]
    except KeyboardInterrupt:
        _leave(INTERRUPTED)
    _guard(work)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"jaxrng-doctor {__version__}")
        raise typer.Exit


@app.callback()
def _app(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


@app.command()
def check(
    context: typer.Context,
    targets: Targets = None,
    arg: Arg = None,
    static: Static = None,
    in_axes: InAxes = None,
    axis_size: AxisSize = None,
    seed: Seed = 0,
    expect: Expect = None,
    select: Select = None,
    ignore: Ignore = None,
    fail_on: FailOn = None,
    strict: Strict = None,
    no_run: Annotated[
        bool | None, typer.Option("--no-run/--run", help="Trace only; do not execute anything.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time limit per stage (import, trace, run). Default: 60.",
        ),
    ] = None,
    jobs: Annotated[
        str,
        typer.Option("--jobs", "-j", metavar="N|auto", help="Number of worker processes."),
    ] = "1",
    baseline: Baseline = None,
    write_baseline: WriteBaseline = None,
    add_ignores: AddIgnores = False,
    statistics: Statistics = False,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Show the effective settings and exit.")
    ] = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    formats: Formats = None,
    output: Output = None,
) -> None:
    """Check functions for random numbers that are shared by mistake."""

    def work() -> int:
        from jaxrng_doctor.frontends.jobs.pool import WorkerPool

        with context.obj or WorkerPool() as pool:  # a worker imports JAX while this process sets up
            from jaxrng_doctor.frontends.command_settings import settings_of

            settings = settings_of(
                select, ignore, fail_on, formats, output, timeout=timeout, no_run=no_run,
                strict=strict,
                baseline=baseline, write_baseline=write_baseline,
                add_ignores=add_ignores, statistics=statistics, verbose=verbose, quiet=quiet,
            )  # fmt: skip
            if show_settings:
                from jaxrng_doctor.frontends.commands.show_settings import show_settings as show

                return show(settings)
            from jaxrng_doctor.checking.targets.resolve import parse_flags
            from jaxrng_doctor.frontends.commands.check import check

            flags = parse_flags(arg or [], static or [], in_axes, axis_size, seed, expect)
            return check(targets or [], flags, settings, pool, jobs=jobs)

    _guard(work)


@app.command()
def inspect(
    targets: Targets = None,
    arg: Arg = None,
    static: Static = None,
    in_axes: InAxes = None,
    axis_size: AxisSize = None,
    seed: Seed = 0,
    expect: Expect = None,
    select: Select = None,
    ignore: Ignore = None,
    all_equations: Annotated[
        bool, typer.Option("--all", help="Show equations without keys, too.")
    ] = False,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Show the key tree, from seeds to draws.")
    ] = False,
    no_run: NoRun = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time limit for computing keys. Default: compute them only if that is fast.",
        ),
    ] = None,
    format: Annotated[str, typer.Option(metavar="text|html|json|dot")] = "text",
    output: Output = None,
) -> None:
    """Show a function's program, with scopes as boxes and keys in colour."""

    def work() -> int:
        from jaxrng_doctor.checking.targets.resolve import parse_flags
        from jaxrng_doctor.frontends.command_settings import settings_of
        from jaxrng_doctor.frontends.commands.inspect import inspect

        settings = settings_of(select, ignore, None, None, None)
        flags = parse_flags(arg or [], static or [], in_axes, axis_size, seed, expect)
        return inspect(
            targets or [],
            flags,
            settings,
            format=format,
            output=output,
            every=all_equations,
            lineage=lineage,
            run=not no_run,
            timeout=timeout,
        )

    _guard(work)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    program: Annotated[
        str, typer.Argument(metavar="SCRIPT|MODULE", help="Script or module to run.")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="Arguments of the program.")
    ] = None,
    is_module: Annotated[bool, typer.Option("-m", help="Run a module, like python -m.")] = False,
    no_key_values: Annotated[
        bool,
        typer.Option("--no-key-values", help="Do not compare keys across calls."),
    ] = False,
    exit_on_first: Annotated[
        bool, typer.Option("--exit-on-first", help="Stop the program at the first finding.")
    ] = False,
    select: Select = None,
    ignore: Ignore = None,
    fail_on: FailOn = None,
    strict: Strict = None,
    baseline: Baseline = None,
    write_baseline: WriteBaseline = None,
    add_ignores: AddIgnores = False,
    statistics: Statistics = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    formats: Formats = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the report to FILE instead of stderr."),
    ] = None,
) -> None:
    """Run a program, and report the random numbers that it shares by mistake.

    Exits with the program's code, or 1 if it succeeded but findings were reported. The report is
    written to stderr when the program ends, even if it fails.
    """

    def work() -> int:
        from jaxrng_doctor.frontends.command_settings import settings_of
        from jaxrng_doctor.frontends.commands.run import run

        settings = settings_of(
            select, ignore, fail_on, formats, output, strict=strict, baseline=baseline,
            write_baseline=write_baseline, add_ignores=add_ignores, statistics=statistics,
            verbose=verbose, quiet=quiet,
        )  # fmt: skip
        return run(
            program,
            arguments or [],
            settings,
            is_module=is_module,
            key_values=not no_key_values,
            exit_on_first=exit_on_first,
        )

    raise ProgramToRun(work)


@app.command()
def rules(
    format: Annotated[str, typer.Option(metavar="terminal|json")] = "terminal",
) -> None:
    """List all rules."""

    def work() -> int:
        from jaxrng_doctor.frontends.commands.rules import rules

        return rules(format)

    _guard(work)


@app.command()
def selfcheck(
    format: Annotated[str, typer.Option(metavar="terminal|json")] = "terminal",
) -> None:
    """Check that jaxrng-doctor works with the installed JAX. Exits with 1 if it does not."""

    def work() -> int:
        from jaxrng_doctor.frontends.commands.selfcheck import selfcheck

        return selfcheck(format)

    _guard(work)


@app.command()
def explain(
    codes: Annotated[
        list[str] | None, typer.Argument(metavar="[CODE]...", autocompletion=codes)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Explain all rules.")] = False,
    format: Annotated[str, typer.Option(metavar="terminal|markdown|json")] = "terminal",
) -> None:
    """Explain rules: what they find, why it matters, and how to fix it."""

    def work() -> int:
        from jaxrng_doctor.frontends.commands.explain import explain

        return explain(codes or [], every=every, format=format)

    _guard(work)


@app.command()
def completion(
    shell: Annotated[
        str,
        typer.Argument(metavar="bash|zsh|fish|powershell", autocompletion=lambda: list(SHELLS)),
    ],
) -> None:
    """Print a shell completion script. The shell's manual says where to put it."""

    def work() -> int:
        from jaxrng_doctor.frontends.commands.completion import completion

        os.environ[COMPLETE] = f"source_{choose('completion', shell, SHELLS)}"
        return completion(shell, main)

    _guard(work)


def _guard(work: Callable[[], int]) -> NoReturn:
    try:
        code = work()
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        code = USAGE
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception:
        traceback.print_exc()
        print("error: internal error in jaxrng-doctor; please report it", file=sys.stderr)
        code = FAILED
    _leave(code)


def _leave(code: int) -> NoReturn:
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    if is_left_running():
        # The user's function is still running; only ending the process stops it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
