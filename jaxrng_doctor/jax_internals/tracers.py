"""The values behind what an eager vmap or derivative hands to a function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp


def concrete(x: Any) -> Any:
    """What a tracer of eager vmaps and derivatives holds; `None` if only the compiled code knows.

    The examples of a vmap are an axis in front. Rests on the names of the tracers'
    attributes (0.6 to 0.12).
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
    """The vmaps that `concrete(x)` has an axis in front of, in the order of these axes.

    A number stands for each vmap, the same for all values of one call (0.6 to 0.12): JAX's tags
    all compare equal.
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
    """`run` for all examples, whose outputs have the axes of all of the `vmaps` in front.

    These are the `vmaps_of` each of its arguments.
    """
    left = [list(each) for each in vmaps]
    axes = []
    for vmap in dict.fromkeys(itertools.chain(*left)):
        axes.append(tuple(each.index(vmap) if vmap in each else None for each in left))
        left = [[other for other in each if other != vmap] for each in left]
    for in_axes in reversed(axes):
        run = jax.vmap(run, in_axes=in_axes)
    return run
