"""`jaxrng-doctor selfcheck`: check that jaxrng-doctor works with the installed JAX."""

from __future__ import annotations

import importlib.metadata
import json
import linecache
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from jaxrng_doctor._util.output import write
from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor._util.version import __version__
from jaxrng_doctor.frontends.commands import CLEAN, FOUND, selfcheck_programs
from jaxrng_doctor.frontends.terminal_markdown import rendered
from jaxrng_doctor.reports.options import options_for


def selfcheck(format: str) -> int:
    """Check the built-in programs and the assumptions about JAX, and print a table."""
    show = _FORMATS[choose("--format", format, tuple(_FORMATS))]
    result = Result(tuple(_programs()), tuple(_facts()))
    write(sys.stdout, show(result))
    return CLEAN if result.ok else FOUND


@dataclass(frozen=True)
class Program:
    """A built-in program with the expected and the found codes of errors and warnings.

    `mode` is `"check"` or `"watch"`. `gaps` has messages; `failure` is the exception or `""`.
    """

    name: str
    mode: str
    expected: tuple[str, ...]
    found: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    failure: str = ""

    @property
    def ok(self) -> bool:
        return self.found == self.expected and not self.gaps and not self.failure


@dataclass(frozen=True)
class Fact:
    """An assumption about JAX; `lost` is what jaxrng-doctor cannot do without it."""

    name: str
    lost: str
    holds: bool


@dataclass(frozen=True)
class Result:
    """The result of a selfcheck."""

    programs: tuple[Program, ...]
    facts: tuple[Fact, ...]

    @property
    def ok(self) -> bool:
        return all(program.ok for program in self.programs) and all(f.holds for f in self.facts)


def _programs() -> Iterator[Program]:
    import jax
    import jax.numpy as jnp

    from jaxrng_doctor.frontends import api

    lines = selfcheck_programs.TEXT.splitlines(keepends=True)
    linecache.cache[selfcheck_programs.FILE] = (
        len(selfcheck_programs.TEXT),
        None,
        lines,
        selfcheck_programs.FILE,
    )
    functions: dict[str, Any] = {"__name__": "selfcheck"}
    exec(compile(selfcheck_programs.TEXT, selfcheck_programs.FILE, "exec"), functions)

    def checked(function: Any) -> api.Report:
        return api.check(function, (jnp.zeros(4), jax.random.key(0)))

    def watched(function: Any) -> api.Report:
        with api.watch() as report:
            function()
        return report

    ways: list[tuple[str, Callable[[Any], api.Report], dict[str, tuple[str, ...]]]] = [
        ("check", checked, selfcheck_programs.CHECKED),
        ("watch", watched, selfcheck_programs.WATCHED),
    ]
    for mode, examine, expected in ways:
        for name, codes in expected.items():
            program = Program(name, mode, codes)
            try:
                report = examine(functions[name])
            except Exception as error:
                yield _but(program, failure=in_a_line(error))
                continue
            yield _but(
                program,
                found=tuple(sorted({f.code for f in report.at_or_over("warning")})),
                gaps=tuple(gap.message for gap in report.gaps),
                failure="".join(failure.message for failure in report.failures[:1]),
            )


def _but(program: Program, **changes: Any) -> Program:
    return Program(**{**asdict(program), **changes})


def _facts() -> Iterator[Fact]:
    from jaxrng_doctor.jax_internals import assumptions, check_assumptions

    for fact in assumptions.ASSUMPTIONS:
        yield Fact(fact.name, fact.lost, check_assumptions.failure_of(fact) is None)


def _table(result: Result) -> str:
    lines = [
        "| program | mode | expected | found | |",
        "|---|---|---|---|---|",
        *(
            f"| {p.name} | {p.mode} | {_codes(p.expected)} | {_found(p)} | {_mark(p.ok)} |"
            for p in result.programs
        ),
    ]
    facts = [
        "| JAX internal | without it | |",
        "|---|---|---|",
        *(f"| {f.name} | {f.lost} | {_mark(f.holds)} |" for f in result.facts),
    ]
    good = sum(p.ok for p in result.programs), sum(f.holds for f in result.facts)
    versions = f"jaxrng-doctor {__version__}, JAX {_jax_version()}"
    end = (
        f"{versions}, Python {platform.python_version()}: "
        f"{good[0]} of {len(result.programs)} programs give the expected findings, "
        f"{good[1]} of {len(result.facts)} assumptions about JAX hold\n"
    )
    options = options_for(sys.stdout)
    tables = (rendered("\n".join(table), options) for table in (lines, facts))
    return "".join(tables) + "\n" + end


def _mark(ok: bool) -> str:
    return "ok" if ok else "**FAILED**"


def _codes(codes: tuple[str, ...]) -> str:
    return ", ".join(codes) or "nothing"


def _found(program: Program) -> str:
    more = [program.failure] if program.failure else list(program.gaps)
    return "; ".join([_codes(program.found), *more]).replace("|", "\\|")


def _json(result: Result) -> str:
    document = {
        "tool_version": __version__,
        "jax_version": _jax_version(),
        "python_version": platform.python_version(),
        "ok": result.ok,
        "programs": [{**asdict(p), "ok": p.ok} for p in result.programs],
        "facts": [asdict(fact) for fact in result.facts],
    }
    return json.dumps(document, indent=2) + "\n"


def _jax_version() -> str:
    return importlib.metadata.version("jax")


_FORMATS: dict[str, Callable[[Result], str]] = {"terminal": _table, "json": _json}
