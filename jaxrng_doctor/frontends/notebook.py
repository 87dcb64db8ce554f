"""Notebook magics: `%%jaxrng` watches a cell, `%jaxrng check fn(x, key)` checks a call.

Both return a `Report`, which the notebook shows as an HTML page. IPython is not a dependency: this
module is only loaded by `%load_ext jaxrng_doctor`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import shlex
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor.checking.targets.in_axes import parse_in_axes
from jaxrng_doctor.config.validators import known_codes
from jaxrng_doctor.frontends.api import Report, check, watch
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.target import AS_IS, EXPECTATIONS
from jaxrng_doctor.rules import CODES
from jaxrng_doctor.tracing import recording_vmaps

USAGE = (
    "usage: %jaxrng check fn(x, key), with --in-axes, --axis-size, --expect, --select, --ignore "
    "and --no-run as on the command line\n"
    "or %%jaxrng as the first line of a cell, with --select and --ignore, to watch the cell"
)


def register(shell: Any) -> None:
    """Register `%jaxrng` and `%%jaxrng` with the IPython shell."""

    def jaxrng(line: str, cell: str | None = None) -> Report:
        __tracebackhide__ = True  # IPython omits these frames from the user's tracebacks
        try:
            return _check(shell, line) if cell is None else _watch(shell, line, cell)
        except UsageError as error:
            from IPython.core.error import UsageError as ShellsError

            raise ShellsError(str(error)) from None  # IPython shows it without a traceback

    jaxrng.__doc__ = USAGE
    shell.register_magic_function(jaxrng, "line_cell", "jaxrng")


class _Options(argparse.ArgumentParser):
    """The options of a magic. Errors raise `UsageError` instead of exiting."""

    def __init__(self) -> None:
        super().__init__(prog="jaxrng", add_help=False, allow_abbrev=False)
        self.add_argument("--select")
        self.add_argument("--ignore")

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, USAGE)

    def read(self, text: str) -> argparse.Namespace:
        try:
            found = self.parse_args(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"cannot parse {text!r}: {error}", USAGE) from None
        for name in ("select", "ignore"):
            codes = getattr(found, name)
            if codes is not None:
                setattr(found, name, known_codes(codes.split(","), CODES, f"--{name}"))
        return found


def _watch(shell: Any, line: str, cell: str) -> Report:
    __tracebackhide__ = True
    options = _Options().read(line)
    with watch(select=options.select, ignore=options.ignore) as report:
        _run(shell, cell)
    return report


def _run(shell: Any, cell: str) -> None:
    """Run the cell below its magic as IPython does, including exceptions."""
    __tracebackhide__ = True
    # Keep the magic's line, so that line numbers match the notebook's. IPython would remove an
    # empty line, so it becomes a comment, unless another cell magic has to be the first line.
    if not cell.startswith("%%"):
        cell = f"# %%jaxrng\n{cell}"
    text = shell.transform_cell(cell)
    name = shell.compile.cache(text, shell.displayhook.prompt_count, raw_code=cell)
    tree = shell.transform_ast(shell.compile.ast_parse(text, name))
    last = tree.body[-1] if tree.body else None
    shown = isinstance(last, ast.Expr) and not text.rstrip().endswith(";")
    if shown:
        tree.body.pop()
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        codes = [shell.compile(tree, name, "exec")]
        if isinstance(last, ast.Expr) and shown:
            codes.append(shell.compile(ast.Expression(last.value), name, "eval"))
    if any(code.co_flags & inspect.CO_COROUTINE for code in codes):
        raise UsageError(
            "%%jaxrng cannot watch a cell with a top-level await",
            "use in the cell: with jaxrng_doctor.watch() as report: ..., then report as last line",
        )
    first, *more = codes
    exec(first, shell.user_ns)
    for code in more:
        value = eval(code, shell.user_ns)
        if value is not None:
            from IPython.display import display

            display(value)


def _check(shell: Any, line: str) -> Report:
    __tracebackhide__ = True
    command, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if command != "check":
        problem = f"%jaxrng: unknown command {command!r}" if command else "nothing to check"
        raise UsageError(problem, USAGE)
    call, text = _call_and_options(rest)
    parser = _Options()
    parser.add_argument("--in-axes", type=parse_in_axes, default=AS_IS)
    parser.add_argument("--axis-size", type=int)
    parser.add_argument("--expect", default="different")
    parser.add_argument("--no-run", action="store_true")
    options = parser.read(text)
    namespace = shell.user_ns
    # Compiled as a cell, so that what it defines or maps has source lines to show.
    name = shell.compile.cache(rest, shell.displayhook.prompt_count)
    with recording_vmaps():
        fn = eval(compile(ast.Expression(call.func), name, "eval"), namespace)
    args, kwargs = _evaluated(call, name, namespace)
    return check(
        fn,
        args,
        kwargs,
        in_axes=options.in_axes,
        axis_size=options.axis_size,
        expect=choose("--expect", options.expect, EXPECTATIONS),
        run=not options.no_run,
        select=options.select,
        ignore=options.ignore,
    )


def _call_and_options(text: str) -> tuple[ast.Call, str]:
    """The call at the beginning of the text, and the rest of the text."""
    for end in _ends(text):
        try:
            found = ast.parse(text[:end].strip(), mode="eval").body
        except (SyntaxError, ValueError):
            continue  # `x --y` inside the call
        if isinstance(found, ast.Call):
            return found, text[end:]
    raise UsageError(f"{text.strip()!r} is not a function call", USAGE)


def _ends(text: str) -> Iterator[int]:
    """Positions where the call may end: before each option, and at the end of the text."""
    at = text.find(" --")
    while at >= 0:
        yield at
        at = text.find(" --", at + 1)
    yield len(text)


def _evaluated(
    call: ast.Call, file: str, namespace: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The evaluated arguments, including starred ones."""
    collect: Callable[..., Any] = lambda *args, **kwargs: (args, kwargs)  # noqa: E731
    name = ast.copy_location(ast.Name("collect", ast.Load()), call.func)
    code = compile(
        ast.Expression(ast.copy_location(ast.Call(name, call.args, call.keywords), call)),
        file,
        "eval",
    )
    args, kwargs = eval(code, namespace, {"collect": collect})
    return args, kwargs
