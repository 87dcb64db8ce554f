"""Removes mutable refs from a program: their contents become inputs and outputs.

A traced jaxpr in which refs are made, read and written becomes a jaxpr of pure equations that
computes the same. JAX calls this "discharging" the state and does it before it compiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jaxrng_doctor.jax_internals import equations, jaxprs
from jaxrng_doctor.jax_internals.equations import Jaxpr


def without_refs(jaxpr: Jaxpr) -> tuple[Any, list[Any]]:
    """`jaxpr`, an open one without constants, made pure, and the values of its new inputs.

    The new inputs are constants and come before those of `jaxpr`. In place of each ref among its
    inputs, the pure jaxpr takes the initial content; it returns the final content after the other
    outputs. If JAX cannot discharge the state, `jaxpr` is returned unchanged.
    """
    if not jaxprs.has_state(jaxpr):
        return jaxpr, []
    try:
        pure, consts = jaxprs.discharged(equations.closed(jaxpr))
    except Exception:  # an equation has no discharge rule: keys in its refs are a gap
        return jaxpr, []
    return _part(pure, pure.outvars), consts


def without_ends(jaxpr: Jaxpr, count: int) -> Any:
    """The jaxpr with its first `count` outputs only. It still computes the refs' final contents."""
    return jaxpr if len(jaxpr.outvars) == count else _part(jaxpr, jaxpr.outvars[:count])


def _part(jaxpr: Jaxpr, outvars: list[Any]) -> Any:
    return equations.open_jaxpr(equations.part(jaxpr, jaxpr.invars, outvars, jaxpr.eqns))[0]


@contextmanager
def unchanged(values: Sequence[Any]) -> Iterator[None]:
    """Restore the contents of the refs among `values` when the context closes."""
    refs = [value for value in values if equations.is_mutable(value)]
    before = [ref[...] for ref in refs]
    try:
        yield
    finally:
        for ref, value in zip(refs, before, strict=True):
            ref[...] = value
