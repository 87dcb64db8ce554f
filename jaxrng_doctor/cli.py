"""The command line: in come flags, out go a report and an exit code.

0: clean; 1: findings at or over `--fail-on`; 2: bad usage or configuration;
3: a target could not be imported, traced or run; 130: interrupted. Nothing else
exits, and `--version`, `--help`, `rules` and `explain` do not import JAX.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from jaxrng_doctor import __version__
from jaxrng_doctor.errors import TargetError, UsageError

if TYPE_CHECKING:
    from jaxrng_doctor.config import Config
    from jaxrng_doctor.findings import Report, TargetReport
    from jaxrng_doctor.progress import Progress
    from jaxrng_doctor.settings import Settings
    from jaxrng_doctor.target import Target
    from jaxrng_doctor.target.arguments import Flags

CLEAN, FOUND, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130

RUN_THREAD = "jaxrng-run"
"""The thread that runs the user's function, which a timeout leaves behind."""

Select = Annotated[
    list[str] | None,
    typer.Option(metavar="CODE", help="Only these rules: codes or beginnings, with commas."),
]
Ignore = Annotated[list[str] | None, typer.Option(metavar="CODE", help="All but these rules.")]
FailOn = Annotated[
    str | None,
    typer.Option(
        metavar="error|warning|note|never", help="What exit code 1 is for. Default: warning."
    ),
]
Format = Annotated[str, typer.Option(metavar="terminal|json")]

app = typer.Typer(
    name="jaxrng-doctor",
    help="Finds JAX programs whose random numbers are not as random as their authors believe.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line, and exit."""
    try:
        app(prog_name="jaxrng-doctor")
    except KeyboardInterrupt:
        _leave(INTERRUPTED)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"jaxrng-doctor {__version__}")
        raise typer.Exit


@app.callback()
def _app(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


@app.command()
def check(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...",
            help="module:function or path/to/file.py:function; a module or file alone is every "
            "example declared in it; none is every target of pyproject.toml.",
        ),
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SPEC", help="An argument, such as x=f32[32,10] or key=key."),
    ] = None,
    static: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A parameter that is not traced."),
    ] = None,
    in_axes: Annotated[
        str | None,
        typer.Option(metavar="AXES", help="Check under jax.vmap with these in_axes: 0,None"),
    ] = None,
    axis_size: Annotated[
        int | None, typer.Option(min=0, help="How many examples, where no argument tells.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="The seed of arguments that are made up.")
    ] = 0,
    expect: Annotated[
        str | None,
        typer.Option(metavar="different|same", help="Whether examples should get different noise."),
    ] = None,
    select: Select = None,
    ignore: Ignore = None,
    fail_on: FailOn = None,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Trace only: run nothing on arrays.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long the function may run.")
    ] = 60.0,
    format: Format = "terminal",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report there, not to stdout.")
    ] = None,
) -> None:
    """Check functions for random numbers that are shared by mistake."""

    def work() -> int:
        from jaxrng_doctor.nearest import choose
        from jaxrng_doctor.output import take_stdout
        from jaxrng_doctor.progress import Progress
        from jaxrng_doctor.settings import settings_of
        from jaxrng_doctor.target import EXPECTATIONS
        from jaxrng_doctor.target.arguments import parse_flags

        out = take_stdout()
        settings = settings_of(select, ignore, fail_on, format, output)
        config = settings.config
        expected = None if expect is None else choose("--expect", expect, EXPECTATIONS)
        flags = parse_flags(arg or [], static or [], in_axes, axis_size, seed, expected)
        if not 0 < timeout < threading.TIMEOUT_MAX:
            raise UsageError(f"--timeout {timeout:g} is no time to wait", "type: --timeout 60")
        texts = targets or list(dict.fromkeys(entry.target for entry in config.targets))
        if not texts:
            raise UsageError(
                "nothing to check",
                "type: jaxrng-doctor check module:function\n"
                "or name targets in pyproject.toml, in [[tool.jaxrng-doctor.targets]]",
            )
        folder = Path.cwd() if targets else config.folder
        with Progress() as progress:
            report = _examine(
                _find(texts, folder, flags, config, progress),
                progress,
                run=not no_run,
                timeout=timeout,
                select=settings.select,
                ignore=settings.ignore,
            )
        settings.publish(report, out)
        return FAILED if report.failures else _code(settings, report)

    _guard(work)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    program: Annotated[str, typer.Argument(metavar="SCRIPT|MODULE", help="What python would run.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="Its own arguments.")
    ] = None,
    is_module: Annotated[bool, typer.Option("-m", help="Run a module, as python -m does.")] = False,
    no_key_values: Annotated[
        bool,
        typer.Option("--no-key-values", help="Do not compare the keys of different calls."),
    ] = False,
    select: Select = None,
    ignore: Ignore = None,
    fail_on: FailOn = None,
    format: Format = "terminal",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report there, not to stderr.")
    ] = None,
) -> None:
    """Run a program and watch it: its own exit code is kept, unless it is 0 and there are findings.

    The report goes to stderr, once the program has ended, however it ended.
    """

    def work() -> int:
        from jaxrng_doctor.api import watch
        from jaxrng_doctor.settings import settings_of
        from jaxrng_doctor.watching import script

        settings = settings_of(select, ignore, fail_on, format, output)
        folder = str(Path.cwd())
        if output is not None:  # the program may go to another folder
            settings = replace(settings, output=output.absolute())
        started = script.program(program, arguments or [], is_module=is_module)
        with watch(
            key_values=not no_key_values, select=settings.select, ignore=settings.ignore
        ) as report:
            code = started()
        settings.publish(report, sys.stderr, brief=True, root=folder)
        return code or _code(settings, report)

    _guard(work)


