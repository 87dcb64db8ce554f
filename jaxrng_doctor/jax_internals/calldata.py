"""What JAX's own functions are given, in one shape for every version: plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.jax_internals.equations import AnyJaxpr


@dataclass(frozen=True, slots=True)
class VmapCall:
    """What `jax.vmap` hands to its one worker function, all of it flattened.

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
    """A call of a jitted function from ordinary Python, once it has been traced.

    `info` is JAX's own record of what the jit was given. `flat` are the leaves of its
    arguments, static ones left out; `donated` marks those whose memory the call takes.
    `jaxpr` is one and the same object for all calls of one signature.
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
