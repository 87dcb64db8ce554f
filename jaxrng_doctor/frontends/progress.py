"""What is being done, for those who wait: in come the names of stages, out goes a line on stderr.

Nothing is said of what lasts less than a second.
"""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE = 1.0
"""Seconds before a wait is worth a word."""


class Progress:
    """A context in which `stage` names what goes on, in one lane or in several at a time.

    On a terminal there is a line that tells of the latest stage, and of how many targets are
    done, and that vanishes at the end; elsewhere each slow stage leaves one plain line.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timers: dict[object, threading.Timer] = {}
        self._bar: Bar | None = None
        self._text = ""
        self._done, self._total = 0, 1
        dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
        self._moves = sys.stderr.isatty() and not dumb

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        with self._lock:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def stage(self, text: str, lane: object = None) -> None:
        """Say that `text`, such as `"tracing add_noise"`, begins now, and ends the lane's last."""
        with self._lock:
            self._text = text
            if self._moves:
                if self._bar is not None:
                    self._update()
                elif not self._timers:  # One wait for all: a bar is for many short stages too.
                    self._wait(None, text)
                return
            self._stop(lane)
            self._wait(lane, text)

    def total(self, targets: int) -> None:
        """So many targets are to be examined in all."""
        with self._lock:
            self._total = targets
            self._update()

    def done(self) -> None:
        """One more target is done."""
        with self._lock:
            self._done += 1
            self._update()

    def idle(self, lane: object = None) -> None:
        """The lane's last stage has ended, and none has begun."""
        with self._lock:
            if not self._moves:
                self._stop(lane)

    def _wait(self, lane: object, text: str) -> None:
        timer = threading.Timer(PATIENCE, self._show, [lane, text])
        timer.daemon = True
        self._timers[lane] = timer
        timer.start()

    def _stop(self, lane: object) -> None:
        if lane in self._timers:
            self._timers.pop(lane).cancel()

    def _show(self, lane: object, text: str) -> None:
        with self._lock:
            if threading.current_thread() is not self._timers.get(lane):
                return  # The stage ended while this thread waited for the lock.
            if not self._moves:
                print(f"jaxrng-doctor: {text}…", file=sys.stderr, flush=True)
                return
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.add_task("")
            self._update()
            self._bar.start()

    def _update(self) -> None:
        if self._bar is None:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn

        many = [BarColumn(bar_width=30), MofNCompleteColumn()] if self._total > 1 else []
        # No markup: what is told has the user's own names in it.
        told = TextColumn("{task.description}", markup=False)
        self._bar.columns = (SpinnerColumn(), *many, told)
        self._bar.update(
            self._bar.task_ids[0],
            description=self._text,
            completed=self._done,
            total=self._total,
        )
