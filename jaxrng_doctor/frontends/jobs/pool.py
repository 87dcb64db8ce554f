"""The workers of one command, and their messages.

A worker that exceeds its time limit or dies is removed, which is a message (`Lost`), too.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from queue import Empty
from types import FrameType, TracebackType
from typing import Any, Self

from jaxrng_doctor.frontends.jobs.messages import Begun, Examine, Task
from jaxrng_doctor.frontends.jobs.worker_process import Events, Process

LEAVE = 5.0
"""Seconds that a worker has to exit by itself."""

HEARTBEAT = 1.0
"""Seconds between checks of silent workers: their death is invisible while a child lives."""


@dataclass(eq=False)
class Worker:
    """One worker and its state. `deadline` is in the time of `time.monotonic`."""

    process: Process
    ready: bool = False
    task: Task | None = None
    begun: Begun | None = None
    deadline: float = math.inf
    texts: set[str] = field(default_factory=set)
    examined: int = 0

    def clean_for(self, task: Task) -> bool:
        """Whether the worker has run no code except possibly imports for the text of `task`."""
        return not self.examined and self.texts <= {task.text}

    def give(self, task: Task) -> None:
        """Send it `task`."""
        self.task = task
        self.process.send(task)

    def rest(self) -> None:
        """Record that its task was answered."""
        assert self.task is not None
        self.texts.add(self.task.text)
        self.examined += isinstance(self.task, Examine)
        self.task, self.begun, self.deadline = None, None, math.inf


@dataclass(frozen=True)
class Lost:
    """The worker is gone: it exceeded its time limit, or `how` says how it ended."""

    how: str = ""
    crash: str = ""

    @property
    def out_of_time(self) -> bool:
        return not self.how


class WorkerPool:
    """The workers, as a context manager. On exit, no worker and no child of one is left.

    The first worker starts on entry at the latest, to import JAX while the caller sets up.
    """

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._events = Events()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                # Keep ignoring signals that are ignored, as under nohup.
                if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                    self._handlers[number] = signal.signal(number, self._terminated)
        if not self.workers:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.process.send(None)
        self.dismiss(LEAVE if kind is None else 0.0)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self) -> Worker:
        """Start one more worker."""
        worker = Worker(Process(self._events))
        self.workers.append(worker)
        return worker

    def drop(self, worker: Worker) -> None:
        """Stop a worker and everything it has started."""
        self.workers.remove(worker)
        worker.process.end()

    def dismiss(self, patience: float = 0.0) -> None:
        """Stop all workers. Those that were sent `None` get `patience` seconds to exit."""
        for worker in self.workers:
            worker.process.end(patience)
        self.workers.clear()

    def messages(self) -> list[tuple[Worker, Any]]:
        """New messages; waits briefly if there are none.

        Workers with a `Lost` message are already removed.
        """
        new: list[tuple[Worker, Any]] = []
        now = time.monotonic()
        wait = min([HEARTBEAT, *(worker.deadline - now for worker in self.workers)])
        try:
            process, message = self._events.get(timeout=max(0.0, wait))
        except Empty:
            dead = [worker for worker in self.workers if not worker.process.alive()]
        else:
            by = [worker for worker in self.workers if worker.process is process]
            dead = by if message is None else []
            new += [(worker, message) for worker in by if message is not None]
        for worker in dead:
            worker.process.end(LEAVE)
            self.workers.remove(worker)
            new.append((worker, Lost(worker.process.how_it_ended(), worker.process.crash())))
        for worker in [w for w in self.workers if w.deadline <= time.monotonic() and not new]:
            self.drop(worker)
            new.append((worker, Lost()))
        return new

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        """Stop the workers, then let the signal end this process."""
        self.dismiss()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
