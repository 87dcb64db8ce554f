"""The comparison: the function is run, and the outputs of its examples are compared as by NumPy."""

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrng_doctor
from jaxrng_doctor._util import time_limit
from jaxrng_doctor.checking.examine import examine
from jaxrng_doctor.model.target import Target


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def compare(fn, *args, **options):
    return jaxrng_doctor.check(fn, args, **options).targets[0].comparison


def split(n):
    return jax.random.split(jax.random.key(0), n)


X = jnp.arange(12.0).reshape(4, 3)
KEY = jax.random.key(0)


def test_a_shared_key_shows_on_inputs_repeated_from_the_first_example():
    comparison = compare(noisy, X, KEY, in_axes=(0, None))

    assert (comparison.size, comparison.unavailable) == (4, "")
    [leaf] = comparison.leaves
    assert (leaf.path, leaf.shape, leaf.dtype, leaf.axis) == ("", (4, 3), "float32", 0)
    assert (leaf.given.first_equals_last, leaf.given.equal_pairs, leaf.given.pairs) == (False, 0, 6)
    assert leaf.given.max_difference == pytest.approx(9.0)
    assert leaf.replicated.first_equals_last
    assert (leaf.replicated.equal_pairs, leaf.replicated.distinct) == (6, 1)
    assert leaf.replicated.max_difference == 0.0


def test_split_keys_show_there_too():
    keys = split(4)
    [leaf] = compare(noisy, X, keys, in_axes=0).leaves

    given = np.stack([noisy(x, k) for x, k in zip(X, keys, strict=True)])
    repeated = np.stack([noisy(X[0], k) for k in keys])
    for found, outputs in ((leaf.given, given), (leaf.replicated, repeated)):
        assert (found.equal_pairs, found.distinct) == (0, 4)
        assert found.max_difference == pytest.approx(np.max(np.abs(outputs[0] - outputs[-1])), 1e-5)


def test_repeated_from_the_first_example_for_a_vmap_inside():
    def fn(x, key):
        return jax.vmap(noisy, (0, None))(x * 2, key).T

    comparison = compare(fn, X, KEY)

    [leaf] = comparison.leaves
    assert (comparison.size, leaf.shape, leaf.axis) == (4, (3, 4), 1)
    assert (leaf.given.distinct, leaf.replicated.distinct) == (4, 1)


def test_keys_that_take_turns_are_missed_by_first_and_last_and_not_by_all_pairs():
    first, second = jax.random.split(KEY)

    [leaf] = compare(noisy, X, jnp.stack([first, second] * 2), in_axes=0).leaves

    assert not leaf.replicated.first_equals_last
    assert (leaf.replicated.equal_pairs, leaf.replicated.distinct) == (2, 2)


def test_every_leaf_by_its_path():
    def fn(x, key):
        noise = jax.random.normal(key, x.shape)
        return {"y": (x + noise, [noise > 0]), "own": jax.random.split(key)}

    leaves = compare(fn, X, split(4), in_axes=0).leaves

    assert [leaf.path for leaf in leaves] == ["['own']", "['y'][0]", "['y'][1][0]"]
    assert [leaf.dtype for leaf in leaves] == ["key<fry>", "float32", "bool"]
    assert [leaf.given.max_difference is None for leaf in leaves] == [True, False, False]
    assert leaves[0].given.distinct == 4


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_keys_as_outputs(make):
    def fn(x, key):
        return x, key

    same = compare(fn, X, make(0), in_axes=(0, None)).leaves[1].given
    differing = compare(fn, X, jax.random.split(make(0), 4), in_axes=0).leaves[1].given

    assert (same.first_equals_last, same.distinct) == (True, 1)
    assert (differing.first_equals_last, differing.distinct) == (False, 4)


def test_leaves_without_a_batch_axis_have_nothing_to_compare():
    def fn(x, key):
        out = jax.vmap(noisy, (0, None))(x, key)
        return jnp.mean(out), out, out.reshape(-1)

    loss, out, flat = compare(fn, X, KEY).leaves

    assert (loss.axis, loss.given, loss.replicated) == (None, None, None)
    assert (flat.axis, flat.given) == (None, None)
    assert out.axis == 0
    assert out.replicated.distinct == 1


def test_the_batch_axis_is_followed_through_what_comes_after_the_vmap():
    def fn(x, key):
        out = jax.vmap(noisy, (0, None), out_axes=1)(x, key)  # (3, 4)
        return out, out.sum(0), out.T @ jnp.ones((3, 2)), out[None], jnp.exp(out).max(axis=1)

    leaves = compare(fn, X, KEY).leaves

    assert [leaf.axis for leaf in leaves] == [1, 0, 0, 2, None]
    assert {leaf.replicated.distinct for leaf in leaves[:-1]} == {1}


