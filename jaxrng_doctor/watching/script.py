"""Runs a script or a module as `python` would, and returns its exit code."""

from __future__ import annotations

import builtins
import concurrent.futures.thread
import contextlib
import importlib.machinery
import importlib.util
import os
import sys
import threading
import types
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxrng_doctor._util.paths import OWN_DIR
from jaxrng_doctor.model.errors import FirstFinding, UsageError

INTERRUPTED = 130  # as in a shell: 128 plus the number of SIGINT


def program(name: str, arguments: Sequence[str], *, is_module: bool) -> Callable[[], int]:
    """A function that runs the program and returns its exit code.

    Sets `sys.argv` and `sys.path` for the program. Raises `UsageError` if there is no such script;
    if there is no such module, the returned function raises it.
    """
    sys.argv = [name, *arguments]
    if is_module:
        _first_on_path(os.getcwd())
        return lambda: _exit_code(lambda: _run_module(name))
    path = Path(name)
    try:
        if path.is_dir() or zipfile.is_zipfile(path):
            return _folder(name)
        code = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read: {error.strerror}", "run: jaxrng-doctor run script.py"
        ) from error
    _first_on_path(str(path.resolve().parent))
    return lambda: _exit_code(lambda: _run_script(code, str(path.absolute())))


def _first_on_path(folder: str, *, holds_main: bool = False) -> None:
    if not sys.flags.safe_path:
        sys.path[0] = folder  # the first is that of jaxrng-doctor
    elif holds_main:
        sys.path.insert(0, folder)


def _folder(name: str) -> Callable[[], int]:
    """A function that runs a folder or zip file with a `__main__.py`, and returns its exit code."""
    spec = importlib.machinery.PathFinder.find_spec("__main__", [name])
    if spec is None:
        raise UsageError(f"{name} has no __main__.py", "run: jaxrng-doctor run script.py")
    _first_on_path(name, holds_main=True)
    return lambda: _exit_code(lambda: _run_spec(spec))


def _run_module(name: str) -> None:
    spec = importlib.util.find_spec(name)  # imports the parent packages
    if spec is not None and spec.submodule_search_locations is not None:
        _run_module(f"{name}.__main__")
    elif spec is None or spec.loader is None:
        raise _NoModule(name)
    else:
        sys.argv[0] = spec.origin or name
        _run_spec(spec)


class _NoModule(Exception):
    pass


def _run_spec(spec: importlib.machinery.ModuleSpec) -> None:
    code = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    _run(
        code,
        __file__=spec.origin,
        __cached__=spec.cached,
        __loader__=spec.loader,
        __package__=spec.parent,
        __spec__=spec,
    )


def _run_script(code: bytes, path: str) -> None:
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    # Without the `from __future__` imports of this file.
    compiled = compile(code, path, "exec", dont_inherit=True)
    _run(compiled, __file__=path, __cached__=None, __loader__=loader)


def _run(code: Any, **attributes: Any) -> None:
    """Run `code` as `__main__`.

    `runpy` would remove the module before the program's threads and exit handlers have run.
    """
    main = types.ModuleType("__main__")
    main.__dict__.update(attributes, __builtins__=builtins)
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    sys.modules["__main__"] = main
    exec(code, main.__dict__)


def _exit_code(run: Callable[[], object]) -> int:
    try:
        code = _ended(run)
        _wait_for_threads()
    except FirstFinding:
        return 0
    except KeyboardInterrupt as error:
        _print(error)
        return INTERRUPTED
    return code


def _ended(run: Callable[[], object]) -> int:
    try:
        run()
    except (FirstFinding, KeyboardInterrupt):
        raise
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return int(error.code or 0) & 0xFF
        with contextlib.suppress(Exception):  # the program may have closed it
            print(error.code, file=sys.stderr)
        return 1
    except _NoModule as error:
        raise UsageError(
            f"module not found: {error}", "run: jaxrng-doctor run -m package.module"
        ) from None
    except BaseException as error:
        _print(error)
        return 1
    return 0


def _wait_for_threads() -> None:
    """Wait for threads, as Python does before it exits: their draws are the program's, too."""
    finish_executors = getattr(concurrent.futures.thread, "_python_exit", None)
    if finish_executors is None:
        return  # the threads of executors would never end
    finish_executors()
    own = threading.current_thread()
    while others := [t for t in threading.enumerate() if t is not own and not t.daemon]:
        for thread in others:
            thread.join()


def _print(error: BaseException) -> None:
    """Print the traceback as without jaxrng-doctor, by the program's own hook if it has one."""
    frame = error.__traceback__
    while frame is not None and _is_ours(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    error.__traceback__ = frame
    try:
        sys.excepthook(type(error), error, frame)
    except Exception as failed:
        sys.__excepthook__(type(failed), failed, failed.__traceback__)


def _is_ours(path: str) -> bool:
    # The parent packages of a module are imported by Python's import system.
    return path.startswith((OWN_DIR, "<frozen ")) or path == importlib.util.__file__
