"""Collectives computed on one device give each device the same values as `shard_map`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import jaxrng_doctor
from jaxrng_doctor.analysis.keys import collectives
from jaxrng_doctor.jax_internals import equations
from tests.rules.meshes import shard_map

PAIRS = [[0, 2], [3, 1]]
RING = [(0, 1), (1, 2), (2, 3), (3, 0)]

OVER_ONE_AXIS = {
    "psum of groups": lambda v: lax.psum(v, "d", axis_index_groups=PAIRS),
    "pmax of groups": lambda v: lax.pmax(v, "d", axis_index_groups=PAIRS),
    "pmin of groups": lambda v: lax.pmin(v, "d", axis_index_groups=PAIRS),
    "all_gather of groups": lambda v: lax.all_gather(v, "d", axis_index_groups=PAIRS, axis=1),
    "all_gather of groups, tiled": lambda v: lax.all_gather(
        v, "d", axis_index_groups=PAIRS, axis=1, tiled=True
    ),
    "all_to_all of groups": lambda v: lax.all_to_all(v, "d", 1, 0, axis_index_groups=PAIRS),
    "all_to_all of groups, tiled": lambda v: lax.all_to_all(
        v, "d", 0, 1, axis_index_groups=PAIRS, tiled=True
    ),
    "psum_scatter of groups": lambda v: lax.psum_scatter(
        v, "d", axis_index_groups=PAIRS, scatter_dimension=1
    ),
    "psum_scatter of groups, tiled": lambda v: lax.psum_scatter(
        v, "d", axis_index_groups=PAIRS, tiled=True
    ),
    "ppermute of some": lambda v: lax.ppermute(v, "d", [(0, 1), (3, 0)]),
    "ppermute of none": lambda v: lax.ppermute(v, "d", []),
}
OVER_TWO_AXES = {
    "all_gather": lambda v: lax.all_gather(v, ("a", "b")),
    "all_gather, the other way": lambda v: lax.all_gather(v, ("b", "a")),
    "psum_scatter": lambda v: lax.psum_scatter(v, ("a", "b"), tiled=True),
    "ppermute": lambda v: lax.ppermute(v, ("a", "b"), RING),
    "ppermute of some": lambda v: lax.ppermute(v, ("a", "b"), RING[:2]),
}
VALUES = jnp.arange(32, dtype=jnp.uint32).reshape(4, 4, 2) * jnp.uint32(2654435761)
KEYS = jax.random.split(jax.random.key(3), (4, 3))


def on_devices(f, values, axes):
    """The results of `shard_map` on four devices, one per device."""
    devices = np.array(jax.devices()[:4]).reshape(list(axes.values()))
    spec = P(tuple(axes))
    program = shard_map(
        lambda v: f(v[0])[None],
        mesh=Mesh(devices, tuple(axes)),
        in_specs=spec,
        out_specs=spec,
        check_vma=False,
    )
    return program(values)


def on_one(f, values, axes):
    jaxpr, consts = equations.open_jaxpr(jax.make_jaxpr(f, axis_env=list(axes.items()))(values[0]))
    assert not consts
    done = set()

    def run(value):
        env = {jaxpr.invars[0]: value}
        for eqn in jaxpr.eqns:
            ins = [env[v] for v in eqn.invars]
            does = equations.evaluate
            if collectives.needs_all(eqn):
                does = collectives.on_one_device
                done.add(eqn.primitive.name)
            env.update(zip(eqn.outvars, does(eqn, ins), strict=True))
        return env[jaxpr.outvars[0]]

    for name in reversed(axes):
        run = jax.vmap(run, axis_name=name)
    outs = run(values.reshape(*axes.values(), *values.shape[1:]))
    assert len(done) == 1
    return outs.reshape(len(values), *outs.shape[len(axes) :])


def assert_equal(one, other):
    assert one.dtype == other.dtype
    if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("f", OVER_ONE_AXIS.values(), ids=OVER_ONE_AXIS)
def test_over_one_axis(f):
    axes = {"d": 4}
    assert_equal(on_one(f, VALUES, axes), on_devices(f, VALUES, axes))


@pytest.mark.parametrize("f", OVER_TWO_AXES.values(), ids=OVER_TWO_AXES)
def test_over_two_axes(f):
    axes = {"a": 2, "b": 2}
    assert_equal(on_one(f, VALUES, axes), on_devices(f, VALUES, axes))


def test_typed_keys():
    f, axes = OVER_ONE_AXIS["ppermute of some"], {"d": 4}
    assert_equal(on_one(f, KEYS, axes), on_devices(f, KEYS, axes))


def test_what_is_broadcast_from_one_device_is_equal_on_all():
    """`lax.pbroadcast` has no CPU lowering, so it is not run and there is no result to compare."""
    mesh = Mesh(np.array(jax.devices()[:4]), ("d",))

    def program(x, keys):
        def f(part, keys):
            raw = lax.pbroadcast(jax.random.key_data(keys[0]), "d", 2)
            return part + jax.random.normal(jax.random.wrap_key_data(raw), part.shape)

        mapped = shard_map(
            f, mesh=mesh, in_specs=(P("d"), P("d")), out_specs=P("d"), check_vma=False
        )
        return mapped(x, keys)

    report = jaxrng_doctor.check(program, (jnp.ones((4, 3)), KEYS[:, 0]))

    (finding,) = report.findings
    assert (finding.code, finding.confidence) == ("RNG004", "proven")
    assert (finding.evidence.examples, finding.evidence.distinct_keys) == (4, 1)
