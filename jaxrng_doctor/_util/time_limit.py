"""Time limits for calls that cannot be interrupted.

XLA cannot be stopped from Python. So the call runs in a daemon thread that is abandoned on
timeout; the process must exit without waiting for it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

THREAD_NAME = "jaxrng-run"


def is_left_running() -> bool:
    """Whether an abandoned call is still running. Only ending the process stops it."""
    return any(thread.name == THREAD_NAME for thread in threading.enumerate())


def is_ours() -> bool:
    """Whether this thread belongs to a call of `within`, possibly an abandoned one."""
    return threading.current_thread().name == THREAD_NAME


class OutOfTime(Exception):
    """The call exceeded its time limit."""


def within(seconds: float | None, call: Callable[[], T]) -> T:
    """`call()`. Raises `OutOfTime` after `seconds`; `None` means no limit."""
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
