"""The workers of one command: in come tasks for them, out come what they say and how they end.

A worker that says nothing for too long, or dies, is taken out, and that is told as a message too.
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
"""Seconds that a worker gets to end by itself."""

HEARTBEAT = 1.0
"""Seconds after which a silent worker is looked at: children that live on can hide its death."""


@dataclass(eq=False)
class Worker:
    """One worker, and what is known of it. `deadline` is on the clock of `time.monotonic`."""

    process: Process
    ready: bool = False
    task: Task | None = None
    begun: Begun | None = None
    deadline: float = math.inf
    texts: set[str] = field(default_factory=set)
    examined: int = 0

    def clean_for(self, task: Task) -> bool:
        """Whether nothing but the very text of `task` can have left anything behind in it."""
        return not self.examined and self.texts <= {task.text}

    def give(self, task: Task) -> None:
        """Let it do `task`, once it is ready."""
        self.task = task
        self.process.send(task)

    def rest(self) -> None:
        """Its task has been answered."""
        assert self.task is not None
        self.texts.add(self.task.text)
        self.examined += isinstance(self.task, Examine)
        self.task, self.begun, self.deadline = None, None, math.inf


@dataclass(frozen=True)
class Lost:
    """The worker is no more: it was out of time, or else `how` says what it did."""

    how: str = ""
    crash: str = ""

    @property
    def out_of_time(self) -> bool:
        return not self.how


class Crew:
    """As a context: however it ends, no worker is left, nor anything that one has started.

    The first worker starts at once, if not before, and imports JAX while its user gets ready.
    """

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._events = Events()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                # Under nohup, for one, the signal is ignored, and is to stay so.
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
        """One worker more."""
        worker = Worker(Process(self._events))
        self.workers.append(worker)
        return worker

    def drop(self, worker: Worker) -> None:
        """One worker less, with all that it does."""
        self.workers.remove(worker)
        worker.process.end()

    def dismiss(self, patience: float = 0.0) -> None:
        """End all workers; those that were sent `None` get so many seconds to end by themselves."""
        for worker in self.workers:
            worker.process.end(patience)
        self.workers.clear()

    def messages(self) -> list[tuple[Worker, Any]]:
        """What has been said since; waits for a moment if there is nothing.

        Those of whom `Lost` is said are dropped already.
        """
        said: list[tuple[Worker, Any]] = []
        now = time.monotonic()
        wait = min([HEARTBEAT, *(worker.deadline - now for worker in self.workers)])
        try:
            process, message = self._events.get(timeout=max(0.0, wait))
        except Empty:
            dead = [worker for worker in self.workers if not worker.process.alive()]
        else:
            by = [worker for worker in self.workers if worker.process is process]
            dead = by if message is None else []
            said += [(worker, message) for worker in by if message is not None]
        for worker in dead:
            worker.process.end(LEAVE)
            self.workers.remove(worker)
            said.append((worker, Lost(worker.process.how_it_ended(), worker.process.crash())))
        for worker in [w for w in self.workers if w.deadline <= time.monotonic() and not said]:
            self.drop(worker)
            said.append((worker, Lost()))
        return said

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        """End as the signal asks, but not before the workers."""
        self.dismiss()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
