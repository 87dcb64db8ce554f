"""Bugs fixed in public projects: a key shared by all examples of a vmap."""

import functools

import jax
import jax.numpy as jnp


class Dropout:
    """A layer that keeps its key, as modules with state do."""

    def __init__(self, key):
        self.key = key

    def __call__(self, x):
        return x * jax.random.bernoulli(self.key, 0.5, x.shape)


# -- an agent explores with one key for all environments ---------------------------------


def exploration_bad(x, key):
    def act(values, key):
        explore_key, action_key = jax.random.split(key)
        random_action = jax.random.randint(action_key, (), 0, 3)  # RNG001
        explore = jax.random.uniform(explore_key) < 0.1  # RNG001
        return jnp.where(explore, random_action, jnp.argmax(values))

    return jax.vmap(act, in_axes=(0, None))(x, key)


def exploration_good(x, key):
    def act(values, key):
        explore_key, action_key = jax.random.split(key)
        random_action = jax.random.randint(action_key, (), 0, 3)
        explore = jax.random.uniform(explore_key) < 0.1
        return jnp.where(explore, random_action, jnp.argmax(values))

    return jax.vmap(act)(x, jax.random.split(key, 4))


# -- the key is bound before the vmap ----------------------------------------------------


def partial_bad(x, key):
    def likelihood(row, key):
        return jnp.sum(row * jax.random.normal(key, row.shape))  # RNG001

    return jax.vmap(functools.partial(likelihood, key=key))(x)


def partial_good(x, key):
    def likelihood(row, key):
        return jnp.sum(row * jax.random.normal(key, row.shape))

    return jax.vmap(likelihood)(x, jax.random.split(key, 4))


# -- a layer keeps its key, and the model is mapped over the batch -----------------------


def module_bad(x, key):
    class Dropout:
        def __init__(self, key):
            self.key = key

        def __call__(self, x):
            return x * jax.random.bernoulli(self.key, 0.5, x.shape)  # RNG001

    return jax.vmap(Dropout(key))(x)


def module_good(x, key):
    return jax.vmap(lambda row, key: Dropout(key)(row))(x, jax.random.split(key, 4))


# -- streams that are not split for the examples of a batch ------------------------------


def streams_bad(x, key):
    def apply(row, rngs):
        mask = jax.random.bernoulli(rngs["dropout"], 0.5, row.shape)  # RNG001
        return row * mask + jax.random.normal(rngs["noise"], row.shape)

    dropout_key, noise_key = jax.random.split(key)
    rngs = {"dropout": dropout_key, "noise": jax.random.split(noise_key, 4)}
    return jax.vmap(apply, in_axes=(0, {"dropout": None, "noise": 0}))(x, rngs)


def streams_good(x, key):
    def apply(row, rngs):
        mask = jax.random.bernoulli(rngs["dropout"], 0.5, row.shape)
        return row * mask + jax.random.normal(rngs["noise"], row.shape)

    rngs = dict(zip(("dropout", "noise"), jax.random.split(key, (2, 4)), strict=True))
    return jax.vmap(apply)(x, rngs)


# -- every example folds in the same step ------------------------------------------------


def step_folded_bad(x, key):
    def apply(row, key, step):
        own = jax.random.fold_in(key, step)
        return row + jax.random.normal(own, row.shape)  # RNG001

    return jax.vmap(apply, in_axes=(0, None, None))(x, key, 7)


def step_folded_good(x, key):
    def apply(row, key, step, index):
        own = jax.random.fold_in(jax.random.fold_in(key, step), index)
        return row + jax.random.normal(own, row.shape)

    return jax.vmap(apply, in_axes=(0, None, None, 0))(x, key, 7, jnp.arange(4))
