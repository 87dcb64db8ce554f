"""Reports gaps for the processes that a watched program starts, whose draws are not seen.

A forked process has a copy of the hooks, and signals to its parent that it draws. A process that is
started in another way has no hooks.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from typing import Any

from jaxrng_doctor._util.tracebacks import unseen
from jaxrng_doctor.jax_internals.patches import attribute, harmless
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.watching.compiled_function import may_use_keys
from jaxrng_doctor.watching.program_stack import place_here

_MANAGERS = "multiprocessing.managers"
"""The module of the processes that hold objects for others, and run no code of the user."""

_watched: list[tuple[list[Any], mmap.mmap]] = []


@contextlib.contextmanager
def other_processes(
    gap: Callable[[str, Place | None], None], listeners: list[Any]
) -> Iterator[None]:
    """While open, call `gap(message, place)` for processes that are not followed.

    `listeners`: those of this process. In a process that it forks, one is added.
    """
    drew = mmap.mmap(-1, 1)  # shared with forked processes

    def starting(original: Any) -> Callable[..., Any]:
        def start(process: Any, *args: Any, **kwargs: Any) -> Any:
            with unseen:
                with harmless("watching processes"):  # after the start it has no target
                    if _is_afresh(process):
                        gap("a process that is started here was not followed", place_here())
                return original(process, *args, **kwargs)

        return start

    watched = (listeners, drew)
    _watched.append(watched)
    try:
        with attribute(BaseProcess, "start", starting):
            yield
    finally:
        _watched.remove(watched)
        if drew[0]:
            gap("a process that the program forked off draws, and was not followed", None)


def _is_afresh(process: Any) -> bool:
    method = getattr(process, "_start_method", None) or multiprocessing.get_start_method()
    home = getattr(getattr(process, "_target", None), "__module__", None)
    return method != "fork" and home != _MANAGERS


def _forked() -> None:
    for listeners, drew in _watched:
        listeners.insert(0, _ForkListener(drew))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _ForkListener:
    """A listener in a forked process, which only signals to its parent that it draws."""

    def __init__(self, drew: mmap.mmap) -> None:
        self._drew = drew

    def _tell(self, *_: Any) -> None:
        self._drew[0] = 1

    used = looped = looped_within = transformed = drew_while_tracing = _tell

    def jitted(self, call: Any, _: Any) -> None:
        if may_use_keys(call):
            self._tell()

    jitted_within = jitted

    def _ignore(self, *_: Any) -> None:
        """Ignore what is not a draw."""

    returned = missed = gap = cloned = _ignore
