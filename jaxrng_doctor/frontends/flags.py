"""Flags shared by several subcommands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def codes(incomplete: str) -> list[tuple[str, str]]:
    """Shell completions of the last code in a comma-separated list."""
    from jaxrng_doctor.rules import RULES

    before, comma, last = incomplete.rpartition(",")
    return [
        (f"{before}{comma}{rule.code}", rule.name) for rule in RULES if rule.code.startswith(last)
    ]


Select = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CODE",
        help="Rules to enable: codes or code prefixes, separated by commas.",
        autocompletion=codes,
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="CODE", help="Rules to disable, as for --select.", autocompletion=codes),
]
Baseline = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Baseline of accepted findings to hide."),
]
WriteBaseline = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write all current findings to FILE as a new baseline."),
]
AddIgnores = Annotated[
    bool,
    typer.Option("--add-ignores", help="Add an ignore comment to the source for each finding."),
]
Statistics = Annotated[
    bool, typer.Option("--statistics", help="Show only the number of findings per rule.")
]
FailOn = Annotated[
    str | None,
    typer.Option(
        metavar="error|warning|note|never",
        help="Lowest severity that makes the command fail (exit code 1). Default: warning.",
    ),
]
Strict = Annotated[
    bool | None,
    typer.Option("--strict/--no-strict", help="Also fail (exit code 1) if there are gaps."),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="In the terminal format, show the whole report of targets that pass, too.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="In the terminal format, show only the summary.")
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="FORMAT[:FILE]",
        help="terminal (default), concise, html, json, sarif, github, junit or markdown. Add a "
        "file name to write to a file, as in sarif:report.sarif. Can be repeated.",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TARGET]...",
        help="module:function or path/to/file.py:function. A module or file alone selects every "
        "example declared in it. Default: the targets in pyproject.toml.",
    ),
]
Arg = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=SPEC", help="Argument value, such as x=f32[32,10] or key=key."),
]
Static = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Parameter that is not traced.")
]
InAxes = Annotated[
    str | None,
    typer.Option(metavar="AXES", help="Check under jax.vmap with these in_axes, such as 0,None."),
]
AxisSize = Annotated[
    int | None, typer.Option(min=0, help="Batch size, if no argument determines it.")
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Seed for generated argument values.")
]
Expect = Annotated[
    str | None,
    typer.Option(
        metavar="different|same",
        help="Whether examples should draw different or the same numbers.",
    ),
]
NoRun = Annotated[bool, typer.Option("--no-run", help="Trace only; do not execute anything.")]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the report to FILE instead of stdout.")
]
