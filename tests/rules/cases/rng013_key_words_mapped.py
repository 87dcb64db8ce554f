"""RNG013: `in_axes` that map the words of legacy keys, and axes that only seem to."""

import jax
import jax.numpy as jnp

CONFIDENCE = "inferred"


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def raw(key):
    """The key as words, typed or legacy."""
    return key if key.ndim else jax.random.key_data(key)


# -- bad ---------------------------------------------------------------------------------


def mapped_at_one(x, key):
    keys = jax.random.split(raw(key), 2)
    return jax.vmap(lambda key: jax.random.normal(key, (3,)), in_axes=1)(keys)  # RNG013


def mapped_at_minus_one(x, key):
    keys = jax.random.split(raw(key), 2)
    return jax.vmap(lambda key: jax.random.normal(key, (3,)), in_axes=-1)(keys)  # RNG013


def beside_data(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG013

    return jax.vmap(f, in_axes=(0, 1))(x[:2], jax.random.split(raw(key)))


def transposed(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG013

    return jax.vmap(f)(x[:2], jax.random.split(raw(key)).T)


def wrapped_inside(x, key):
    def f(row, words):
        own = jax.random.wrap_key_data(words)
        return row + jax.random.normal(own, row.shape)  # RNG013

    return jax.vmap(f, in_axes=(0, 1))(x[:2], jax.random.split(raw(key)))


def split_under_the_vmap(x, key):
    def f(row, key):
        first, second = jax.random.split(key)
        row = row + jax.random.normal(first, row.shape)  # RNG013
        return row * jax.random.uniform(second)  # RNG013

    return jax.vmap(f, in_axes=(0, 1))(x[:2], jax.random.split(raw(key)))


def folded_under_the_vmap(x, key):
    def f(row, key):
        own = jax.random.fold_in(key, 1)
        return row + jax.random.normal(own, row.shape)  # RNG013

    return jax.vmap(f, in_axes=(0, 1))(x[:2], jax.random.split(raw(key)))


def second_axis_of_a_grid(x, key):
    keys = jax.random.split(raw(key), (2, 2))

    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG013

    return jax.vmap(lambda keys: jax.vmap(f, (0, 1))(x[:2], keys))(keys)


def moved_first_and_mapped(x, key):
    keys = jnp.moveaxis(jax.random.split(raw(key)), -1, 0)
    return jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)  # RNG013


# -- good --------------------------------------------------------------------------------


def mapped_at_zero(x, key):
    return jax.vmap(noisy)(x[:2], jax.random.split(raw(key), 2))


def mapped_at_zero_of_four(x, key):
    return jax.vmap(noisy)(x, jax.random.split(raw(key), 4))


def transposed_and_mapped_at_one(x, key):
    return jax.vmap(noisy, in_axes=(0, 1))(x[:2], jax.random.split(raw(key), 2).T)


def transposed_twice(x, key):
    return jax.vmap(noisy)(x[:2], jax.random.split(raw(key), 2).T.T)


def middle_axis_of_a_grid(x, key):
    keys = jax.random.split(raw(key), (2, 2))
    return jax.vmap(lambda keys: jax.vmap(noisy)(x[:2], keys), in_axes=1)(keys)


def grid_with_its_axes_swapped(x, key):
    keys = jnp.swapaxes(jax.random.split(raw(key), (2, 2)), 0, 1)
    return jax.vmap(lambda keys: jax.vmap(noisy)(x[:2], keys))(keys)


def words_first_on_purpose(x, key):
    keys = jnp.moveaxis(jax.random.split(raw(key), (2, 2)), -1, 0)
    return jax.vmap(lambda keys: jax.vmap(noisy, (0, 1))(x[:2], keys), in_axes=1)(keys)


def typed_keys_at_one(x, key):
    key = key if not key.ndim else jax.random.wrap_key_data(key)
    keys = jax.random.split(key, (2, 2))
    return jax.vmap(lambda keys: jax.vmap(noisy)(x[:2], keys), in_axes=1)(keys)


def data_at_one(x, key):
    return jax.vmap(noisy, in_axes=(1, 0))(x, jax.random.split(raw(key), 3))
