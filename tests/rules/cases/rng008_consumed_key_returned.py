"""RNG008: a key that was used is returned."""

import jax
import jax.numpy as jnp
from jax import lax


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


# -- bad ---------------------------------------------------------------------------------


def drawn_from(x, key):
    return x + jax.random.normal(key, x.shape), key  # RNG008


def split_and_forgotten(x, key):
    _, own = jax.random.split(key)  # RNG008
    return noisy(x, own), key


def child_drawn_from(x, key):
    key, own = jax.random.split(key)
    return x + jax.random.normal(own, x.shape), own, key  # RNG008


def in_a_state(x, key):
    state = {"params": x, "key": key}
    noise = jax.random.normal(state["key"], x.shape)  # RNG008
    return {**state, "params": state["params"] + noise}


def folded(x, key):
    key = jax.random.fold_in(key, 1)
    return x + jax.random.normal(key, x.shape), key  # RNG008


def made_inside(x, key):
    key = jax.random.key(0)
    return x + jax.random.normal(key, x.shape), key  # RNG008


def as_words(x, key):
    words = key if key.ndim else jax.random.key_data(key)
    return x + jax.random.normal(key, x.shape), jax.random.wrap_key_data(words)  # RNG008


def all_keys_of_a_batch(x, key):
    keys = jax.random.split(key, 4)

    def f(row, key):
        return row + jax.random.normal(key, row.shape), key  # RNG008

    return jax.vmap(f)(x, keys)


def keys_of_a_batch_beside_the_vmap(x, key):
    keys = jax.random.split(key, 4)

    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG008

    return jax.vmap(f)(x, keys), keys


def from_a_jitted_step(x, key):
    @jax.jit
    def step(x, key):
        return x + jax.random.normal(key, x.shape), key  # RNG008

    return step(x, key)


def carried_unchanged(x, key):
    def step(carry, _):
        x, key = carry
        return (x + jax.random.normal(key, x.shape), key), None  # RNG003, RNG008

    return lax.scan(step, (x, key), length=3)[0]


def every_key_of_a_loop(x, key):
    def step(carry, _):
        x, key = carry
        key, own = jax.random.split(key)
        return (x + jax.random.normal(own, x.shape), key), own  # RNG008

    return lax.scan(step, (x, key), length=3)


def drawn_from_in_one_branch(x, key):
    x = lax.cond(
        x[0, 0] < 1e9,
        lambda: x + jax.random.normal(key, x.shape),  # RNG008
        lambda: x,
    )
    return x, key


def gradient_beside_the_key(x, key):
    def loss(x):
        return jnp.sum(jnp.sin(x * jax.random.normal(key, x.shape)))  # RNG008

    return jax.grad(loss)(x), key


# -- good --------------------------------------------------------------------------------


def fresh_key(x, key):
    key, own = jax.random.split(key)
    return noisy(x, own), key


def fresh_key_in_a_state(x, key):
    state = {"params": x, "key": key}
    key, own = jax.random.split(state["key"])
    return {"params": noisy(state["params"], own), "key": key}


def untouched_key(x, key):
    return x * 2, key


def folded_with_the_step(x, key):
    return noisy(x, jax.random.fold_in(key, 3)), key


def children_that_nothing_drew_from(x, key):
    return x, jax.random.split(key)


def some_children_drawn_from(x, key):
    keys = jax.random.split(key, 5)
    return jax.vmap(noisy)(x, keys[:4]), keys[4]


def carried_and_split(x, key):
    def step(carry, _):
        x, key = carry
        key, own = jax.random.split(key)
        return (noisy(x, own), key), None

    return lax.scan(step, (x, key), length=3)[0]


def carried_and_split_in_while(x, key):
    def body(state):
        i, x, key = state
        key, own = jax.random.split(key)
        return i + 1, noisy(x, own), key

    return lax.while_loop(lambda state: state[0] < 3, body, (0, x, key))


def batch_with_a_fresh_key_each(x, key):
    def f(row, key):
        key, own = jax.random.split(key)
        return noisy(row, own), key

    return jax.vmap(f)(x, jax.random.split(key, 4))


def from_a_jitted_step_that_splits(x, key):
    @jax.jit
    def step(x, key):
        key, own = jax.random.split(key)
        return noisy(x, own), key

    return step(*step(x, key))


def split_in_one_branch(x, key):
    def used():
        left, own = jax.random.split(key)
        return noisy(x, own), left

    return lax.cond(x[0, 0] < 1, used, lambda: (x, key))


def a_clone_comes_back(x, key):
    return noisy(x, key), jax.random.clone(key)


def raw_bits_of_the_shape_of_a_key(x, key):
    return x, jax.random.bits(key, (2,))
