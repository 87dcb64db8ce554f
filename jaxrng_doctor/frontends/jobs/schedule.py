"""Distributes targets over workers and collects their reports.

Each worker checks many targets, which share its imports. A worker that crashes or hangs is
replaced, and its current target is reported as a failure.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from jaxrng_doctor._util.tracebacks import of_a_crash
from jaxrng_doctor.frontends.jobs.messages import (
    Answer,
    Answered,
    Begun,
    Done,
    Examine,
    Find,
    Found,
    Misused,
    Plan,
    Ready,
    Task,
)
from jaxrng_doctor.frontends.jobs.pool import Lost, Worker, WorkerPool
from jaxrng_doctor.frontends.progress import Progress
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.findings import Failure, Stage
from jaxrng_doctor.model.report import TargetReport

GRACE = 10.0
"""Extra seconds after the time limit of a run, in which the worker can time out and report."""


class Examination:
    """Checks targets with a pool of up to `jobs` workers."""

    def __init__(self, pool: WorkerPool, jobs: int, plan: Plan, progress: Progress) -> None:
        self.jax_version = "unknown"
        self._pool = pool
        self._jobs = jobs
        self._plan = plan
        self._progress = progress
        self._suspects: set[Task] = set()
        self._no_start: Lost | None = None
        for worker in pool.workers:
            worker.process.send(plan)

    def reports(self, texts: Sequence[str]) -> tuple[TargetReport, ...]:
        """The reports of all targets that `texts` name, sorted by name.

        Raises the `UsageError` of the first of the sorted texts that has one, before any target
        is checked.
        """
        reports: list[TargetReport] = []
        tasks: list[Task] = []
        names: set[str] = set()
        for text, answer in self._find(sorted(set(texts))):
            if isinstance(answer, Done):
                reports.append(answer.report)
                continue
            # Examples of one text may share a name, but equal names from two texts are one target.
            named = enumerate(answer.names)
            tasks += [Examine(text, n, name) for n, name in named if name not in names]
            names.update(answer.names)
        self._progress.total(len(tasks))
        answers = dict(self._answers(tasks))
        for task in tasks:
            done = _used(answers[task])
            assert isinstance(done, Done)
            reports.append(done.report)
        return tuple(sorted(reports, key=lambda report: _in_order(report.target)))

    def _find(self, texts: Sequence[str]) -> list[tuple[str, Found | Done]]:
        answers: dict[str, Answer] = {}
        checked: list[tuple[str, Found | Done]] = []
        for task, answer in self._answers([Find(text) for text in texts]):
            answers[task.text] = answer
            while len(checked) < len(texts) and (text := texts[len(checked)]) in answers:
                checked.append((text, _used(answers[text])))
        return checked

    def _answers(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Answer]]:
        """Each task with its answer, in order of completion."""
        waiting = list(tasks)
        while waiting or any(worker.task for worker in self._pool.workers):
            if self._no_start is not None:
                yield from ((task, self._failed(task, None, self._no_start)) for task in waiting)
                waiting.clear()
            self._hand_out(waiting)
            for worker, message in self._pool.messages():
                task = worker.task
                if not isinstance(message, Begun):
                    self._progress.idle(worker)
                if isinstance(message, Ready | Begun):
                    self._heard(worker, message)
                elif task is None:
                    continue  # something that an earlier target left running killed the worker
                elif isinstance(message, Answered):
                    # Ignore answers to other tasks, which a forked child may have sent.
                    if message.task == task:
                        self._rest(worker, message.answer)
                        yield task, message.answer
                elif not worker.ready:
                    self._no_start = message
                    waiting.insert(0, task)
                elif message.out_of_time or worker.clean_for(task):
                    yield task, self._failed(task, worker.begun, message)
                else:
                    # An earlier target may be the cause: retry in a clean worker.
                    self._suspects.add(task)
                    waiting.insert(0, task)

    def _hand_out(self, waiting: list[Task]) -> None:
        """Give each idle worker a task, and start new workers for the remaining tasks."""
        workers = self._pool.workers
        for worker in workers:
            if worker.task is None:
                self._give(worker, waiting)
        while waiting:
            if len(workers) >= self._jobs:
                idle = [worker for worker in workers if worker.task is None]
                if not idle:
                    return
                self._pool.drop(idle[0])
            worker = self._pool.start()
            worker.process.send(self._plan)
            self._give(worker, waiting)

    def _give(self, worker: Worker, waiting: list[Task]) -> None:
        """Give the worker a task, preferably for a text it has imported, and no other has."""
        fit = [t for t in waiting if t not in self._suspects or worker.clean_for(t)]
        if not fit:
            return
        others = {text for w in self._pool.workers if w is not worker for text in w.texts}
        task = min(fit, key=lambda t: (t.text not in worker.texts, t.text in others))
        waiting.remove(task)
        worker.give(task)

    def _heard(self, worker: Worker, message: Ready | Begun) -> None:
        if isinstance(message, Ready):
            worker.ready, self.jax_version = True, message.jax_version
            return
        limit = message.limit + (GRACE if message.stage == "run" else 0.0)
        worker.begun, worker.deadline = message, time.monotonic() + limit
        self._progress.stage(message.text, worker)

    def _rest(self, worker: Worker, answer: Answer) -> None:
        if isinstance(worker.task, Examine):
            self._progress.done()
        worker.rest()
        if isinstance(answer, Done) and answer.worn:
            self._pool.drop(worker)

    def _failed(self, task: Task, begun: Begun | None, lost: Lost) -> Done:
        importing = begun is None or begun.stage == "import"
        name = task.name if isinstance(task, Examine) else task.text
        if begun is not None and lost.out_of_time:
            message = (
                f"{begun.text} timed out after {begun.limit:g} s (raise the limit with --timeout)"
            )
        else:
            message = f"{f'importing {task.text}' if importing else name} {lost.how}"
        stage: Stage = "import" if begun is None else begun.stage
        return Done(TargetReport(name, failure=Failure(stage, message, of_a_crash(lost.crash))))


def _used(answer: Answer) -> Found | Done:
    if isinstance(answer, Misused):
        raise UsageError(answer.message, answer.hint)
    return answer


def _in_order(name: str) -> list[Any]:
    """Sort key: `f[2]` comes before `f[10]`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]
