"""Cuts arrays into the blocks that the devices of a mesh hold, and assembles them again."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxrng_doctor.tracing.meshes import MeshDims


def is_cut(dims: MeshDims, name: Any) -> bool:
    return any(name in names for names in dims.values())


def blocks(array: Any, dims: MeshDims, axes: dict[Any, int]) -> Any:
    """The blocks of `array`, stacked along one leading axis for each mesh axis that cuts it.

    `axes`: the mesh axes with their sizes. The leading axes are in the same order.
    """
    shape: list[int] = []
    leading: dict[Any, int] = {}
    for dim, size in enumerate(array.shape):
        for name in dims.get(dim, ()):
            if name in axes:
                leading[name] = len(shape)
                shape.append(axes[name])
                size //= axes[name]
        shape.append(size)
    order = [leading[name] for name in axes if name in leading]
    return jnp.moveaxis(array.reshape(shape), order, range(len(order)))


def whole(stack: Any, dims: MeshDims, axes: dict[Any, int]) -> Any:
    """The array whose blocks are in `stack`, which has a leading axis for every mesh axis.

    Along a mesh axis that does not cut the array, the blocks are equal, and the first is taken.
    """
    cutting = [name for name in axes if is_cut(dims, name)]
    for level in range(len(axes) - 1, -1, -1):
        if list(axes)[level] not in cutting:
            stack = lax.index_in_dim(stack, 0, level, keepdims=False)
    rank = stack.ndim - len(cutting)
    order: list[int] = []
    shape: list[int] = []
    for dim in range(rank):
        names = [name for name in dims.get(dim, ()) if name in axes]
        order += [cutting.index(name) for name in names] + [len(cutting) + dim]
        size = stack.shape[len(cutting) + dim]
        for name in names:
            size *= axes[name]
        shape.append(size)
    return stack.transpose(order).reshape(shape)
