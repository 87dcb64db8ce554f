"""What a backward pass draws again is no further draw, and two calls of one checkpoint are two."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import jaxrng_doctor

X = jnp.ones((3, 4))


def test_a_checkpoint_that_draws_again_for_its_derivative_is_one_draw():
    @jax.checkpoint
    def layer(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape))

    def loss(x, keys):
        for key in keys:  # on one line
            x = layer(x, key)
        return jnp.sum(x)

    plain = jaxrng_doctor.check(loss, (X, jax.random.split(jax.random.key(0), 3)))
    derived = jaxrng_doctor.check(
        jax.value_and_grad(loss), (X, jax.random.split(jax.random.key(0), 3))
    )

    assert [draw.place for draw in derived.draws] == [draw.place for draw in plain.draws]
    assert len(plain.draws) == 3
    assert derived.findings == ()


def test_a_draw_of_which_only_the_recomputation_is_left_is_a_draw():
    @jax.checkpoint
    def layer(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape))

    report = jaxrng_doctor.check(
        jax.grad(lambda x, key: jnp.sum(layer(x, key))), (X, jax.random.key(0))
    )

    assert len(report.draws) == 1
