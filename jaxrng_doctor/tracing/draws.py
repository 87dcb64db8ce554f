"""Finds the equations that draw: calls of the samplers of `jax.random`, and drawing primitives.

A call of a public sampler is one draw, whatever it does with its key. Its internal splits and
rejection loops are not part of the user's code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax

from jaxrng_doctor.jax_internals import equations, primitives
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Eqn, Jaxpr
from jaxrng_doctor.jax_internals.files import is_sampler_file
from jaxrng_doctor.tracing.derivatives import is_tangent
from jaxrng_doctor.tracing.places import At, random_function


def is_key(aval: Any) -> bool:
    """Whether it is a typed key array, with a dtype such as `key<fry>` or `key<rbg>`."""
    return bool(jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key))


def may_be_key(aval: Any) -> bool:
    """Whether it is a typed key array, or may be a legacy key or an array of them.

    That is a `uint32` array with 2 words (4 with rbg) along its last axis.
    """
    if is_key(aval):
        return True
    return tuple(aval.shape)[-1:] in ((2,), (4,)) and str(aval.dtype) == "uint32"


def key_impl(eqn: Eqn) -> str:
    """The short name of the impl of a draw's key, such as `"fry"`; `"raw"` for words of a key."""
    keys = [str(v.aval.dtype) for v in eqn.invars if is_key(v.aval)]
    return keys[0].removeprefix("key<").removesuffix(">") if keys else "raw"


class Draws:
    """Finds draws in jaxprs, and caches the results for each jaxpr.

    tangents: the equations found that compute derivatives. Their jaxprs are not searched.
    keyless: the draws found that take no key, each with the jaxpr that contains it.
    inert: the primitives found that neither draw nor contain a jaxpr. Most equations have one of
        these. Whether a primitive is inert does not depend on the equation.
    holding: the equations found that contain jaxprs.
    """

    def __init__(self) -> None:
        self._drawing: dict[int, frozenset[int]] = {}
        self._using: dict[int, frozenset[int]] = {}
        self.tangents: list[Any] = []
        self.keyless: list[tuple[Any, Any]] = []
        self.inert: set[Any] = set()
        self.holding: list[Any] = []

    def key_operands(self, eqn: Eqn) -> tuple[int, ...]:
        """The indices of the key among the operands, `()` if the equation is not a draw."""
        name = eqn.primitive.name
        if name in primitives.DRAWING:
            return primitives.DRAWING[name]
        if name in primitives.JIT and self._is_sampler(eqn):
            return tuple(i for i, v in enumerate(eqn.invars) if is_key(v.aval))
        return ()

    def _is_sampler(self, eqn: Eqn) -> bool:
        body = eqn.params["jaxpr"]
        return is_sampler_file(equations.function_of(body)[1]) and self.inside(body)

    def inside(self, jaxpr: AnyJaxpr) -> bool:
        """Whether anything in the jaxpr draws, at any depth."""
        return bool(self.drawing(jaxpr))

    def uses_inside(self, jaxpr: AnyJaxpr) -> bool:
        """Whether anything in the jaxpr draws or splits a key, at any depth."""
        if self.using(jaxpr):
            return True
        inner = equations.open_jaxpr(jaxpr)[0]
        return any(self.uses_inside(sub) for e in inner.eqns for sub in equations.subjaxprs(e))

    def drawing(self, jaxpr: AnyJaxpr) -> frozenset[int]:
        """The indices of the equations that draw, or contain a jaxpr that draws."""
        inner = equations.open_jaxpr(jaxpr)[0]
        if id(inner) not in self._drawing:
            self._look_into(inner)
        return self._drawing[id(inner)]

    def using(self, jaxpr: AnyJaxpr) -> frozenset[int]:
        """The indices in `drawing(jaxpr)`, and those of the equations that are splits of a key."""
        inner = equations.open_jaxpr(jaxpr)[0]
        if id(inner) not in self._using:
            self._look_into(inner)
        return self._using[id(inner)]

    def _look_into(self, inner: Jaxpr) -> None:
        inert, drawing, splits = self.inert, [], []
        for index, eqn in enumerate(inner.eqns):
            if eqn.primitive in inert:
                continue
            if eqn.primitive.name == primitives.SPLIT:
                splits.append(index)
            elif self._draws(eqn, inner):
                drawing.append(index)
        self._drawing[id(inner)] = frozenset(drawing)
        self._using[id(inner)] = frozenset((*drawing, *splits))

    def _draws(self, eqn: Eqn, jaxpr: AnyJaxpr) -> bool:
        name = eqn.primitive.name
        if name in primitives.DRAWING:
            return True
        if name == primitives.KEYLESS:
            self.keyless.append((eqn, jaxpr))
            return False
        if is_tangent(eqn):
            self.tangents.append(eqn)
            return False
        bodies = equations.subjaxprs(eqn)
        if bodies:
            self.holding.append(eqn)
        else:
            self.inert.add(eqn.primitive)
        return any(self.inside(body) for body in bodies)

    def in_derivatives(self) -> Iterator[tuple[Any, Any]]:
        """The draws inside `tangents`, each with the jaxpr that contains it."""
        waiting = [body for eqn in self.tangents for body in equations.subjaxprs(eqn)]
        seen: set[int] = set()
        while waiting:
            inner = equations.open_jaxpr(waiting.pop())[0]
            if id(inner) in seen:
                continue
            seen.add(id(inner))
            for eqn in inner.eqns:
                if self.key_operands(eqn):
                    yield eqn, inner
                else:
                    waiting += equations.subjaxprs(eqn)


def sampler_called(at: At) -> str:
    """The sampler that was called: `jax.random.choice` for the jit of `_randint` that it calls."""
    called = random_function(at)
    is_public = called != "split" and hasattr(jax.random, called)
    return f"jax.random.{called}" if is_public else sampler_name(at.eqn)


def sampler_name(eqn: Eqn) -> str:
    """The public name: `jax.random.normal` for the jit of `_normal`.

    A drawing primitive without a public function keeps its own name.
    """
    name = eqn.params.get("name") or eqn.primitive.name
    if eqn.primitive.name in primitives.DRAWING:
        public = eqn.primitive.name.removeprefix("random_")
        return f"jax.random.{public}" if hasattr(jax.random, public) else eqn.primitive.name
    public = name.lstrip("_")
    return f"jax.random.{primitives.PUBLIC_NAMES.get(public, public)}"
