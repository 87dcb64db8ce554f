"""JAX settings that change which keys are equal, or the dtypes."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrng_doctor

KEYS = {"typed": jax.random.key, "legacy": jax.random.PRNGKey}


def set_to(name, value):
    @contextlib.contextmanager
    def setting():
        before = getattr(jax.config, name)
        jax.config.update(name, value)
        try:
            yield
        finally:
            jax.config.update(name, before)

    return setting()


def split_and_fold(key):
    a = jax.random.normal(jax.random.split(key, 2)[1])
    return a + jax.random.normal(jax.random.fold_in(key, 1))


def split_in_two_shapes(key):
    a = jax.random.normal(jax.random.split(key, 4)[3])
    return a + jax.random.normal(jax.random.split(key, (2, 2))[1, 1])


def keys_of(fn, key):
    """The two keys that `fn` draws from, recorded without jaxrng-doctor."""
    drawn = []
    original, jax.random.normal = jax.random.normal, lambda key: drawn.append(key) or 0.0
    try:
        fn(key)
    finally:
        jax.random.normal = original
    return drawn


SHARING = {"RNG005", "RNG006", "RNG007"}


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("partitionable", [True, False])
@pytest.mark.parametrize("run", [True, False])
@pytest.mark.parametrize("fn", [split_and_fold, split_in_two_shapes])
def test_derivations_that_meet_depend_on_how_threefry_counts(fn, partitionable, make, run):
    with set_to("jax_threefry_partitionable", partitionable):
        first, second = map(jax.random.key_data, keys_of(fn, make(0)))

        report = jaxrng_doctor.check(fn, (make(0),), run=run)

        met = bool(np.array_equal(first, second))
        assert bool(SHARING & {f.code for f in report.findings}) == met
        assert report.failures == report.gaps == ()


def test_they_do_depend_on_it():
    met = set()
    for partitionable in (True, False):
        with set_to("jax_threefry_partitionable", partitionable):
            pair = keys_of(split_and_fold, jax.random.PRNGKey(0))
            met.add((partitionable, bool(np.array_equal(*pair))))
    assert met == {(True, True), (False, False)}


def shared(x, key):
    return jax.vmap(lambda row: row + jax.random.normal(key, row.shape, row.dtype))(x)


def split(x, key):
    keys = jax.random.split(key, 4)
    return jax.vmap(lambda row, key: row + jax.random.normal(key, row.shape, row.dtype))(x, keys)


def folded(x, key):
    def f(row, i):
        return row + jax.random.normal(jax.random.fold_in(key, i), row.shape, row.dtype)

    return jax.vmap(f)(x, jnp.arange(4))


def stepping(x, key):
    def step(count, row):
        return count + 1, row + jax.random.normal(jax.random.fold_in(key, count), row.shape)

    return jax.lax.scan(step, 0, x)[1]


def looping(x, key):
    def body(i, x):
        return x.at[i].add(jax.random.uniform(key, (), x.dtype))

    return jax.lax.fori_loop(0, 4, body, x)


WIDE = {shared: ["RNG001"], split: [], folded: [], stepping: [], looping: ["RNG003"]}


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("run", [True, False])
@pytest.mark.parametrize(("fn", "codes"), WIDE.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_numbers_of_64_bits(fn, codes, make, run):
    with set_to("jax_enable_x64", True):
        x = jnp.arange(12.0).reshape(4, 3)
        assert x.dtype == "float64"

        report = jaxrng_doctor.check(fn, (x, make(0)), run=run)

        assert [f.code for f in report.findings] == codes
        assert {f.confidence for f in report.findings} <= {"proven" if run else "inferred"}
        assert report.failures == report.gaps == ()
