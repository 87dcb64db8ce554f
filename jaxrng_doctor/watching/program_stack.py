"""The relevant frames of the running stack: where the program is."""

from __future__ import annotations

import itertools
import sys
from typing import Any

from jaxrng_doctor.jax_internals import stacks
from jaxrng_doctor.jax_internals.equations import Frame
from jaxrng_doctor.jax_internals.files import is_sampler_file
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing.places import is_machinery, is_users, python_stack, users_place


def way_here(*, whole: bool = False) -> tuple[Frame, ...]:
    """The frames that led here, innermost first, without those of JAX and jaxrng-doctor.

    Unless `whole`, only the innermost frame if it is the user's; all if it is a library's.
    """
    found: list[Frame] = []
    for frame in python_stack():
        if not is_machinery(frame.code.co_filename):
            found.append(frame)
            if not whole and is_users(found[0].code.co_filename):
                break
    return tuple(found)


def place_here() -> Place | None:
    """The user's line that led here; `None` if there is none."""
    return users_place(way_here())


class Ways:
    """The stacks of a program's calls. Each is kept once: a loop repeats the same ones."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Frame, ...]] = {}

    def here(self, *, whole: bool = False) -> tuple[Frame, ...]:
        """The running stack, see `way_here`."""
        # Known stacks are found without making their frames: a draw should not wait for this.
        known: list[int] = []
        frame = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            if not is_machinery(code.co_filename):
                known += (id(code), frame.f_lasti)
                if not whole and len(known) == 2 and is_users(code.co_filename):
                    break
            frame = frame.f_back  # type: ignore[assignment]
        key = tuple(known)
        if key not in self._known:
            self._known[key] = way_here(whole=whole)
        return self._known[key]


def asks_for_shapes() -> bool:
    """Whether `jax.eval_shape` is tracing a function: nothing is drawn."""
    stack = itertools.takewhile(lambda f: is_machinery(f.code.co_filename), python_stack())
    return any(frame.code.co_name in stacks.SHAPE_CALLS for frame in stack)


def outermost_sampler() -> Any:
    """The running frame of the `jax.random` function that the user called, if any."""
    frame, found = sys._getframe(1), None
    while frame is not None and not is_users(frame.f_code.co_filename):
        if is_sampler_file(frame.f_code.co_filename):
            found = frame
        frame = frame.f_back  # type: ignore[assignment]
    return found
