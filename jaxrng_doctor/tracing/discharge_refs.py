"""A program without mutable refs: what it keeps in them becomes values that come in and go out.

A traced jaxpr in which refs are made, read and written becomes one of pure equations
that computes the same. JAX "discharges" the state in this way before it compiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jaxrng_doctor.jax_internals import equations, jaxprs
from jaxrng_doctor.jax_internals.equations import Jaxpr


def without_refs(jaxpr: Jaxpr) -> tuple[Any, list[Any]]:
    """An open jaxpr without constants, made pure, and the values of the inputs that come first.

    These are new, and constants; behind them are its own.
    The inputs that were refs are what is in them at the beginning; what is in them at the end
    is behind the outputs. Where JAX has no way to do without its refs, the jaxpr stays as it is.
    """
    if not jaxprs.has_state(jaxpr):
        return jaxpr, []
    try:
        pure, consts = jaxprs.discharged(equations.closed(jaxpr))
    except Exception:  # an equation without a rule: the keys in its refs are a gap
        return jaxpr, []
    return _part(pure, pure.outvars), consts


def without_ends(jaxpr: Jaxpr, count: int) -> Any:
    """The first `count` outputs of a jaxpr, which still computes what is in refs at the end."""
    return jaxpr if len(jaxpr.outvars) == count else _part(jaxpr, jaxpr.outvars[:count])


def _part(jaxpr: Jaxpr, outvars: list[Any]) -> Any:
    return equations.open_jaxpr(equations.part(jaxpr, jaxpr.invars, outvars, jaxpr.eqns))[0]


@contextmanager
def unchanged(values: Sequence[Any]) -> Iterator[None]:
    """Those of the values that are refs hold afterwards what they held before."""
    refs = [value for value in values if equations.is_mutable(value)]
    before = [ref[...] for ref in refs]
    try:
        yield
    finally:
        for ref, value in zip(refs, before, strict=True):
            ref[...] = value
