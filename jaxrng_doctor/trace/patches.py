"""Replacing a function of somebody else's for a while, whoever else does so at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType


class Patch:
    """A replacement that is in place while at least one `with` block is open, in any thread.

    `install` puts it in place and returns what takes it out again. The replacement
    itself has to see from which thread it is called.
    """

    def __init__(self, install: Callable[[], Callable[[], None]]) -> None:
        self._install = install
        self._lock = threading.Lock()
        self._open = 0
        self._remove: Callable[[], None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._open == 0:
                self._remove = self._install()
            self._open += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0 and self._remove is not None:
                self._remove()


def attribute(owner: object, name: str, make: Callable[[object], object]) -> Patch:
    """A patch of `owner.name`; `make` gets the original and returns the replacement."""

    def install() -> Callable[[], None]:
        own = name in vars(owner)
        original = getattr(owner, name)
        setattr(owner, name, make(original))
        return lambda: setattr(owner, name, original) if own else delattr(owner, name)

    return Patch(install)


def together(*patches: Patch) -> Patch:
    """Several as one."""

    def install() -> Callable[[], None]:
        stack = contextlib.ExitStack()
        for patch in patches:
            stack.enter_context(patch)
        return stack.close

    return Patch(install)
