"""A function that JAX has transformed, as it is called outside of compiled functions."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from jaxrng_doctor.tracing.returned_values import is_array

# What returns a function that is transformed, and what calls the given one at once.
MAKING = ("grad", "hessian", "jacfwd", "jacrev", "pmap", "shard_map", "value_and_grad", "vmap")
OF_JAX = ("grad", "value_and_grad", "vmap")  # for functions of the user's that JAX is given
CALLING = ("jvp", "linearize", "vjp")
DEVICE_MAPS = ("pmap", "shard_map")


@dataclass(frozen=True, slots=True)
class Transformed:
    """A call of `fun`, which `original` was transformed into."""

    name: str
    original: Any
    fun: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def title(self) -> str:
        """Such as `grad(loss)`."""
        return f"{self.name}({getattr(self.original, '__name__', type(self.original).__name__)})"

    @property
    def source(self) -> str:
        """`"name at file:line"` of the function that was transformed, `""` if it has no code."""
        code = getattr(self.original, "__code__", None)
        return f"{code.co_name} at {code.co_filename}:{code.co_firstlineno}" if code else ""

    @property
    def is_device_map(self) -> bool:
        """It is compiled: nothing shows its draws but the call itself."""
        return self.name in (*DEVICE_MAPS, "map")

    def arrays(self) -> list[Any]:
        """The arrays among its arguments, as `array_call` has them."""
        return [x for x in jax.tree_util.tree_leaves((self.args, self.kwargs)) if is_array(x)]

    def known_by(self) -> tuple[tuple[Any, ...], Any]:
        """What its like has in common with it, the name first; and what must stay for that."""
        shapes = tuple((x.shape, str(x.dtype)) for x in self.arrays())
        held = _codes(self.original)
        if self.is_device_map:
            held = (*held, self.fun)  # it is compiled for that one
        return (self.name, shapes, *map(id, held)), (held, self.fun)

    def others(self) -> list[Any]:
        """What is no array among its arguments."""
        return [x for x in jax.tree_util.tree_leaves((self.args, self.kwargs)) if not is_array(x)]


_MOST_CODES = 16


def _codes(fun: Any) -> tuple[Any, ...]:
    """The code of a function, and that of the functions that it wraps, for as far as that goes.

    Two functions that one decorator, or `jax.grad`, has made of two have the same code.
    """
    found: list[Any] = []
    waiting = [fun]
    while waiting and len(found) < _MOST_CODES:
        each = waiting.pop(0)
        each = getattr(each, "__func__", each)
        if isinstance(each, functools.partial):
            waiting.append(each.func)
        code = getattr(each, "__code__", None)
        if code is None:
            found += [each] if each is fun else []
            continue
        if code in found:
            continue
        found.append(code)
        for cell in getattr(each, "__closure__", None) or ():
            with contextlib.suppress(ValueError):  # not yet filled
                waiting += [cell.cell_contents] if callable(cell.cell_contents) else []
    return tuple(found)
