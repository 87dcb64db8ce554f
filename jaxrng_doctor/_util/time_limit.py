"""A time limit around a call that nothing can interrupt.

XLA cannot be stopped from Python, so the call runs in a daemon thread that is left
to itself when its time is up; whoever ends the process must not wait for it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

THREAD_NAME = "jaxrng-run"


def is_left_running() -> bool:
    """A call that was given up still runs, and nothing but the end of the process stops it."""
    return any(thread.name == THREAD_NAME for thread in threading.enumerate())


def is_ours() -> bool:
    """This thread does what `within` was asked to do, perhaps long after it was given up."""
    return threading.current_thread().name == THREAD_NAME


class OutOfTime(Exception):
    """The call did not end within its limit."""


def within(seconds: float | None, call: Callable[[], T]) -> T:
    """`call()`, given up after `seconds` with `OutOfTime`; no limit for `None`."""
    if seconds is None:
        return call()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name=THREAD_NAME, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise OutOfTime
    if errors:
        raise errors[0]
    return results[0]
