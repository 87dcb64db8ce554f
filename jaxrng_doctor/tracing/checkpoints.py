"""Identifies the call of a `checkpoint` that an equation belongs to, also in a derivative.

JAX inlines the body into the caller, and a second time into the computation that is repeated for
the backward pass. The Python stacks of these equations do not always show the same calls. So
each call gets a numbered name scope, which all of its equations have.
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
    """The primitive of `jax.checkpoint`, and the one that hides a checkpoint with `jax_remat3`."""
    return tuple(hidden.CHECKPOINT_CALLERS)


def is_users_call(primitive: Primitive, params: dict[str, Any]) -> bool:
    """In a patched `bind`: whether this is the user's call of a `checkpoint`.

    JAX's rules bind the same primitive for the parts that they make from such a call.
    """
    if primitive not in hidden.CHECKPOINT_CALLERS:
        return False
    caller, above = hidden.CHECKPOINT_CALLERS[primitive]
    is_one = primitive is hidden.checkpoint_p or hidden.is_checkpoint(params)
    return is_one and calling_function(above) == caller


@functools.cache
def numbering() -> Patch:
    """A patch: in threads that keep vmaps, each `checkpoint` call gets a numbered name scope."""
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
    """The scope names of the calls that contain an equation.

    `eqns` are the equation and those that contain it.
    """
    return frozenset(name for name in scope_names(eqns) if name.startswith(_PREFIX))


def is_recomputed(eqns: Iterable[Any]) -> bool:
    """Whether an equation is in a `checkpoint` body that is repeated for the backward pass."""
    return hidden.RECOMPUTED in scope_names(eqns)
