"""The arguments of JAX's internal functions as plain data, in one form for every JAX version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.jax_internals.equations import AnyJaxpr


@dataclass(frozen=True, slots=True)
class VmapCall:
    """The arguments that `jax.vmap` passes to the function that does its work, flattened.

    `fun` takes the per-example values of `args` and returns the list of outputs.
    `out_axes` may be called once `fun` has run.
    """

    fun: Callable[..., list[Any]]
    debug_info: Any
    axis_data: Any
    in_axes: tuple[Any, ...]
    out_axes: Callable[[], tuple[Any, ...]]
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class JitCall:
    """A call of a jitted function from ordinary Python, after it was traced.

    `info` is JAX's record of the arguments of `jax.jit`. `flat` are the leaves of the
    call's arguments without the static ones; `donated` marks those whose memory the call
    takes over. `jaxpr` is the same object for all calls with one signature.
    """

    fun: Callable[..., Any]
    info: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    donated: tuple[bool, ...]
    jaxpr: AnyJaxpr
    flat: list[Any]

    @property
    def static_argnums(self) -> tuple[int, ...]:
        return tuple(self.info.static_argnums)

    @property
    def static_argnames(self) -> tuple[str, ...]:
        return tuple(self.info.static_argnames)
