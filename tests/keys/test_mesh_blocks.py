"""The blocks of an array are those that JAX places on the devices of a mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrng_doctor.analysis.keys import mesh_blocks

AXES = {"a": 2, "b": 1, "c": 2}
SHAPE = (4, 8, 3)
CUTS = [
    {},
    {0: ("a",)},
    {0: ("c",)},
    {1: ("a",)},
    {0: ("a",), 1: ("c",)},
    {0: ("c",), 1: ("a",)},
    {0: ("a", "c")},
    {1: ("c", "a")},
    {1: ("c", "b", "a")},
    {0: ("b",), 1: ("a",)},
]
ARRAY = np.arange(np.prod(SHAPE)).reshape(SHAPE)


def on_devices(dims):
    """The block of each device, by its index in the mesh, as JAX places them."""
    devices = np.array(jax.devices()[:4]).reshape(tuple(AXES.values()))
    spec = PartitionSpec(*(dims.get(dim) for dim in range(len(SHAPE))))
    found = NamedSharding(Mesh(devices, tuple(AXES)), spec).devices_indices_map(SHAPE)
    return {index: ARRAY[found[devices[index]]] for index in np.ndindex(devices.shape)}


@pytest.mark.parametrize("dims", CUTS, ids=str)
def test_each_device_has_its_block(dims):
    stack = mesh_blocks.blocks(ARRAY, dims, AXES)

    cutting = [number for number, name in enumerate(AXES) if mesh_blocks.is_cut(dims, name)]
    for index, block in on_devices(dims).items():
        np.testing.assert_array_equal(stack[tuple(index[number] for number in cutting)], block)


@pytest.mark.parametrize("dims", CUTS, ids=str)
def test_the_blocks_of_all_devices_are_the_whole_array(dims):
    blocks = on_devices(dims)
    stack = np.empty((*AXES.values(), *blocks[0, 0, 0].shape), int)
    for index, block in blocks.items():
        stack[index] = block

    np.testing.assert_array_equal(mesh_blocks.whole(jnp.asarray(stack), dims, AXES), ARRAY)


@pytest.mark.parametrize("dims", CUTS, ids=str)
def test_axes_that_are_not_manual_cut_nothing(dims):
    more = {dim: (*names, "auto") for dim, names in dims.items()} | {2: ("auto",)}
    stack = mesh_blocks.blocks(ARRAY, more, AXES)

    np.testing.assert_array_equal(stack, mesh_blocks.blocks(ARRAY, dims, AXES))
    blocks = np.stack([block for _, block in sorted(on_devices(dims).items())])
    stack = jnp.asarray(blocks.reshape(*AXES.values(), *blocks.shape[1:]))
    np.testing.assert_array_equal(mesh_blocks.whole(stack, more, AXES), ARRAY)


def test_without_mesh_axes_there_is_one_block():
    np.testing.assert_array_equal(mesh_blocks.blocks(ARRAY, {0: ("auto",)}, {}), ARRAY)
    np.testing.assert_array_equal(mesh_blocks.whole(jnp.asarray(ARRAY), {}, {}), ARRAY)
