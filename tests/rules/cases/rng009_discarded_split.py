"""RNG009: a child of a split is left unused while its parent or its sibling is used again."""

import jax
import jax.numpy as jnp
from jax import lax


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


# -- bad ---------------------------------------------------------------------------------


def parent_instead_of_first_child(x, key):
    _, own = jax.random.split(key)  # RNG009
    x = noisy(x, own)
    return x * jax.random.bernoulli(key, 0.5, x.shape)  # RNG006


def parent_instead_of_second_child(x, key):
    own, _ = jax.random.split(key)  # RNG009
    x = noisy(x, own)
    return x * jax.random.bernoulli(key, 0.5, x.shape)  # RNG006


def parent_drawn_from_before(x, key):
    x = x * jax.random.bernoulli(key, 0.5, x.shape)
    key, own = jax.random.split(key)  # RNG006, RNG009
    return noisy(x, own)


def two_of_three_left(x, key):
    keys = jax.random.split(key, 3)  # RNG009
    x = noisy(x, keys[1])
    return x * jax.random.bernoulli(key, 0.5, x.shape)  # RNG006


def sibling_drawn_from_twice(x, key):
    noise_key, _mask_key = jax.random.split(key)  # RNG009
    x = noisy(x, noise_key)
    return x * jax.random.bernoulli(noise_key, 0.5, x.shape)  # RNG005


def one_of_three_left_and_another_drawn_from_twice(x, key):
    first, second, _third = jax.random.split(key, 3)  # RNG009
    x = noisy(x, first) * jax.random.uniform(second)
    return x * jax.random.bernoulli(second, 0.5, x.shape)  # RNG005


def all_children_left(x, key):
    key_left, own = jax.random.split(key)  # RNG009
    del key_left, own
    return noisy(x, key)


def all_children_left_under_vmap(x, key):
    def f(row, key):
        _, _own = jax.random.split(key)  # RNG009
        return row + jax.random.normal(key, (3,))

    return jax.vmap(f)(x, jax.random.split(key, 4))


def in_a_helper(x, key):
    def block(x, key):
        key, own = jax.random.split(key)  # RNG009
        return noisy(x, own)

    return block(x, key) + jax.random.normal(key, x.shape)  # RNG006


def in_a_jitted_helper(x, key):
    @jax.jit
    def block(x, key):
        key, own = jax.random.split(key)  # RNG009
        return noisy(x, own)

    return block(x, key) + jax.random.normal(key, x.shape)  # RNG006


def under_vmap(x, key):
    def f(row, key):
        key, own = jax.random.split(key)  # RNG009
        return noisy(row, own) * jax.random.uniform(own)  # RNG005

    return jax.vmap(f)(x, jax.random.split(key, 4))


def split_twice(x, key):
    _, first = jax.random.split(key)  # RNG009
    _, second = jax.random.split(key)  # RNG006
    x = noisy(x, first)
    return x * jax.random.uniform(second)  # RNG007


def in_every_step(x, key):
    def step(x, key):
        own, _ = jax.random.split(key)  # RNG009
        x = noisy(x, own)
        return x * jax.random.uniform(key), None  # RNG006

    return lax.scan(step, x, jax.random.split(key, 3))[0]


# -- good --------------------------------------------------------------------------------


def unused_child_alone(x, key):
    _, own = jax.random.split(key)
    return noisy(x, own)


def last_key_of_a_chain(x, key):
    for _ in range(3):
        key, own = jax.random.split(key)
        x = noisy(x, own)
    return x


def one_of_many(x, key):
    return noisy(x, jax.random.split(key, 5)[3])


def first_half_of_the_keys(x, key):
    return jax.vmap(noisy)(x, jax.random.split(key, 8)[:4])


def unused_child_under_vmap(x, key):
    def f(row, key):
        key, own = jax.random.split(key)
        return noisy(row, own)

    return jax.vmap(f)(x, jax.random.split(key, 4))


def unused_child_of_the_last_step(x, key):
    def step(carry, _):
        x, key = carry
        key, own = jax.random.split(key)
        return (noisy(x, own), key), None

    return lax.scan(step, (x, key), length=3)[0][0]


def child_handed_back(x, key):
    key, own = jax.random.split(key)
    return noisy(x, own), key


def child_used_by_one_branch(x, key):
    first, _second = jax.random.split(key)
    return lax.cond(x[0, 0] < 1, lambda: noisy(x, first), lambda: noisy(x * 2, first))


def child_folded_instead_of_drawn_from(x, key):
    key, own = jax.random.split(key)
    x = noisy(x, own)
    return lax.fori_loop(0, 3, lambda i, x: noisy(x, jax.random.fold_in(key, i)), x)


def recomputed(x, key):
    @jax.checkpoint
    def f(x):
        _left, own = jax.random.split(key)
        return jnp.sum(jnp.sin(x * jax.random.normal(own, x.shape)))

    return jax.value_and_grad(f)(x)


def all_children_left_and_the_parent_not_used(x, key):
    key, own = jax.random.split(key)
    jax.random.split(key)
    return noisy(x, own)


def all_children_left_and_the_parent_returned(x, key):
    jax.random.split(key)
    return x, key
