"""Where the program is: the frames of the running stack that matter."""

from __future__ import annotations

import itertools
import sys
from typing import Any

from jaxrng_doctor.jax_internals import stacks
from jaxrng_doctor.jax_internals.equations import Frame
from jaxrng_doctor.jax_internals.files import is_sampler_file
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing.places import is_machinery, is_users, python_stack, users_place


def way_here() -> tuple[Frame, ...]:
    """The way here, innermost first: the user's frame, or where a library came here, all of it."""
    found: list[Frame] = []
    for frame in python_stack():
        if not is_machinery(frame.code.co_filename):
            found.append(frame)
            if is_users(found[0].code.co_filename):
                break
    return tuple(found)


def place_here() -> Place | None:
    """The user's line that led here."""
    return users_place(way_here())


class Ways:
    """The ways to what a program does, each kept once: in a loop they are the same ones."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Frame, ...]] = {}

    def here(self) -> tuple[Frame, ...]:
        way = way_here()
        return self._known.setdefault(tuple((id(f.code), f.lasti) for f in way), way)


def asks_for_shapes() -> bool:
    """`jax.eval_shape` traces a function: nothing is drawn."""
    stack = itertools.takewhile(lambda f: is_machinery(f.code.co_filename), python_stack())
    return any(frame.code.co_name in stacks.SHAPE_CALLS for frame in stack)


def outermost_sampler() -> Any:
    """The running frame of the function of `jax.random` that the user called."""
    frame, found = sys._getframe(1), None
    while frame is not None and not is_users(frame.f_code.co_filename):
        if is_sampler_file(frame.f_code.co_filename):
            found = frame
        frame = frame.f_back  # type: ignore[assignment]
    return found
