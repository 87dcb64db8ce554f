"""Whether this thread keeps vmaps and loops visible, and what it noticed meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from jaxrng_doctor.jax_internals.patches import receiving_faults
from jaxrng_doctor.model.findings import Gap


@dataclass
class Keeping:
    """What was noticed while vmaps and loops were kept."""

    gaps: list[Gap] = field(default_factory=list)


_state = threading.local()


def current() -> Keeping | None:
    """What this thread notes, `None` if it keeps nothing."""
    keeping: Keeping | None = getattr(_state, "keeping", None)
    return keeping


@contextlib.contextmanager
def noting() -> Iterator[Keeping]:
    """Keep, in this thread, until the context closes."""
    notes = Keeping()
    with _as_current(notes), receiving_faults(lambda message: notes.gaps.append(Gap(message))):
        yield notes


@contextlib.contextmanager
def ordinary() -> Iterator[None]:
    """Let vmaps and loops of this thread be what they always are, also inside `noting()`."""
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
