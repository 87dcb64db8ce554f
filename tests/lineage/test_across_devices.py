"""What is claimed of a key that devices make together, compared with that of each device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxrng_doctor.analysis.lineage.values import CONSTANT, DISTINCT, EQUAL, UNKNOWN
from tests.lineage.following import followed
from tests.rules.meshes import shard_map

KEY = jax.random.key(0)
PAIRS = [[0, 2], [3, 1]]
RING = [(0, 1), (1, 2), (2, 3), (3, 0)]

# What is folded into the key, from the number of the device; the claim about it.
FOLDED = {
    "nothing": (lambda i: 3, CONSTANT),
    "the index": (lambda i: lax.axis_index("d"), DISTINCT),
    "its number": (lambda i: i, UNKNOWN),  # an input, of which nothing is known
    "a sum": (lambda i: lax.psum(i, "d"), EQUAL),
    "the largest": (lambda i: lax.pmax(i, "d"), EQUAL),
    "the smallest": (lambda i: lax.pmin(lax.axis_index("d"), "d"), EQUAL),
    "one of all": (lambda i: lax.all_gather(i, "d")[1], EQUAL),
    "a sum of groups": (lambda i: lax.psum(i, "d", axis_index_groups=PAIRS), UNKNOWN),
    "the largest of groups": (lambda i: lax.pmax(i, "d", axis_index_groups=PAIRS), UNKNOWN),
    "one of each group": (
        lambda i: lax.all_gather(lax.axis_index("d"), "d", axis_index_groups=PAIRS)[0], UNKNOWN,
    ),
    "a constant of the next": (lambda i: lax.ppermute(jnp.int32(3), "d", RING), CONSTANT),
    # Devices without a sender get 0.
    "a constant of the next, if any": (
        lambda i: lax.ppermute(jnp.int32(3), "d", RING[:2]), UNKNOWN,
    ),
    "the index of the next": (lambda i: lax.ppermute(lax.axis_index("d"), "d", RING), UNKNOWN),
    "a part of all": (
        lambda i: lax.all_to_all(jnp.arange(4), "d", 0, 0, tiled=True)[0], UNKNOWN,
    ),
    "a part of the sum": (lambda i: lax.psum_scatter(jnp.arange(4), "d"), UNKNOWN),
}  # fmt: skip


def on_devices(f):
    """`f(number)` on each of four devices, stacked."""
    mesh = Mesh(np.array(jax.devices()[:4]), ("d",))
    return shard_map(
        lambda i, key: f(i[0], key)[None],
        mesh=mesh, in_specs=(P("d"), P()), out_specs=P("d"), check_vma=False,
    )  # fmt: skip


@pytest.mark.parametrize(("number", "claim"), FOLDED.values(), ids=FOLDED)
def test_a_key_that_devices_make_together(number, claim):
    numbers = jnp.array([5, 1, 7, 2])
    drawing = on_devices(lambda i, key: jax.random.normal(jax.random.fold_in(key, number(i))))
    _, engine = followed(drawing, numbers, KEY)
    (draw,) = engine.draws
    words = on_devices(lambda i, key: jax.random.key_data(jax.random.fold_in(key, number(i))))
    distinct = len(np.unique(jax.jit(words)(numbers, KEY), axis=0))

    assert draw.keys[0].along(0) is claim
    assert claim is UNKNOWN or distinct == (4 if claim is DISTINCT else 1)
