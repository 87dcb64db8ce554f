"""Reports the loops and branches in an eager vmap or derivative, each with its operands.

JAX traces their bodies as a whole, so what happens inside them cannot be observed.
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
from jaxrng_doctor.jax_internals.call_hooks import is_eager, is_plain
from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import Eqn, Primitive, function_of, jaxprs_among
from jaxrng_doctor.jax_internals.patches import Patch, attribute
from jaxrng_doctor.tracing import checkpoints
from jaxrng_doctor.tracing.loop_primitives import PREFIX


@dataclass(frozen=True)
class LoopCall:
    """A call of `primitive.bind`. `args` may be tracers of vmaps and derivatives."""

    primitive: Primitive
    args: tuple[Any, ...]
    params: dict[str, Any]

    @property
    def name(self) -> str:
        """The name that users know: `"checkpoint"`, or that of the primitive."""
        is_checkpoint = self.primitive in checkpoints.primitives()
        return "checkpoint" if is_checkpoint else str(self.primitive.name)

    @property
    def bodies(self) -> list[Any]:
        """Its jaxprs, which are the same objects in each call of one function."""
        return jaxprs_among(self.params)


Around = Callable[[LoopCall], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def each_eager_loop(note: Callable[[LoopCall], None], around: Around) -> Iterator[None]:
    """While open, call `note(call)` before each loop or branch in an eager vmap or derivative runs.

    Checkpoints count too. Each call goes through the `bind` of its primitive (0.6 to 0.12). The
    calls that JAX makes from a reported one, for example for the batch, are not reported.

    A checkpoint outside of vmaps and derivatives runs inside `around(call)`, because JAX evaluates
    its jaxpr. JAX compiles loops and branches there, as jitted functions, so they need no report.
    """
    with contextlib.ExitStack() as stack:
        for primitive in _primitives():
            stack.enter_context(_patch(primitive, note, around))
        yield


def is_loop(eqn: Eqn) -> bool:
    """Whether the equation, kept or not, is of a kind that `each_eager_loop` reports."""
    name = eqn.primitive.name.removeprefix(PREFIX)
    return any(name == primitive.name for primitive in _primitives())


def is_transforming() -> bool:
    """Whether JAX is transforming a reported call for an eager vmap or derivative."""
    return getattr(_state, "is_inside", False)


def is_dispatched(call: JitCall) -> bool:
    """Whether JAX itself makes the call, to run one primitive, such as a loop outside of a jit."""
    return stacks.is_dispatch_file(function_of(call.jaxpr)[1])


@functools.cache
def _primitives() -> tuple[Any, ...]:
    return (primitives.scan_p, primitives.while_p, primitives.cond_p, *checkpoints.primitives())


_state = threading.local()


@functools.cache
def _patch(primitive: Primitive, note: Callable[[LoopCall], None], around: Around) -> Patch:
    def replaced(original: Any) -> Callable[..., Any]:
        def bind(*args: Any, **params: Any) -> Any:
            if is_transforming() or not is_eager():
                return original(*args, **params)
            if is_plain():
                # A backward pass binds the primitive too, to repeat the draws.
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