def test_examples_of_single_numbers():
    def fn(x, key):
        return jnp.sum(noisy(x, key)), x[0] > 1, jnp.int8(3)

    total, large, three = compare(fn, X, split(4), in_axes=0).leaves

    assert (total.shape, total.given.distinct) == ((4,), 4)
    assert (large.given.equal_pairs, large.given.max_difference) == (3, 1.0)
    assert (three.dtype, three.given.distinct, three.given.max_difference) == ("int8", 1, 0.0)


def test_examples_without_any_number():
    [leaf] = compare(lambda x, key: noisy(x, key)[:0], X, split(4), in_axes=0).leaves

    assert leaf.shape == (4, 0)
    assert leaf.given.equal_pairs == 6


@pytest.mark.parametrize(("size", "pairs", "distinct"), [(0, 0, 0), (1, 0, 1), (2, 1, 2)])
def test_small_batches(size, pairs, distinct):
    report = jaxrng_doctor.check(noisy, (X[:size], split(2)[:size]), in_axes=0)

    assert report.findings == ()
    [leaf] = report.targets[0].comparison.leaves
    assert (leaf.given.pairs, leaf.given.distinct) == (pairs, distinct)
    assert leaf.given.first_equals_last == (size < 2)


def test_no_arrays_and_no_batch():
    assert "no arrays" in compare(lambda x: None, X).unavailable
    assert "no vmap" in compare(noisy, X, KEY).unavailable
    assert "no arrays" in compare(lambda x: (), X, in_axes=0).unavailable


def test_nothing_is_run_where_running_is_off():
    ran = []

    def fn(x, key):
        jax.debug.callback(ran.append, x[0])
        return noisy(x, key)

    report = jaxrng_doctor.check(fn, (X, KEY), in_axes=(0, None), run=False)

    jax.effects_barrier()
    assert ran == []
    assert report.targets[0].comparison is None
    assert [f.confidence for f in report.findings] == ["inferred"]


DONATING = {
    "called directly": lambda f: (f, {}),
    "under the doctor's vmap": lambda f: (f, {"in_axes": 0}),
    "under a vmap inside": lambda f: (jax.vmap(f), {}),
    "for nothing": lambda f: (lambda x, key: (f(x, key), key)[1], {}),
    "in another jit": lambda f: (jax.jit(f), {}),
}


@pytest.mark.parametrize("way", DONATING)
def test_arrays_that_the_function_donates_stay_the_users(way):
    fn, options = DONATING[way](jax.jit(noisy_batch, donate_argnums=0))
    x, keys = X + 0, split(4)

    jaxrng_doctor.check(fn, (x, keys), **options)

    assert not x.is_deleted()
    assert not keys.is_deleted()


def noisy_batch(x, key):
    key = key.reshape(-1)[0]
    return x + jax.random.normal(key, x.shape)


@pytest.fixture
def wanted():
    """An event that a run waits for, in a thread that continues after the run has timed out."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == time_limit.THREAD_NAME:
            thread.join(30)


def test_a_function_that_does_not_end_is_stopped(wanted):
    def fn(x, key):
        def wait(x):
            wanted.wait(30)
            return x

        x = jax.pure_callback(wait, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
        return jax.vmap(noisy, (0, None))(x, key)

    started = time.monotonic()
    report = examine(Target("fn", fn, (X, KEY)), timeout=1)

    assert time.monotonic() - started < 20
    assert "timed out after 1 s" in report.comparison.unavailable
    assert [(f.code, f.confidence) for f in report.findings] == [("RNG001", "proven")]
    assert report.failure is None


def test_keys_that_take_for_ever_are_stopped(wanted):
    def fn(x):
        def wait(seed):
            wanted.wait(30)
            return seed

        seed = jax.pure_callback(wait, jax.ShapeDtypeStruct((), "int32"), jnp.int32(0))
        return jax.vmap(noisy, (0, None))(x, jax.random.key(seed))

    report = examine(Target("fn", fn, (X,)), timeout=1)

    assert [(f.code, f.confidence) for f in report.findings] == [("RNG001", "inferred")]
    assert ["timed out after 1 s" in gap.message for gap in report.gaps] == [True]
    assert report.comparison.unavailable


@pytest.mark.filterwarnings("ignore")
def test_a_function_that_raises_as_it_runs(capfd):
    def fn(x, key):
        def fail(x):
            raise ValueError("no such file")

        x = jax.pure_callback(fail, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
        return jax.vmap(noisy, (0, None))(x, key)

    report = jaxrng_doctor.check(fn, (X, KEY))

    [failure] = report.failures
    assert failure.stage == "run"
    assert not report.ok
    assert [(f.code, f.confidence) for f in report.findings] == [("RNG001", "proven")]
    assert report.targets[0].comparison is None
