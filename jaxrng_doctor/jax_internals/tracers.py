"""The values of the tracers that an eager vmap or derivative passes to a function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp


def concrete(x: Any) -> Any:
    """The value of a tracer of eager vmaps and derivatives; `None` if only compiled code knows it.

    Each vmap adds a leading axis with its examples. What is not a tracer is returned unchanged.
    Depends on the names of the tracers' attributes (0.6 to 0.12).
    """
    if not isinstance(x, jax.core.Tracer):
        return x
    if hasattr(x, "primal"):
        return concrete(x.primal)
    if not hasattr(x, "batch_dim"):
        return None
    inner = concrete(x.val)
    if inner is None or not isinstance(x.batch_dim, int):
        return inner
    outer = inner.ndim - x.val.ndim  # the axes of the vmaps around this one
    return jnp.moveaxis(inner, outer + x.batch_dim, 0)


def vmaps_of(x: Any) -> tuple[int, ...]:
    """The vmaps that `concrete(x)` has a leading axis for, in the order of these axes.

    Each vmap is represented by a number, the same for all values of one call (0.6 to 0.12), because
    JAX's tags all compare equal.
    """
    if not isinstance(x, jax.core.Tracer):
        return ()
    if hasattr(x, "primal"):
        return vmaps_of(x.primal)
    if not hasattr(x, "batch_dim"):
        return ()
    outer = vmaps_of(x.val)
    return (id(x._trace.tag), *outer) if isinstance(x.batch_dim, int) else outer


def over_vmaps(run: Callable[..., Any], vmaps: Sequence[Sequence[Any]]) -> Callable[..., Any]:
    """`run` mapped over all examples; its outputs have a leading axis for each of the `vmaps`.

    `vmaps` has the `vmaps_of` each argument of `run`.
    """
    left = [list(each) for each in vmaps]
    axes = []
    for vmap in dict.fromkeys(itertools.chain(*left)):
        axes.append(tuple(each.index(vmap) if vmap in each else None for each in left))
        left = [[other for other in each if other != vmap] for each in left]
    for in_axes in reversed(axes):
        run = jax.vmap(run, in_axes=in_axes)
    return run
