"""The values behind what an eager vmap or derivative hands to a function."""

from __future__ import annotations

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
