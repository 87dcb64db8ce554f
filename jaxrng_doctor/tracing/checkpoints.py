"""Which call of a `checkpoint` an equation is of, whatever a derivative has made of it.

JAX writes the body into its caller, and once more into what runs again for the backward pass; the
Python stacks of these lack now one call, now another. A name scope with a number of its own for
each call is on all of them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import jax

from jaxrng_doctor.jax_internals import hidden
from jaxrng_doctor.jax_internals.equations import Primitive, scope_names
from jaxrng_doctor.jax_internals.patches import Patch, attribute, calling_function, together
from jaxrng_doctor.tracing import thread_state

_PREFIX = "jaxrng_call_"

_numbers = itertools.count()


def primitives() -> tuple[Any, ...]:
    """That of `jax.checkpoint`, and that which hides one with `jax_remat3`."""
    return tuple(hidden.CHECKPOINT_CALLERS)


def is_users_call(primitive: Primitive, params: dict[str, Any]) -> bool:
    """In a patched `bind`: a `checkpoint` is called, for all that the user has written.

    JAX's own rules bind the primitive again for the parts that they make of it.
    """
    if primitive not in hidden.CHECKPOINT_CALLERS:
        return False
    caller, above = hidden.CHECKPOINT_CALLERS[primitive]
    is_one = primitive is hidden.checkpoint_p or hidden.is_checkpoint(params)
    return is_one and calling_function(above) == caller


@functools.cache
def numbering() -> Patch:
    """While open, in threads that keep, the scope of each call of a `checkpoint` is numbered."""
    return together(*map(_numbering, primitives()))


def _numbering(primitive: Primitive) -> Patch:
    def replaced(original: Any) -> Callable[..., Any]:
        def bind(*args: Any, **params: Any) -> Any:
            if thread_state.current() is None or not is_users_call(primitive, params):
                return original(*args, **params)
            with jax.named_scope(f"{_PREFIX}{next(_numbers)}"):
                return original(*args, **params)

        return bind

    return attribute(primitive, "bind", replaced)


def calls(eqns: Iterable[Any]) -> frozenset[str]:
    """The calls that an equation is within; `eqns` are itself and those that hold it."""
    return frozenset(name for name in scope_names(eqns) if name.startswith(_PREFIX))


def is_recomputed(eqns: Iterable[Any]) -> bool:
    """It is in the body of a `checkpoint` that is run again for the backward pass."""
    return hidden.RECOMPUTED in scope_names(eqns)
