"""The loops and branches in an eager vmap or derivative, each with its values.

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

from jaxrng_doctor.jax_internals import stacks
from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import Eqn, Primitive, function_of, jaxprs_among
from jaxrng_doctor.jax_internals.patches import Patch, attribute
from jaxrng_doctor.jax_internals.running import is_eager, is_plain
from jaxrng_doctor.tracing import checkpoints
from jaxrng_doctor.tracing.loop_primitives import PREFIX


@dataclass(frozen=True)
class LoopCall:
    """What a primitive is given; `args` may be tracers of vmaps and derivatives."""

    primitive: Primitive
    args: tuple[Any, ...]
    params: dict[str, Any]

    @property
    def name(self) -> str:
        """What users call it."""
        is_checkpoint = self.primitive in checkpoints.primitives()
        return "checkpoint" if is_checkpoint else str(self.primitive.name)

    @property
    def bodies(self) -> list[Any]:
        """Its jaxprs, the same objects for each call of one function."""
        return jaxprs_among(self.params)


Around = Callable[[LoopCall], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def each_eager_loop(note: Callable[[LoopCall], None], around: Around) -> Iterator[None]:
    """While open, `note(call)` for each that an eager vmap or derivative is around, before it runs.

    Not for those that JAX makes of it, as for the batch. Every one of them comes by the `bind` of
    its primitive (0.6 to 0.12). A checkpoint that nothing is around runs within `around(call)`:
    JAX evaluates its jaxpr. Loops and branches it compiles there, as jitted functions.
    """
    with contextlib.ExitStack() as stack:
        for primitive in _primitives():
            stack.enter_context(_patch(primitive, note, around))
        yield


def is_loop(eqn: Eqn) -> bool:
    """The equation, kept whole or not, is one of those that `each_eager_loop` reports."""
    name = eqn.primitive.name.removeprefix(PREFIX)
    return any(name == primitive.name for primitive in _primitives())


def is_making() -> bool:
    """JAX transforms one that was reported into what an eager vmap or derivative needs."""
    return getattr(_state, "is_inside", False)


def is_dispatched(call: JitCall) -> bool:
    """JAX makes the call by itself, of one primitive: such as a loop that nothing compiles."""
    return stacks.is_dispatch_file(function_of(call.jaxpr)[1])


@functools.cache
def _primitives() -> tuple[Any, ...]:
    return (primitives.scan_p, primitives.while_p, primitives.cond_p, *checkpoints.primitives())


_state = threading.local()


@functools.cache
def _patch(primitive: Primitive, note: Callable[[LoopCall], None], around: Around) -> Patch:
    def replaced(original: Any) -> Callable[..., Any]:
        def bind(*args: Any, **params: Any) -> Any:
            if is_making() or not is_eager():
                return original(*args, **params)
            if is_plain():
                # A backward pass binds the primitive too, to draw again.
                if not checkpoints.is_users_call(primitive, params):
                    return original(*args, **params)
                with around(LoopCall(primitive, args, params)):
                    return original(*args, **params)
            note(LoopCall(primitive, args, params))
            _state.is_inside = True
            try:
                return original(*args, **params)
            finally:
                _state.is_inside = False

        return bind

    return attribute(primitive, "bind", replaced)
