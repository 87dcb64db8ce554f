"""Loops and branches that an eager vmap or derivative comes by: in comes each, with its values.

Their bodies JAX traces at once, and nothing in them is seen as it happens.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jax.extend.core import primitives

from jaxrng_doctor.trace import checkpoints
from jaxrng_doctor.trace.calldata import JitCall
from jaxrng_doctor.trace.equations import function_of, subjaxprs
from jaxrng_doctor.trace.jaxprs import is_eager, is_plain
from jaxrng_doctor.trace.kept_loops import PREFIX
from jaxrng_doctor.trace.patches import Patch, attribute


@dataclass(frozen=True)
class LoopCall:
    """What a primitive is given; `args` may be tracers of vmaps and derivatives."""

    primitive: Any
    args: tuple[Any, ...]
    params: dict[str, Any]

    @property
    def bodies(self) -> list[Any]:
        """Its jaxprs, the same objects for each call of one function."""
        return subjaxprs(self)


@contextlib.contextmanager
def each_eager_loop(note: Callable[[LoopCall], None]) -> Iterator[None]:
    """While open, `note(call)` for each that an eager vmap or derivative is around, before it runs.

    Not for those that JAX makes of it, as for the batch. Every one of them comes by the `bind` of
    its primitive (0.6 to 0.12).
    """
    with contextlib.ExitStack() as stack:
        for primitive in _primitives():
            stack.enter_context(_patch(primitive, note))
        yield


def is_loop(eqn: Any) -> bool:
    """The equation, kept whole or not, is one of those that `each_eager_loop` tells of."""
    name = eqn.primitive.name.removeprefix(PREFIX)
    return any(name == primitive.name for primitive in _primitives())


def is_dispatched(call: JitCall) -> bool:
    """JAX makes the call by itself, of one primitive: such as a loop that nothing compiles."""
    return function_of(call.jaxpr)[1].endswith("dispatch.py")


@functools.cache
def _primitives() -> tuple[Any, ...]:
    return (primitives.scan_p, primitives.while_p, primitives.cond_p, checkpoints.primitive())


_state = threading.local()


@functools.cache
def _patch(primitive: Any, note: Callable[[LoopCall], None]) -> Patch:
    def replaced(original: Any) -> Callable[..., Any]:
        def bind(*args: Any, **params: Any) -> Any:
            if getattr(_state, "is_inside", False) or is_plain() or not is_eager():
                return original(*args, **params)
            note(LoopCall(primitive, args, params))
            _state.is_inside = True
            try:
                return original(*args, **params)
            finally:
                _state.is_inside = False

        return bind

    return attribute(primitive, "bind", replaced)
