"""RNG012: mapped rbg keys, of which a draw under a vmap uses only the first."""

import jax
import jax.numpy as jnp
from jax import lax

CONFIDENCE = "inferred"


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def rbg(impl="rbg"):
    return jax.random.key(0, impl=impl)


# -- bad ---------------------------------------------------------------------------------


def mapped(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG012

    return jax.vmap(f)(x, jax.random.split(rbg(), 4))


def mapped_unsafe(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG012

    return jax.vmap(f)(x, jax.random.split(rbg("unsafe_rbg"), 4))


def legacy_words(x, key):
    words = jax.random.key_data(jax.random.split(rbg(), 4))

    def f(row, words):
        own = jax.random.wrap_key_data(words, impl="rbg")
        return row + jax.random.uniform(own, row.shape)  # RNG012

    return jax.vmap(f)(x, words)


def split_under_vmap(x, key):
    def f(row, key):
        first, second = jax.random.split(key)
        row = row + jax.random.normal(first, row.shape)  # RNG012
        return row * jax.random.uniform(second)  # RNG012

    return jax.vmap(f)(x, jax.random.split(rbg(), 4))


def folded_with_the_index(x, key):
    key = rbg()

    def f(row, i):
        own = jax.random.fold_in(key, i)
        return row + jax.random.normal(own, row.shape)  # RNG012

    return jax.vmap(f)(x, jnp.arange(4))


def seeds(x, key):
    def f(row, seed):
        own = jax.random.key(seed, impl="rbg")
        return row + jax.random.normal(own, row.shape)  # RNG012

    return jax.vmap(f)(x, jnp.arange(4))


def equal_keys(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002, RNG012

    return jax.vmap(f)(x, jnp.broadcast_to(rbg(), (4,)))


def in_a_loop_under_vmap(x, key):
    def f(row, key):
        def step(row, key):
            return row + jax.random.normal(key, row.shape), None  # RNG012

        return lax.scan(step, row, jax.random.split(key, 3))[0]

    return jax.vmap(f)(x, jax.random.split(rbg(), 4))


def inner_of_two(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG012

    keys = jax.random.split(rbg(), (2, 4))
    return jax.vmap(lambda keys: jax.vmap(f)(x, keys))(keys)


# -- good --------------------------------------------------------------------------------


def threefry_mapped(x, key):
    return jax.vmap(noisy)(x, jax.random.split(key, 4))


def outside_of_vmap(x, key):
    return noisy(x, rbg())


def unsafe_outside_of_vmap(x, key):
    return noisy(x, rbg("unsafe_rbg"))


def one_draw_for_the_batch(x, key):
    return jax.vmap(jnp.add)(x, jax.random.normal(rbg(), x.shape))


def in_a_scan(x, key):
    return lax.scan(lambda x, key: (noisy(x, key), None), x, jax.random.split(rbg(), 3))[0]


def lax_map_over_keys(x, key):
    return lax.map(lambda pair: noisy(*pair), (x, jax.random.split(rbg(), 4)))


def batch_of_one(x, key):
    return jax.vmap(noisy)(x[:1], jax.random.split(rbg(), 1))


def split_under_vmap_and_drawn_from_outside(x, key):
    keys = jax.vmap(jax.random.split)(jax.random.split(rbg(), 4))
    return noisy(x, keys[2, 1])


def jacobian_over_its_basis(x, key):
    key = rbg()
    return jax.jacfwd(lambda row: row * jax.random.normal(key, row.shape))(x[0])


def chain_of_splits(x, key):
    first, second = jax.random.split(rbg())
    return noisy(noisy(x, first), second)
