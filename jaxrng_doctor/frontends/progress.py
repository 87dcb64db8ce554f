"""Progress on stderr, for stages that take longer than a second."""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE = 1.0
"""Seconds before a stage is shown."""


class Progress:
    """Shows the current stage of one or several parallel lanes. Used as a context manager.

    On a terminal, a transient line shows the latest stage and the number of finished targets;
    elsewhere, each slow stage prints one line. With `quiet`, nothing is shown.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
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
        """Start the stage `text`, such as `"tracing add_noise"`, and end the lane's last one."""
        if self._quiet:
            return
        with self._lock:
            self._text = text
            if self._moves:
                if self._bar is not None:
                    self._update()
                elif not self._timers:  # one timer: the bar also covers many short stages
                    self._wait(None, text)
                return
            self._stop(lane)
            self._wait(lane, text)

    def total(self, targets: int) -> None:
        """Set the number of targets to check."""
        with self._lock:
            self._total = targets
            self._update()

    def done(self) -> None:
        """Count one more finished target."""
        with self._lock:
            self._done += 1
            self._update()

    def idle(self, lane: object = None) -> None:
        """End the lane's current stage without starting another."""
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
                return  # the stage ended while this thread waited for the lock
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
        # No markup: the text contains the user's names.
        stage = TextColumn("{task.description}", markup=False)
        self._bar.columns = (SpinnerColumn(), *many, stage)
        self._bar.update(
            self._bar.task_ids[0],
            description=self._text,
            completed=self._done,
            total=self._total,
        )
