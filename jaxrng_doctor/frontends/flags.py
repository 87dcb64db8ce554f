"""The flags that several subcommands share: in comes what is typed, as typer reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def codes(incomplete: str) -> list[tuple[str, str]]:
    """What a shell offers for a rule's code: those that begin like the last of those typed."""
    from jaxrng_doctor.rules import RULES

    before, comma, last = incomplete.rpartition(",")
    return [
        (f"{before}{comma}{rule.code}", rule.name) for rule in RULES if rule.code.startswith(last)
    ]


Select = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CODE",
        help="Only these rules: codes or beginnings, with commas.",
        autocompletion=codes,
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="CODE", help="All but these rules.", autocompletion=codes),
]
Baseline = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The findings that are known, and are not told again."),
]
WriteBaseline = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the findings of today there: from now on known."),
]
AddIgnores = Annotated[
    bool,
    typer.Option("--add-ignores", help="Write an ignore comment for each finding of today."),
]
Statistics = Annotated[
    bool, typer.Option("--statistics", help="Say only how often each rule was broken.")
]
FailOn = Annotated[
    str | None,
    typer.Option(
        metavar="error|warning|note|never", help="What exit code 1 is for. Default: warning."
    ),
]
Strict = Annotated[
    bool | None,
    typer.Option("--strict/--no-strict", help="Exit code 1 for what could not be followed, too."),
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="FORMAT[:FILE]",
        help="terminal (the default), html, json, sarif, github, junit or markdown; to a "
        "file with sarif:report.sarif. May be given several times.",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TARGET]...",
        help="module:function or path/to/file.py:function; a module or file alone is every "
        "example declared in it; none is every target of pyproject.toml.",
    ),
]
Arg = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=SPEC", help="An argument, such as x=f32[32,10] or key=key."),
]
Static = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A parameter that is not traced.")
]
InAxes = Annotated[
    str | None,
    typer.Option(metavar="AXES", help="Check under jax.vmap with these in_axes: 0,None"),
]
AxisSize = Annotated[
    int | None, typer.Option(min=0, help="How many examples, where no argument tells.")
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="The seed of arguments that are made up.")
]
Expect = Annotated[
    str | None,
    typer.Option(metavar="different|same", help="Whether examples should get different noise."),
]
NoRun = Annotated[bool, typer.Option("--no-run", help="Trace only: run nothing on arrays.")]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the report there, not to stdout.")
]
