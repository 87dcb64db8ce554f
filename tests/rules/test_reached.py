"""Draws that at most one example reaches, and draws that share keys over several scopes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import jaxrng_doctor
from tests.rules.meshes import shard_map

X = jnp.arange(4.0)
KEY = jax.random.key(3)


def where_large(x, key):
    def f(value):
        return jax.lax.cond(value > 2.5, lambda: jax.random.normal(key), lambda: 0.0)

    return jax.vmap(f)(x)


def where_first(x, key):
    def f(value, i):
        return jax.lax.cond(i == 0, lambda: value + jax.random.normal(key), lambda: value)

    return jax.vmap(f)(x, jnp.arange(4))


def reported(fn, x, **options):
    report = jaxrng_doctor.check(fn, (x, KEY), **options)
    assert report.gaps == ()
    return [(f.code, f.severity, f.confidence) for f in report.findings]


def test_what_only_these_inputs_keep_from_sharing_is_a_note():
    assert reported(where_large, X) == [("RNG001", "note", "inferred")]
    assert reported(where_large, X - 4) == [("RNG001", "note", "inferred")]
    assert reported(where_large, X + 1) == [("RNG001", "error", "proven")]
    assert reported(where_large, X, run=False) == [("RNG001", "error", "inferred")]


def test_the_note_says_that_nothing_was_shared():
    (finding,) = jaxrng_doctor.check(where_large, (X, KEY)).findings

    assert finding.notes == ("with these inputs at most one draws at a time, so no key was shared",)


def test_what_no_inputs_make_share_is_clean():
    for run in (True, False):
        report = jaxrng_doctor.check(where_first, (X, KEY), run=run)
        assert report.findings == ()
        assert report.draws[0].scopes[0].varies is True


def test_a_constant_key_that_one_example_draws_from_is_reported_as_such():
    @jax.jit
    def first(i):
        return jax.lax.cond(i == 0, lambda: jax.random.normal(jax.random.key(7)), lambda: 0.0)

    def program(x, key):
        return x + jax.vmap(first)(jnp.arange(4)) + jax.random.normal(key)

    assert reported(program, X) == [("RNG011", "note", "inferred")]


def sharded(axes):
    devices = np.array(jax.devices()[:4]).reshape([2] * len(axes) if len(axes) > 1 else [4])
    spec = P(axes)

    def wrap(f):
        mesh = Mesh(devices, axes)
        return shard_map(f, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)

    return wrap


def test_the_axes_and_who_shares_with_whom_are_reported():
    def program(x, key):
        def f(part):
            number = jax.lax.axis_index("a") + jax.lax.axis_index("b")
            return part + jax.random.normal(jax.random.fold_in(key, number), part.shape)

        return sharded(("a", "b"))(f)(x)

    (finding,) = jaxrng_doctor.check(program, (X, KEY)).findings

    assert finding.code == "RNG004"
    assert finding.message == (
        "4 draws over the axis 'a' (2) and the axis 'b' (2) together have only 3 distinct keys: "
        "(a 0, b 1) and (a 1, b 0) share one; over each scope alone the keys differ"
    )
    assert (finding.evidence.examples, finding.evidence.distinct_keys) == (4, 3)
    assert finding.evidence.equal_pair == (1, 2)


def test_each_smallest_set_of_scopes_that_share_is_reported():
    """On each device, examples and steps share keys; for each example, devices and steps do."""

    def program(x, key):
        def f(part):
            def one(value, i):
                def step(value, t):
                    # Equal: 10 * d and 10 if i is, 7 * i and 7 if d is, but never 10 * d and 7 * i.
                    number = 10 * jax.lax.axis_index("d") + 7 * i + jnp.array([0, 7, 10])[t]
                    return value + jax.random.normal(jax.random.fold_in(key, number)), None

                return jax.lax.scan(step, value, jnp.arange(3))[0]

            return jax.vmap(one)(part, jnp.arange(2))

        return sharded(("d",))(f)(jnp.concatenate([x, x]))

    findings = jaxrng_doctor.check(program, (X, KEY)).findings

    messages = {f.code: f.message for f in findings}
    assert set(messages) == {"RNG002", "RNG004"}
    assert len(findings) == 2
    assert "over the vmap (2) and the scan (3) together" in messages["RNG002"]
    assert "over the axis 'd' (4) and the scan (3) together" in messages["RNG004"]
