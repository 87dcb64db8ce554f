"""The messages between the parent process and a worker: pickled plain data.

The parent sends a `Plan`, then `Find` and `Examine` tasks one at a time. The worker sends `Ready`
once, a `Begun` for each stage, and for each task an `Answered` with a `Found`, `Misused` or
`Done`. Commands import this module first, so it imports very little itself.
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
    """How the targets of one command are found and checked.

    Paths in target names are relative to `folder`.
    """

    flags: Flags
    folder: Path
    settings: TargetSettings
    detail: bool = False


@dataclass(frozen=True)
class Find:
    """Import the module or file in `text`, and list its targets."""

    text: str


@dataclass(frozen=True)
class Examine:
    """Check target number `number` of those in `text`; `name` is the target's name."""

    text: str
    number: int
    name: str


@dataclass(frozen=True)
class Ready:
    """The worker has imported JAX."""

    jax_version: str


@dataclass(frozen=True)
class Begun:
    """A stage began, such as `"tracing noise.py:f"`, and may take `limit` seconds."""

    stage: Stage
    text: str
    limit: float


@dataclass(frozen=True)
class Found:
    """The names of the targets, in the order of their module."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Misused:
    """The two parts of a `UsageError`."""

    message: str
    hint: str


@dataclass(frozen=True)
class Done:
    """The result. `worn`: a thread of the target keeps running in the worker."""

    report: TargetReport
    worn: bool = False


Task = Find | Examine
Answer = Found | Misused | Done


@dataclass(frozen=True)
class Answered:
    """An answer and its task."""

    task: Task
    answer: Answer


def send(stream: IO[bytes], message: object) -> None:
    """Write one message. If it cannot be pickled, raises before writing anything."""
    stream.write(pickle.dumps(message))
    stream.flush()


def received(stream: IO[bytes]) -> Iterator[Any]:
    """The messages, until the other side closes the stream or dies while sending one."""
    while True:
        try:
            yield pickle.load(stream)
        except (EOFError, OSError, pickle.UnpicklingError):
            return
