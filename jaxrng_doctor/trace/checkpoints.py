"""Which call of a `checkpoint` an equation is of, whatever a derivative has made of it.

JAX writes the body into its caller, and once more into what runs again for the backward pass; the
Python stacks of these lack now one call, now another. A name scope with a number of its own for
each call is on all of them.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax

from jaxrng_doctor.trace import keeping
from jaxrng_doctor.trace.patches import Patch, attribute

_PREFIX = "jaxrng_call_"
_RECOMPUTED = "rematted_computation"  # JAX's own scope (0.6 to 0.12)

_numbers = itertools.count()


@functools.cache
def primitive() -> Any:
    """That of `jax.checkpoint`, which has no public name (0.6 to 0.12)."""
    (eqn,) = jax.make_jaxpr(jax.checkpoint(lambda x: x + 1))(0).eqns
    return eqn.primitive


@functools.cache
def numbering() -> Patch:
    """While open, in threads that keep, the scope of each call of a `checkpoint` is numbered."""

    def replaced(original: Any) -> Callable[..., Any]:
        def bind(*args: Any, **params: Any) -> Any:
            # JAX's own rules bind the primitive again for the parts that they make of it.
            is_users = sys._getframe(1).f_code.co_name == "fun_remat"
            if not is_users or keeping.current() is None:
                return original(*args, **params)
            with jax.named_scope(f"{_PREFIX}{next(_numbers)}"):
                return original(*args, **params)

        return bind

    return attribute(primitive(), "bind", replaced)


def calls(eqns: Iterable[Any]) -> frozenset[str]:
    """The calls that an equation is within, told by `eqns`, itself and those that hold it."""
    return frozenset(name for name in _scopes(eqns) if name.startswith(_PREFIX))


def is_recomputed(eqns: Iterable[Any]) -> bool:
    """It is in the body of a `checkpoint` that is run again for the backward pass."""
    return _RECOMPUTED in _scopes(eqns)


def _scopes(eqns: Iterable[Any]) -> Iterator[str]:
    for eqn in eqns:
        for entry in getattr(eqn.source_info.name_stack, "stack", ()):
            yield str(getattr(entry, "name", ""))
