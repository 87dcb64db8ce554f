"""What else runs: whether another thread might draw numbers while this one traces a function."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from types import FrameType

from jaxrng_doctor.trace.places import is_machinery

_STDLIB = os.path.join(os.path.abspath(sysconfig.get_paths()["stdlib"]), "")

# Whose threads carry messages, and run nothing of the program's: those that come with a notebook,
# a debugger, a progress bar or a test runner.
_SERVING = frozenset(
    {"IPython", "debugpy", "execnet", "ipykernel", "jupyter_client", "tornado", "tqdm", "zmq"}
)
_SERVING_FILES = tuple(
    os.path.join(_STDLIB, *path)
    for path in (("logging", "handlers.py"), ("multiprocessing", "queues.py"))
)


def others_may_draw() -> bool:
    """Another thread of this process is running what could be anything.

    What serves a notebook or a test runner does not count, nor what JAX and the doctor run. The
    callbacks of compiled functions do, while they run.
    """
    own = threading.get_ident()
    # A copy: a thread may end meanwhile.
    others = [frame for ident, frame in sys._current_frames().items() if ident != own]
    return any(map(_may_draw, others))


def _may_draw(frame: FrameType) -> bool:
    stack: list[str] = []
    here: FrameType | None = frame
    while here is not None:
        stack.append(here.f_code.co_filename)
        here = here.f_back
    # Outermost first, without what starts every thread.
    entered = [path for path in reversed(stack) if path != threading.__file__]
    if not entered:
        return False
    if is_machinery(entered[0]):
        return any(not is_machinery(path) and not path.startswith(_STDLIB) for path in entered)
    return not entered[0].startswith(_SERVING_FILES) and _SERVING.isdisjoint(_folders(entered[0]))


def _folders(path: str) -> list[str]:
    return os.path.normpath(path).split(os.sep)
