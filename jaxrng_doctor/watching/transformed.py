"""A call of a function that JAX has transformed, outside of compiled functions."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from jaxrng_doctor.tracing.places import users_name
from jaxrng_doctor.tracing.returned_values import is_array

# Those in `MAKING` return a transformed function; those in `CALLING` call the given one directly.
MAKING = ("grad", "hessian", "jacfwd", "jacrev", "pmap", "shard_map", "value_and_grad", "vmap")
OF_JAX = ("grad", "value_and_grad", "vmap")  # as used inside JAX, on functions of the user
CALLING = ("jvp", "linearize", "vjp")
DEVICE_MAPS = ("pmap", "shard_map")


@dataclass(frozen=True, slots=True)
class Transformed:
    """A call of `fun`, which the transformation `name` made from `original`.

    For `jvp`, `linearize` and `vjp`, both are the given function. For a loop, `fun` is the function
    of `jax.lax` and `original` is the body.
    """

    name: str
    original: Any
    fun: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def title(self) -> str:
        """The transformation and the function, such as `grad(loss)`."""
        return f"{self.name}({users_name(self.original)})"

    @property
    def source(self) -> str:
        """`"name at file:line"` of the function that was transformed, `""` if it has no code."""
        code = getattr(self.original, "__code__", None)
        return f"{code.co_name} at {code.co_filename}:{code.co_firstlineno}" if code else ""

    @property
    def is_device_map(self) -> bool:
        """Whether it is compiled as a whole: its draws are known only from the call itself."""
        return self.name in (*DEVICE_MAPS, "map")

    def arrays(self) -> list[Any]:
        """The arrays among its arguments, in the order of `array_call`."""
        return [x for x in jax.tree_util.tree_leaves((self.args, self.kwargs)) if is_array(x)]

    def known_by(self) -> tuple[tuple[Any, ...], Any]:
        """What identifies calls like it, the name first; and the objects to keep for its `id`s."""
        shapes = tuple((x.shape, str(x.dtype)) for x in self.arrays())
        held = _codes(self.original)
        if self.is_device_map:
            held = (*held, self.fun)  # it is compiled for that function
        return (self.name, shapes, *map(id, held)), (held, self.fun)

    def others(self) -> list[Any]:
        """The leaves of its arguments that are not arrays."""
        return [x for x in jax.tree_util.tree_leaves((self.args, self.kwargs)) if not is_array(x)]


_MOST_CODES = 16


def _codes(fun: Any) -> tuple[Any, ...]:
    """The code objects of a function and of the functions that it wraps, at most `_MOST_CODES`.

    All functions that a decorator, or `jax.grad`, returns have the same code: only the wrapped
    functions distinguish them. A callable without code stands in for its code.
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
            with contextlib.suppress(ValueError):  # an empty cell
                waiting += [cell.cell_contents] if callable(cell.cell_contents) else []
    return tuple(found)
