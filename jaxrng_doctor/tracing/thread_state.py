"""Records whether this thread keeps vmaps and loops, and the gaps that it finds meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from jaxrng_doctor.jax_internals.patches import receiving_faults
from jaxrng_doctor.model.findings import Gap


@dataclass
class Keeping:
    """The gaps that are found while vmaps and loops are kept."""

    gaps: list[Gap] = field(default_factory=list)


_state = threading.local()


def current() -> Keeping | None:
    """The notes of this thread, `None` if it does not keep vmaps and loops."""
    keeping: Keeping | None = getattr(_state, "keeping", None)
    return keeping


@contextlib.contextmanager
def noting() -> Iterator[Keeping]:
    """While open, keep vmaps and loops in this thread; failures of hooks are added to the gaps."""
    notes = Keeping()
    with _as_current(notes), receiving_faults(lambda message: notes.gaps.append(Gap(message))):
        yield notes


@contextlib.contextmanager
def ordinary() -> Iterator[None]:
    """While open, do not keep vmaps and loops in this thread, even inside `noting()`."""
    with _as_current(None):
        yield


@contextlib.contextmanager
def _as_current(keeping: Keeping | None) -> Iterator[Keeping | None]:
    previous = current()
    _state.keeping = keeping
    try:
        yield keeping
    finally:
        _state.keeping = previous
