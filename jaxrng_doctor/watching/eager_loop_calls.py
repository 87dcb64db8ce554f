"""Turns a loop or branch inside an eager vmap or derivative into a call of a jitted function."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import (
    AnyJaxpr,
    Literal,
    is_jaxpr,
    open_jaxpr,
    source_of,
    subjaxprs,
)
from jaxrng_doctor.tracing.draws import Draws
from jaxrng_doctor.tracing.eager_loops import LoopCall
from jaxrng_doctor.tracing.returned_values import is_array

MOST = 256
"""The maximum number of loops to distinguish. JAX compiles each, which takes far longer."""

_INFO = SimpleNamespace(static_argnums=(), static_argnames=())


class TooMany(Exception):
    """There are more than `MOST` different loops."""


class Loops:
    """The loops of one program; those that do the same have the same jaxpr.

    If the program creates the body of a loop anew for each call, JAX traces it anew for each call.
    """

    def __init__(self) -> None:
        self._by_id: dict[Any, Any] = {}
        self._by_text: dict[Any, Any] = {}
        self._bodies: list[Any] = []  # keeps their `id`s valid
        self._captured: list[Any] = []

    def call_of(self, loop: LoopCall) -> JitCall | None:
        """The loop as a jitted call; `None` if it uses no key. Raises `TooMany`."""
        bodies = loop.bodies
        others = {name: x for name, x in loop.params.items() if not _holds_jaxprs(x)}
        known = (loop.primitive.name, *map(id, bodies), str(others))  # such as the length of a scan
        if known not in self._by_id:
            if len(self._by_id) >= MOST:
                self._by_id.clear()  # `_by_text` keeps the jaxprs
                self._bodies.clear()
            self._by_id[known] = self._jaxpr(loop, bodies)
            self._bodies.extend(bodies)
        jaxpr = self._by_id[known]
        if jaxpr is None:
            return None
        args = tuple(map(_as_array, loop.args))
        return JitCall(_function(loop), _INFO, args, {}, (False,) * len(args), jaxpr, list(args))

    def _jaxpr(self, loop: LoopCall, bodies: list[Any]) -> Any:
        if not any(map(Draws().uses_inside, bodies)):
            return None
        avals = [
            jax.ShapeDtypeStruct(x.shape, x.dtype, weak_type=getattr(x, "weak_type", False))
            for x in map(jax.typeof, loop.args)
        ]
        jaxpr = jax.make_jaxpr(_function(loop))(*avals)
        captured = [x for body in bodies for x in _captured(body)]
        text = (str(jaxpr), *map(source_of, bodies), *map(id, captured))
        if text not in self._by_text:
            if len(self._by_text) >= MOST:
                raise TooMany
            self._by_text[text] = jaxpr
            self._captured.extend(captured)
        return self._by_text[text]


def _function(loop: LoopCall) -> Any:
    """A function that binds the primitive.

    It is kept, so it must not refer to the arguments of the loop: JAX checks for leaked tracers.
    """
    primitive, params = loop.primitive, loop.params

    def run(*args: Any) -> Any:
        return primitive.bind(*args, **params)

    run.__name__ = loop.name
    return run


def _as_array(x: Any) -> Any:
    """`x`, or the array in a NumPy constant.

    JAX wraps these in its own class, which it does not treat as an array type (0.7 and 0.8).
    """
    return x if is_array(x) or not hasattr(x, "__array__") else np.asarray(x)


def _holds_jaxprs(param: Any) -> bool:
    return is_jaxpr(param) or (isinstance(param, tuple) and any(map(is_jaxpr, param)))


def _captured(jaxpr: AnyJaxpr) -> Iterator[Any]:
    """The constant arrays in a jaxpr, whose values its text does not show."""
    inner, consts = open_jaxpr(jaxpr)
    yield from consts
    for eqn in inner.eqns:
        yield from (v.val for v in eqn.invars if isinstance(v, Literal) and np.ndim(v.val))
        for body in subjaxprs(eqn):
            yield from _captured(body)
