"""RNG006: a key that is both drawn from and split, or split twice."""

import jax
import jax.numpy as jnp
from jax import lax


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


# -- bad ---------------------------------------------------------------------------------


def drawn_then_split(x, key):
    noise = jax.random.normal(key, x.shape)
    first, second = jax.random.split(key)  # RNG006
    return noisy(x, first) * jax.random.uniform(second) + noise


def split_then_drawn(x, key):
    first, second = jax.random.split(key)
    x = noisy(x, first) * jax.random.uniform(second)
    return x + jax.random.normal(key, x.shape)  # RNG006


def split_twice(x, key):
    first, second = jax.random.split(key)
    third = jax.random.split(key, 3)[2]  # RNG006, RNG009
    x = noisy(x, first) * jax.random.uniform(second)
    return x * jax.random.laplace(third)


def all_children_drawn_from_and_the_parent(x, key):
    x = jax.vmap(noisy)(x, jax.random.split(key, 4))
    return x * jax.random.uniform(key)  # RNG006


def helper_that_splits(x, key):
    def block(x, key):
        first, second = jax.random.split(key)
        return noisy(x, first) * jax.random.bernoulli(second, 0.5, x.shape)

    return block(x, key) + jax.random.normal(key, x.shape)  # RNG006


def jitted_helper_that_splits(x, key):
    @jax.jit
    def block(x, key):
        first, second = jax.random.split(key)  # RNG006
        return noisy(x, first) * jax.random.bernoulli(second, 0.5, x.shape)

    x = x + jax.random.normal(key, x.shape)
    return block(x, key)


def sampler_that_splits_inside(x, key):
    first, second = jax.random.split(key)
    x = noisy(x, first) * jax.random.uniform(second)
    return x * jax.random.permutation(key, 4)[:, None]  # RNG006


def under_vmap(x, key):
    def f(row, key):
        row = noisy(row, key)
        first, second = jax.random.split(key)  # RNG006
        return noisy(row, first) * jax.random.uniform(second)

    return jax.vmap(f)(x, jax.random.split(key, 4))


def in_every_step(x, key):
    def step(carry, _):
        x, key = carry
        x = noisy(x, key)
        key, own = jax.random.split(key)  # RNG006
        return (x * jax.random.uniform(own), key), None

    return lax.scan(step, (x, key), length=3)[0][0]


def in_a_branch_after_the_split(x, key):
    first, second = jax.random.split(key)
    x = noisy(x, first) * jax.random.uniform(second)
    return x + lax.cond(
        x[0, 0] < 1e9,
        lambda: jax.random.normal(key, x.shape),  # RNG006
        lambda: jnp.zeros(x.shape),
    )


def under_grad(x, key):
    def loss(x):
        x = x * jax.random.normal(key, x.shape)
        first, second = jax.random.split(key)  # RNG006
        x = jnp.sin(x * jax.random.normal(first, x.shape))
        return jnp.sum(jnp.sin(x * jax.random.uniform(second, x.shape)))

    return jax.grad(loss)(x)


def one_of_many_keys(x, key):
    keys = jax.random.split(key, 4)
    x = jax.vmap(noisy)(x, keys)
    first, second = jax.random.split(keys[2])  # RNG006 (run)
    return noisy(x, first) * jax.random.uniform(second)


# -- good --------------------------------------------------------------------------------


def a_chain_of_splits(x, key):
    for _ in range(3):
        key, own = jax.random.split(key)
        x = noisy(x, own)
    return x


def split_into_many(x, key):
    first, second, third = jax.random.split(key, 3)
    return noisy(x, first) * jax.random.uniform(second) + jax.random.laplace(third)


def a_tree_of_splits(x, key):
    left, right = jax.random.split(key)
    a, b = jax.random.split(left)
    c, d = jax.random.split(right)
    return noisy(noisy(noisy(noisy(x, a), b), c), d)


def split_in_a_helper_and_handed_back(x, key):
    def layer(x, key):
        key, own = jax.random.split(key)
        return noisy(x, own), key

    x, key = layer(x, key)
    x, key = layer(x, key)
    return noisy(x, key)


def helper_that_splits_called_with_two_keys(x, key):
    def block(x, key):
        first, second = jax.random.split(key)
        return noisy(x, first) * jax.random.bernoulli(second, 0.5, x.shape)

    first, second = jax.random.split(key)
    return block(block(x, first), second)


def split_in_one_branch_and_drawn_from_in_the_other(x, key):
    def twice(key):
        first, second = jax.random.split(key)
        return noisy(noisy(x, first), second)

    return lax.cond(x[0, 0] < 1, twice, lambda key: noisy(x, key), key)


def split_in_both_branches(x, key):
    def noise(scale):
        first, second = jax.random.split(key)
        return scale * noisy(noisy(x, first), second)

    return lax.cond(x[0, 0] < 1, lambda: noise(1.0), lambda: noise(2.0))


def split_again_for_the_backward_pass(x, key):
    @jax.checkpoint
    def f(x):
        first, second = jax.random.split(key)
        return jnp.sum(jnp.sin(noisy(x, first) * jax.random.normal(second, x.shape)))

    return jax.value_and_grad(f)(x)


def split_again_in_a_checkpointed_scan(x, key):
    @jax.checkpoint
    def step(carry, _):
        x, key = carry
        key, own = jax.random.split(key)
        return (jnp.sin(x * jax.random.normal(own, x.shape)), key), None

    return jax.grad(lambda x: jnp.sum(lax.scan(step, (x, key), length=3)[0][0]))(x)


def split_and_folded(x, key):
    first, second = jax.random.split(key)
    return noisy(noisy(noisy(x, first), second), jax.random.fold_in(key, 1000))


def split_of_a_clone(x, key):
    x = noisy(x, key)
    first, second = jax.random.split(jax.random.clone(key))
    return noisy(noisy(x, first), second)


def carried_and_split(x, key):
    def step(carry, _):
        x, key = carry
        key, own = jax.random.split(key)
        return (noisy(x, own), key), None

    return lax.scan(step, (x, key), length=3)[0][0]


def keys_split_again_under_vmap(x, key):
    def f(row, key):
        first, second = jax.random.split(key)
        return noisy(noisy(row, first), second)

    return jax.vmap(f)(x, jax.random.split(key, 4))
