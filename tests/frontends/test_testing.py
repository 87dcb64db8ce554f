"""The assertions of `jaxrng_doctor.testing`, on functions whose draws are known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxrng_doctor import UsageError
from jaxrng_doctor.testing import assert_independent, assert_same_randomness, assert_shared

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 4)
X = jnp.arange(4.0)


def noisy(x, key):
    return x + jax.random.normal(key)


def twice(x, key):
    return x + jax.random.normal(key) * jax.random.normal(key)


def still(x, key):
    return 2 * x


def with_a_host_function(x, key):
    data = jax.random.key_data(key)
    words = jax.pure_callback(lambda w: w, jax.ShapeDtypeStruct(data.shape, data.dtype), data)
    return x + jax.random.normal(jax.random.wrap_key_data(words))


# -- independent -----------------------------------------------------------------------------


def test_separate_keys_are_independent():
    assert_independent(noisy, X, KEYS, in_axes=(0, 0))
    assert_independent(still, X, KEY, in_axes=(0, None))
    assert_independent(jax.vmap(noisy), X, KEYS)


def test_a_shared_key_is_reported():
    with pytest.raises(AssertionError) as raised:
        assert_independent(noisy, X, KEY, in_axes=(0, None))
    assert "error[RNG001]" in str(raised.value)
    assert "test_testing.py" in str(raised.value)
    with pytest.raises(AssertionError, match="RNG005"):
        assert_independent(twice, X[0], KEY)


def test_keywords_and_the_axis_size_are_passed_on():
    def keyword(*, key):
        return jax.random.normal(key)

    assert_independent(keyword, kwargs={"key": KEYS}, in_axes=0)
    with pytest.raises(AssertionError, match="all 3 examples"):
        assert_independent(lambda key: jax.random.normal(key), KEY, in_axes=None, axis_size=3)


def test_a_gap_fails_unless_it_is_accepted():
    with pytest.raises(AssertionError, match="1 gap"):
        assert_independent(with_a_host_function, X[0], KEY)
    assert_independent(with_a_host_function, X[0], KEY, gaps=True)


def test_wrong_in_axes_are_a_usage_error():
    with pytest.raises(UsageError):
        assert_independent(noisy, X, KEY, in_axes=(0,))


def test_what_the_function_raises_is_raised():
    def fails(x):
        raise RuntimeError("no")

    for assertion in (assert_independent, assert_shared):
        with pytest.raises(RuntimeError, match="no"):
            assertion(fails, X)
    with pytest.raises(RuntimeError, match="no"):
        assert_same_randomness(fails, fails, X)


# -- shared ----------------------------------------------------------------------------------


def test_one_key_for_all_is_shared():
    assert_shared(noisy, X, KEY, in_axes=(0, None))
    assert_shared(twice, X, KEY, in_axes=(0, None))
    assert_shared(lambda x: noisy(x, jax.random.key(3)), X)


@pytest.mark.parametrize(
    ("keys", "message"),
    [(KEYS, "4 keys for 4 examples"), (jnp.stack([KEY, KEY, *KEYS[:2]]), "3 keys for 4 examples")],
)
def test_separate_keys_are_not_shared(keys, message):
    with pytest.raises(AssertionError, match=message):
        assert_shared(noisy, X, keys)


def test_one_draw_that_is_not_shared_is_named():
    def both(x, shared, own):
        return noisy(x, shared) + jax.random.uniform(own)

    with pytest.raises(AssertionError) as raised:
        assert_shared(both, X, jax.random.key(5), KEYS, in_axes=(0, None, 0))
    first = str(raised.value).splitlines()[0]
    assert first.startswith("jax.random.uniform at ")
    assert "4 keys for 4 examples" in first


def test_without_a_draw_nothing_is_shared():
    with pytest.raises(AssertionError, match="nothing is drawn"):
        assert_shared(still, X, KEY, in_axes=(0, None))


# -- the same randomness ---------------------------------------------------------------------


def loop(keys):
    return jnp.stack([jax.random.normal(key, (3,)) for key in keys])


def mapped(keys):
    return jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)


def scanned(keys):
    def step(_, key):
        return None, jax.random.normal(key, (3,))

    return jax.lax.scan(step, None, keys)[1]


def backwards(keys):
    return loop(keys[::-1])[::-1]


@pytest.mark.parametrize("new", [loop, mapped, scanned, backwards, jax.jit(scanned)])
def test_a_refactoring_draws_the_same_numbers(new):
    assert (loop(KEYS) == new(KEYS)).all()  # what JAX itself says

    assert_same_randomness(loop, new, KEYS)


@pytest.mark.parametrize(
    ("new", "old_only", "new_only"),
    [
        (lambda keys: loop(keys[:3]), 1, 0),
        (lambda keys: loop(jnp.stack([keys[0], *keys])), 0, 1),
        (lambda keys: loop(jax.vmap(lambda k: jax.random.fold_in(k, 1))(keys)), 4, 4),
        (lambda keys: jax.vmap(lambda key: jax.random.normal(key, (4,)))(keys), 4, 4),
        (lambda keys: jax.vmap(lambda key: jax.random.uniform(key, (3,)))(keys), 4, 4),
        (lambda keys: jnp.zeros((4, 3)), 4, 0),
    ],
    ids=["one less", "one again", "other keys", "other shape", "other sampler", "none"],
)
def test_other_numbers_are_listed(new, old_only, new_only):
    with pytest.raises(AssertionError) as raised:
        assert_same_randomness(loop, new, KEYS)

    lines = str(raised.value).splitlines()[1:]
    assert sum("old only" in line for line in lines) == old_only
    assert sum("new only" in line for line in lines) == new_only
    assert all("test_testing.py:" in line for line in lines)


def test_a_list_of_differences_is_short():
    with pytest.raises(AssertionError, match="old only: 12 more draws"):
        assert_same_randomness(mapped, lambda keys: keys, jax.random.split(KEY, 20))


def test_keys_that_cannot_be_followed_are_not_called_equal():
    with pytest.raises(AssertionError, match="cannot be compared"):
        assert_same_randomness(with_a_host_function, with_a_host_function, X[0], KEY)


def test_what_a_backward_pass_repeats_counts_once():
    def loss(x, key):
        return (x * jnp.sin(x * jax.random.normal(key, x.shape))).sum()

    old, new = jax.grad(loss), jax.grad(jax.checkpoint(loss))
    assert_same_randomness(old, new, X, KEY)
