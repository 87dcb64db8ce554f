"""BlackJAX: parallel chains, and the steps of one chain."""

import jax
import jax.numpy as jnp
import pytest

blackjax = pytest.importorskip("blackjax")

X = jnp.ones((3, 2))
KEY = jax.random.key(0)

SAMPLER = blackjax.hmc(lambda x: -0.5 * jnp.sum(x**2), 0.1, jnp.ones(2), 1)


def one_step(state, key):
    return SAMPLER.step(key, state)[0]  # draws


def test_chains_side_by_side(flagged, clean):
    def shared(x, key):
        return jax.vmap(one_step, (0, None))(jax.vmap(SAMPLER.init)(x), key).position

    def split(x, key):
        keys = jax.random.split(key, 3)
        return jax.vmap(one_step)(jax.vmap(SAMPLER.init)(x), keys).position

    flagged("RNG001", shared, X, KEY)
    clean(split, X, KEY)


def test_steps_of_a_chain(flagged, clean):
    def shared(x, key):
        def step(state, _):
            return one_step(state, key), None

        return jax.lax.scan(step, SAMPLER.init(x), length=3)[0].position

    def split(x, key):
        def step(state, key):
            return one_step(state, key), None

        return jax.lax.scan(step, SAMPLER.init(x), jax.random.split(key, 3))[0].position

    flagged("RNG003", shared, X[0], KEY)
    clean(split, X[0], KEY)
