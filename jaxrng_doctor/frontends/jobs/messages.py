"""What travels between the doctor and a worker: plain data, pickled, one message after another.

A `Plan` goes to the worker first, then `Find` and `Examine`, one at a time. `Ready` comes back
once, a `Begun` for each stage, and at the end of each task an `Answered` with its answer: `Found`,
`Misused` or `Done`. This module is the first that a command imports, and so imports next to
nothing.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxrng_doctor.checking.targets.resolve import Flags
    from jaxrng_doctor.config.per_target import TargetSettings
    from jaxrng_doctor.model.findings import Stage
    from jaxrng_doctor.model.report import TargetReport


@dataclass(frozen=True)
class Plan:
    """How the targets of one command are found and examined.

    Paths in the names of targets are relative to `folder`.
    """

    flags: Flags
    folder: Path
    settings: TargetSettings
    detail: bool = False


@dataclass(frozen=True)
class Find:
    """Import what `text` names, and say which targets there are."""

    text: str


@dataclass(frozen=True)
class Examine:
    """Examine target number `number` of those that `text` names; `name` is its own."""

    text: str
    number: int
    name: str


@dataclass(frozen=True)
class Ready:
    """The worker has imported JAX."""

    jax_version: str


@dataclass(frozen=True)
class Begun:
    """The worker does what `told` says, such as `"tracing noise.py:f"`, in `limit` seconds."""

    stage: Stage
    told: str
    limit: float


@dataclass(frozen=True)
class Found:
    """The names of the targets, in the order in which their module has them."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Misused:
    """A `UsageError`, in its two parts."""

    message: str
    hint: str


@dataclass(frozen=True)
class Done:
    """What was found out. `worn`: something of the target's still runs in the worker, for good."""

    report: TargetReport
    worn: bool = False


Task = Find | Examine
Answer = Found | Misused | Done


@dataclass(frozen=True)
class Answered:
    """An answer, and the task that it is for."""

    task: Task
    answer: Answer


def send(stream: IO[bytes], message: object) -> None:
    """Write one message. What cannot be pickled raises before a byte of it is written."""
    stream.write(pickle.dumps(message))
    stream.flush()


def received(stream: IO[bytes]) -> Iterator[Any]:
    """The messages, until the other side closes the stream, or dies in the midst of one."""
    while True:
        try:
            yield pickle.load(stream)
        except (EOFError, OSError, pickle.UnpicklingError):
            return