@app.command()
def rules() -> None:
    """List the rules."""

    def work() -> int:
        from jaxrng_doctor.output import write
        from jaxrng_doctor.rules import RULES

        name_width = max(len(rule.name) for rule in RULES)
        lines = [
            f"{rule.code}  {rule.name:<{name_width}}  {rule.severity:<7}  {rule.summary}\n"
            for rule in RULES
        ]
        write(sys.stdout, "".join(lines))
        return CLEAN

    _guard(work)


@app.command()
def explain(code: Annotated[str, typer.Argument(metavar="CODE")]) -> None:
    """Explain a rule: what it finds, why that is bad, and what to write instead."""

    def work() -> int:
        import inspect

        from jaxrng_doctor.nearest import choose
        from jaxrng_doctor.output import write
        from jaxrng_doctor.rules import RULES

        known = {rule.code: rule for rule in RULES}
        rule = known[choose("explain", code.strip().upper(), tuple(known))]
        text = inspect.cleandoc(rule.doc)
        write(sys.stdout, f"{rule.code} {rule.name} ({rule.severity})\n\n{text}\n")
        return CLEAN

    _guard(work)


def _find(
    texts: Sequence[str], folder: Path, flags: Flags, config: Config, progress: Progress
) -> list[Target | TargetReport]:
    """The targets, and reports of those that could not be imported."""
    from jaxrng_doctor.findings import TargetReport
    from jaxrng_doctor.target.arguments import targets as targets_of
    from jaxrng_doctor.trace import recording_vmaps

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
    *,
    run: bool,
    timeout: float,
    select: Sequence[str] | None,
    ignore: Sequence[str],
) -> Report:
    import jax

    from jaxrng_doctor.doctor import examine, finish
    from jaxrng_doctor.findings import Report, TargetReport
    from jaxrng_doctor.tracebacks import failure

    reports = []
    for target in found:
        if isinstance(target, TargetReport):
            reports.append(target)
            continue
        try:
            reports.append(
                examine(
                    target,
                    run=run,
                    timeout=timeout,
                    select=select,
                    ignore=ignore,
                    progress=progress.stage,
                )
            )
        except TargetError as error:
            reports.append(TargetReport(target=target.name, failure=error.failure))
        except SystemExit as error:
            # The user's code may not choose the exit code of the doctor, least of all 0.
            failed = failure("run", target.name, error)
            reports.append(TargetReport(target=target.name, failure=failed))
    finished = finish(reports, select=select, ignore=ignore)
    return Report(finished, tool_version=__version__, jax_version=jax.__version__)


def _code(settings: Settings, report: Report) -> int:
    """The exit code that the findings ask for."""
    threshold = settings.threshold
    return FOUND if threshold != "never" and report.at_or_over(threshold) else CLEAN


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
        print("error: this is a fault of jaxrng-doctor itself", file=sys.stderr)
        code = FAILED
    _leave(code)


def _leave(code: int) -> NoReturn:
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    if any(thread.name == RUN_THREAD for thread in threading.enumerate()):
        # The user's function still runs, and nothing can stop it but the end of the process.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
