"""Where the program is: in comes the running stack of Python, out come the frames that matter."""

from __future__ import annotations

import itertools
import sys
from typing import Any

from jaxrng_doctor.trace.equations import Frame
from jaxrng_doctor.trace.files import is_sampler_file
from jaxrng_doctor.trace.places import is_machinery, is_users, python_stack


def way_here() -> tuple[Frame, ...]:
    """The way here, innermost first: the user's frame, or where a library came here, all of it."""
    found: list[Frame] = []
    for frame in python_stack():
        if not is_machinery(frame.code.co_filename):
            found.append(frame)
            if is_users(found[0].code.co_filename):
                break
    return tuple(found)


def asks_for_shapes() -> bool:
    """`jax.eval_shape` traces a function: nothing is drawn."""
    stack = itertools.takewhile(lambda f: is_machinery(f.code.co_filename), python_stack())
    return any(frame.code.co_name in ("eval_shape", "jit_eval_shape") for frame in stack)


def outermost_sampler() -> Any:
    """The running frame of the function of `jax.random` that the user called."""
    frame, found = sys._getframe(1), None
    while frame is not None and not is_users(frame.f_code.co_filename):
        if is_sampler_file(frame.f_code.co_filename):
            found = frame
        frame = frame.f_back  # type: ignore[assignment]
    return found
