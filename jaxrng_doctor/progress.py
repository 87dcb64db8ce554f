"""What is being done, for those who wait: in come the names of stages, out goes a line on stderr.

Nothing is said of a stage that lasts less than a second.
"""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.status import Status

PATIENCE = 1.0
"""Seconds before a stage is worth a word."""


class Progress:
    """A context in which `stage` names what goes on.

    On a terminal a spinner shows it and vanishes at the end; elsewhere each slow
    stage leaves one plain line.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._status: Status | None = None
        dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
        self._spins = sys.stderr.isatty() and not dumb

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        with self._lock:
            self._stop_timer()
            if self._status is not None:
                self._status.stop()
                self._status = None

    def stage(self, text: str) -> None:
        """Say that `text`, such as `"tracing add_noise"`, begins now."""
        with self._lock:
            self._stop_timer()
            if self._status is not None:
                self._status.update(text)
                return
            self._timer = threading.Timer(PATIENCE, self._show, [text])
            self._timer.daemon = True
            self._timer.start()

    def _show(self, text: str) -> None:
        with self._lock:
            if threading.current_thread() is not self._timer:
                return  # The stage ended while this thread waited for the lock.
            if not self._spins:
                print(f"jaxrng-doctor: {text}…", file=sys.stderr, flush=True)
                return
            from rich.console import Console

            self._status = Console(stderr=True).status(text)
            self._status.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
