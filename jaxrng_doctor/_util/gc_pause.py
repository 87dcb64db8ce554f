"""When Python looks for garbage: in comes a piece of work, which it is left alone for."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage meanwhile.

    For work that makes very many objects and keeps them all: Python would look through these,
    and through all of JAX's, again and again, which takes longer than to make them.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
