"""Which equations draw: the samplers of `jax.random`, and the primitives beneath them.

A call of a public sampler is one draw, whatever it does inside with its key: its
own splits and rejection loops are no business of the user's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax

from jaxrng_doctor.jax_internals import equations, primitives
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Eqn, Jaxpr
from jaxrng_doctor.jax_internals.files import is_sampler_file
from jaxrng_doctor.tracing.derivatives import is_tangent


def is_key(aval: Any) -> bool:
    """A typed key array: its dtype is one of `key<fry>`, `key<rbg>` and so on."""
    return bool(jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key))


def may_be_key(aval: Any) -> bool:
    """A typed key, or uint32 with the words of a legacy key (2, with rbg 4) along its last axis."""
    if is_key(aval):
        return True
    return tuple(aval.shape)[-1:] in ((2,), (4,)) and str(aval.dtype) == "uint32"


def key_impl(eqn: Eqn) -> str:
    """The implementation of a draw's key, as in `key<fry>`; `"raw"` for bare words."""
    keys = [str(v.aval.dtype) for v in eqn.invars if is_key(v.aval)]
    return keys[0].removeprefix("key<").removesuffix(">") if keys else "raw"


class Draws:
    """Tells draws from other equations; remembers each jaxpr that it has looked into.

    tangents: the equations of derivatives that were met, which are not looked into.
    keyless: draws that take no key, with the jaxprs that hold them.
    inert: the primitives that neither draw nor hold a jaxpr. Most equations are of these,
        and that depends on the primitive alone.
    holding: the equations that hold jaxprs.
    """

    def __init__(self) -> None:
        self._drawing: dict[int, frozenset[int]] = {}
        self._using: dict[int, frozenset[int]] = {}
        self.tangents: list[Any] = []
        self.keyless: list[tuple[Any, Any]] = []
        self.inert: set[Any] = set()
        self.holding: list[Any] = []

    def key_operands(self, eqn: Eqn) -> tuple[int, ...]:
        """The indices of the key among the operands, `()` where the equation is no draw."""
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
        """Anything in the jaxpr draws, at any depth."""
        return bool(self.drawing(jaxpr))

    def or_splits_inside(self, jaxpr: AnyJaxpr) -> bool:
        """Anything in the jaxpr draws or splits a key, at any depth."""
        if self.using(jaxpr):
            return True
        inner = equations.open_jaxpr(jaxpr)[0]
        return any(self.or_splits_inside(sub) for e in inner.eqns for sub in equations.subjaxprs(e))

    def drawing(self, jaxpr: AnyJaxpr) -> frozenset[int]:
        """The indices of the equations that draw, or hold a jaxpr that does."""
        inner = equations.open_jaxpr(jaxpr)[0]
        if id(inner) not in self._drawing:
            self._look_into(inner)
        return self._drawing[id(inner)]

    def using(self, jaxpr: AnyJaxpr) -> frozenset[int]:
        """Beside those that draw, the equations that split a key."""
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
        """The draws inside of the derivatives that were met, each with the jaxpr that holds it."""
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


def sampler_name(eqn: Eqn) -> str:
    """What the user calls it: `jax.random.normal` for the jit of `_normal`."""
    name = eqn.params.get("name") or eqn.primitive.name
    if eqn.primitive.name in primitives.DRAWING:
        public = eqn.primitive.name.removeprefix("random_")
        return f"jax.random.{public}" if hasattr(jax.random, public) else eqn.primitive.name
    public = name.lstrip("_")
    return f"jax.random.{primitives.PUBLIC_NAMES.get(public, public)}"
