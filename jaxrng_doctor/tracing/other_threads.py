"""Decides whether another thread might draw numbers while this one traces a function."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import sysconfig
import threading
from types import FrameType

from jaxrng_doctor.tracing.places import is_machinery

_STDLIB = os.path.join(os.path.abspath(sysconfig.get_paths()["stdlib"]), "")

# Packages whose threads carry messages and run none of the program's code: those of notebooks,
# debuggers, progress bars and test runners.
_SERVING = frozenset(
    {"IPython", "debugpy", "execnet", "ipykernel", "jupyter_client", "tornado", "tqdm", "zmq"}
)
_SERVING_FILES = tuple(
    os.path.join(_STDLIB, *path)
    for path in (("logging", "handlers.py"), ("multiprocessing", "queues.py"))
)


class Others:
    """Decides whether another thread of this process may have drawn since this was made.

    Threads that serve a notebook or a test runner do not count. Those of JAX and jaxrng-doctor
    only count while they run callbacks of compiled functions. A thread that has not run since has
    not drawn; if the system does not report that (Linux does), each thread may have drawn.
    """

    def __init__(self) -> None:
        self._began = _running()

    def may_have_drawn(self) -> bool:
        now = _running()
        return now != self._began or None in now.values()


def _running() -> dict[int, str | None]:
    """Each other thread that may draw, with its `_sleep_of`."""
    own = threading.get_ident()
    found = {ident: None for ident, frame in _frames().items() if ident != own and _may_draw(frame)}
    threads = {thread.ident: thread.native_id for thread in threading.enumerate()} if found else {}
    return {ident: _sleep_of(threads.get(ident)) for ident in found}


def _frames() -> dict[int, FrameType]:
    """The current frame of each thread.

    Python holds a lock meanwhile, for which the deletion of a `threading.local` waits too. So
    garbage must not be collected during the call (seen on 3.11.7, where it hung).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if was_on:
            gc.enable()


def _sleep_of(native: int | None) -> str | None:
    """How often a thread that sleeps now has gone to sleep: unchanged if it has not run since.

    `None` if it does not sleep, or if this is unknown.
    """
    # Python's clock for threads crashes if the thread has ended; this file is just missing then.
    path = f"/proc/self/task/{native}/status"
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        reported = dict(line.split(":", 1) for line in file if ":" in line)
        if reported.get("State", "").split()[:1] == ["S"]:
            return reported.get("voluntary_ctxt_switches")
    return None


def _may_draw(frame: FrameType) -> bool:
    stack: list[str] = []
    here: FrameType | None = frame
    while here is not None:
        stack.append(here.f_code.co_filename)
        here = here.f_back
    # Outermost first, without the frames that start every thread.
    entered = [path for path in reversed(stack) if path != threading.__file__]
    if not entered:
        return False
    if is_machinery(entered[0]):
        return any(not is_machinery(path) and not path.startswith(_STDLIB) for path in entered)
    return not entered[0].startswith(_SERVING_FILES) and _SERVING.isdisjoint(_folders(entered[0]))


def _folders(path: str) -> list[str]:
    return os.path.normpath(path).split(os.sep)
