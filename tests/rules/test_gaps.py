"""What cannot be followed is a gap: neither a finding that may be wrong, nor silence."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.custom_batching import custom_vmap
from jax.experimental import io_callback
from jax.extend import core as jex_core

import jaxrng_doctor
from tests.rules.meshes import shard_map

X = jnp.arange(12.0).reshape(4, 3)
KEYS = {"typed": jax.random.key, "legacy": jax.random.PRNGKey}
SHAPE = jax.ShapeDtypeStruct((3,), jnp.float32)


def words(key):
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key


def ones(_):
    return np.ones(3, np.float32)


def over_rows(f):
    return lambda x, key: jax.vmap(lambda row: row + f(row, key))(x)


strange = jex_core.Primitive("strange")
strange.def_abstract_eval(lambda _: jax.core.ShapedArray((3,), jnp.float32))


@custom_vmap
def noisy(row, key):
    return row + jax.random.normal(key, row.shape)


@noisy.def_vmap
def noisy_batch(size, mapped, rows, key):
    # One draw for the whole batch: healthy, although the function of one row would not be.
    return noisy(rows, key), True


def a_vmap_rule_within_a_scan(x, key):
    def f(row):
        return jax.lax.scan(lambda row, _: (noisy(row, key), None), row, length=2)[0]

    return jax.vmap(f)(x)


def in_a_scan_and_a_jit(x, key):
    @jax.jit
    def inner(carry, row):
        return carry, row + jax.pure_callback(ones, SHAPE, carry)

    return jax.lax.scan(inner, words(key), x)[1]


def in_a_loop(x, key):
    def body(carry):
        count, words, x = carry
        return count + 1, words * 3, x + jax.pure_callback(ones, SHAPE, words)

    return jax.lax.while_loop(lambda carry: carry[0] < 3, body, (0, words(key), x))[2]


def in_a_branch(x, key):
    with_noise = functools.partial(jax.pure_callback, ones, SHAPE)
    return x + jax.lax.cond(x[0, 0] > 0, with_noise, lambda _: x[0], words(key))


GOES_INTO = {
    "a callback": (over_rows(lambda _, key: io_callback(ones, SHAPE, words(key))), "io_callback"),
    "a callback in a scan": (in_a_scan_and_a_jit, "pure_callback"),
    "a callback in a loop": (in_a_loop, "pure_callback"),
    "a callback in a branch": (in_a_branch, "pure_callback"),
    "an unknown primitive": (lambda x, key: x + strange.bind(words(key)), "strange"),
    "an unknown primitive under vmap": (
        over_rows(lambda row, key: strange.bind(words(key))),
        "strange",
    ),
}


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("fn", "name"), GOES_INTO.values(), ids=GOES_INTO)
def test_a_key_that_goes_where_nobody_can_follow(fn, name, make):
    report = jaxrng_doctor.check(fn, (X, make(0)), run=False)

    assert [gap.message for gap in report.gaps] == [
        f"a key goes into `{name}`, which is not followed"
    ]
    assert report.findings == ()


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("run", [True, False])
def test_a_vmap_rule_of_the_users_own_is_not_taken_for_the_function(make, run):
    report = jaxrng_doctor.check(a_vmap_rule_within_a_scan, (X, make(0)), run=run)

    assert [gap.message for gap in report.gaps] == [
        "a function's own vmap rule is not followed inside of a loop or jit"
    ]
    assert report.findings == ()


def test_no_gap_where_no_key_goes_into_it():
    def f(x, key):
        x = x + jax.random.normal(key, x.shape)
        return x + jax.pure_callback(ones, SHAPE, x[0]) + strange.bind(x[1])

    report = jaxrng_doctor.check(f, (X, jax.random.key(0)), run=False)

    assert report.gaps == ()
    assert len(report.draws) == 1


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
def test_a_kernel(make):
    pallas = pytest.importorskip("jax.experimental.pallas", exc_type=ImportError)

    def kernel(words, row, out):
        key = jax.random.wrap_key_data(words[...])
        out[...] = row[...] + jax.random.uniform(key, (3,))

    def f(x, key):
        call = pallas.pallas_call(kernel, out_shape=SHAPE, interpret=True)
        return jax.vmap(lambda row: call(words(key), row))(x)

    report = jaxrng_doctor.check(f, (X, make(0)), run=False)

    assert [gap.message for gap in report.gaps] == ["draws inside `pallas_call` are not followed"]
    assert report.findings == ()


def test_a_draw_without_a_key():
    def f(x):
        return jax.vmap(lambda row: row + jax.lax.rng_uniform(0.0, 1.0, (3,)))(x)

    report = jaxrng_doctor.check(f, (X,), run=False)

    assert [gap.message for gap in report.gaps] == ["lax.rng_uniform draws without a key"]


def steps_of(make_key, count):
    def program(x, key):
        def step(carry):
            i, row = carry
            return i + 1, row + jax.random.normal(make_key(key, i), row.shape)

        return jax.lax.while_loop(lambda carry: carry[0] < count, step, (0, x))[1]

    return program


def test_steps_that_nobody_looked_at_are_not_called_distinct():
    """The keys of all 300 steps differ but those of the last 20, which are one."""

    def late(key, i):
        return jax.random.fold_in(key, jnp.minimum(i, 280))

    report = jaxrng_doctor.check(steps_of(late, 300), (X, jax.random.key(0)))

    assert [gap.message for gap in report.gaps] == [
        "only the first 256 steps of while_loop were followed, of more"
    ]
    assert report.draws[0].scopes[0].varies is None


@pytest.mark.parametrize("count", [255, 256])
def test_a_loop_that_ends_in_time_is_looked_at_whole(count):
    def late(key, i):
        return jax.random.fold_in(key, jnp.minimum(i, 280))

    report = jaxrng_doctor.check(steps_of(late, count), (X, jax.random.key(0)))

    assert report.gaps == ()
    assert report.draws[0].scopes[0].varies is True


def test_a_long_loop_is_no_gap_where_the_trace_tells_enough():
    report = jaxrng_doctor.check(steps_of(jax.random.fold_in, 300), (X, jax.random.key(0)))

    assert report.gaps == ()
    assert report.draws[0].scopes[0].varies is True


@pytest.mark.parametrize("run", [True, False])
def test_what_is_gathered_from_some_devices_is_not_taken_for_the_same_on_all(run):
    """Each device is a group of its own, and so gathers but its own key: a healthy program."""
    mesh = jax.sharding.Mesh(jax.devices()[:4], ("d",))

    def f(part, keys):
        words = jax.lax.all_gather(
            jax.random.key_data(keys[0]), "d", axis_index_groups=[[0], [1], [2], [3]]
        )
        return part + jax.random.normal(jax.random.wrap_key_data(words[0]), part.shape)

    part = jax.sharding.PartitionSpec("d")
    program = shard_map(f, mesh=mesh, in_specs=(part, part), out_specs=part, check_vma=False)
    report = jaxrng_doctor.check(program, (X, jax.random.split(jax.random.key(0), 4)), run=run)

    assert report.findings == ()
    assert report.draws[0].scopes[0].varies is None
