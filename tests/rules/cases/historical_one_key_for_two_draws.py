"""Bugs fixed in public projects: one key for two draws, or for all leaves of a tree."""

import jax
import jax.numpy as jnp
from jax import lax

# -- all leaves of a tree are perturbed with one key --------------------------------------


def evolution_strategy_bad(x, key):
    params = {"kernel": x, "bias": x[0], "scale": x[1]}

    def perturb(p):
        return p + 0.1 * jax.random.normal(key, p.shape)  # RNG005

    return jax.tree.map(perturb, params)


def evolution_strategy_good(x, key):
    params = {"kernel": x, "bias": x[0], "scale": x[1]}
    leaves, tree = jax.tree.flatten(params)
    keys = tree.unflatten(list(jax.random.split(key, len(leaves))))
    return jax.tree.map(lambda p, k: p + 0.1 * jax.random.normal(k, p.shape), params, keys)


# -- levels and start states of many environments use one key -----------------------------


def environments_bad(x, key):
    key, _level_key, _start_key = jax.random.split(key, 3)  # RNG009
    levels = jax.vmap(jax.random.uniform)(jax.random.split(key, 4))
    starts = jax.vmap(lambda k: jax.random.normal(k, (3,)))(  # RNG007
        jax.random.split(key, 4)  # RNG006
    )
    return x * levels[:, None] + starts


def environments_good(x, key):
    _, level_key, start_key = jax.random.split(key, 3)
    levels = jax.vmap(jax.random.uniform)(jax.random.split(level_key, 4))
    starts = jax.vmap(lambda k: jax.random.normal(k, (3,)))(jax.random.split(start_key, 4))
    return x * levels[:, None] + starts


# -- a trajectory draws from the key that the next round splits ---------------------------


def trajectory_bad(x, key):
    def expand(x, key):
        direction_key, move_key = jax.random.split(key)
        direction = jnp.where(jax.random.bernoulli(direction_key), 1.0, -1.0)
        x = x + direction * jax.random.normal(move_key, x.shape)
        return x, move_key

    x, key = expand(x, key)
    left, right = jax.random.split(key)  # RNG006
    return x * jax.random.uniform(left) + jax.random.uniform(right)


def trajectory_good(x, key):
    def expand(carry, _):
        x, key = carry
        key, direction_key, move_key = jax.random.split(key, 3)
        direction = jnp.where(jax.random.bernoulli(direction_key), 1.0, -1.0)
        return (x + direction * jax.random.normal(move_key, x.shape), key), None

    return lax.scan(expand, (x, key), length=3)[0][0]


# -- the subkey is discarded, and the key is used twice -----------------------------------


def augmentation_bad(x, key):
    key, _ = jax.random.split(key)  # RNG009
    flip = jax.random.bernoulli(key, 0.5, (4, 1))
    x = jnp.where(flip, x[:, ::-1], x)
    return x + jax.random.normal(key, x.shape)  # RNG005


def augmentation_good(x, key):
    flip_key, noise_key = jax.random.split(key)
    flip = jax.random.bernoulli(flip_key, 0.5, (4, 1))
    x = jnp.where(flip, x[:, ::-1], x)
    return x + jax.random.normal(noise_key, x.shape)


# -- one key for a proposal and for its acceptance ----------------------------------------


def metropolis_bad(x, key):
    def step(x, key):
        proposal = x + jax.random.normal(key, x.shape)
        accept = jnp.log(jax.random.uniform(key)) < jnp.sum(x**2 - proposal**2)  # RNG005
        return jnp.where(accept, proposal, x), None

    return lax.scan(step, x, jax.random.split(key, 3))[0]


def metropolis_good(x, key):
    def step(x, key):
        move_key, accept_key = jax.random.split(key)
        proposal = x + jax.random.normal(move_key, x.shape)
        accept = jnp.log(jax.random.uniform(accept_key)) < jnp.sum(x**2 - proposal**2)
        return jnp.where(accept, proposal, x), None

    return lax.scan(step, x, jax.random.split(key, 3))[0]
