"""A script or a module, run as `python` would run it: in comes what was typed, out an exit code."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
import types
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxrng_doctor.errors import FirstFinding, UsageError
from jaxrng_doctor.trace.files import OWN_DIR

INTERRUPTED = 130  # as a shell says it: 128 and the number of SIGINT


def program(name: str, arguments: Sequence[str], *, is_module: bool) -> Callable[[], int]:
    """What runs the program, and returns its exit code.

    From here on `sys.argv` and `sys.path` are the program's. Raises `UsageError` where
    there is no such script.
    """
    if is_module:
        sys.path.insert(0, os.getcwd())
        sys.argv = [name, *arguments]
        return lambda: _exit_code(
            lambda: runpy.run_module(name, run_name="__main__", alter_sys=True)
        )
    path = Path(name)
    if path.is_dir():
        path = path / "__main__.py"
    try:
        code = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read: {error.strerror}", "type: jaxrng-doctor run script.py"
        ) from error
    sys.path.insert(0, str(path.absolute().parent))
    sys.argv = [name, *arguments]
    return lambda: _exit_code(lambda: _run(code, str(path.absolute())))


def _run(code: bytes, path: str) -> None:
    """Not by `runpy`, whose module is gone before the program's own threads and exit handlers."""
    main = types.ModuleType("__main__")
    main.__file__ = path
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    exec(compile(code, path, "exec"), main.__dict__)


def _exit_code(run: Callable[[], object]) -> int:
    try:
        run()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return int(error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except FirstFinding:
        return 0
    except KeyboardInterrupt as error:
        _print(error)
        return INTERRUPTED
    except BaseException as error:
        _print(error)
        return 1
    return 0


def _print(error: BaseException) -> None:
    """The traceback as the program alone would have had it."""
    frame = error.__traceback__
    while frame is not None and _is_ours(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    traceback.print_exception(type(error), error, frame)


def _is_ours(path: str) -> bool:
    return path.startswith((OWN_DIR, "<frozen runpy>")) or path == runpy.__file__
