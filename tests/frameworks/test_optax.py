"""Optax: `add_noise`, whose key is in the state of the optimizer."""

import jax
import jax.numpy as jnp
import pytest

optax = pytest.importorskip("optax")

PARAMS = {"w": jnp.ones((8, 4)), "b": jnp.ones(4)}
KEY = jax.random.key(0)


def test_one_key_for_the_noise_of_every_model(flagged, clean):
    def updated(params, key):
        noise = optax.add_noise(0.1, 0.5, key)
        return noise.update(params, noise.init(params))[0]  # draws

    flagged("RNG001", lambda x, key: jax.vmap(updated, (0, None))(x, key), PARAMS["w"], KEY)
    clean(lambda x, key: jax.vmap(updated)(x, jax.random.split(key, 8)), PARAMS["w"], KEY)


def test_a_state_that_is_thrown_away(flagged, clean):
    def shared(params, key):
        noise = optax.add_noise(0.1, 0.5, key)
        state = noise.init(params)

        def step(params, _):
            updates, _ = noise.update(params, state)  # draws
            return optax.apply_updates(params, updates), None

        return jax.lax.scan(step, params, length=3)[0]

    def carried(params, key):
        noise = optax.add_noise(0.1, 0.5, key)

        def step(carry, _):
            params, state = carry
            updates, state = noise.update(params, state)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, noise.init(params)), length=3)[0][0]

    flagged("RNG003", shared, PARAMS, KEY)
    clean(carried, PARAMS, KEY)


def test_training(clean):
    def train(params, key):
        optimizer = optax.chain(optax.add_noise(0.1, 0.5, key), optax.adam(0.1))

        @jax.jit
        def step(params, state):
            gradients = jax.grad(lambda p: (p["w"] @ p["b"]).sum())(params)
            updates, state = optimizer.update(gradients, state, params)
            return optax.apply_updates(params, updates), state

        state = optimizer.init(params)
        for _ in range(2):
            params, state = step(params, state)
        return params

    clean(train, PARAMS, KEY)
