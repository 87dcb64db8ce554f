"""Noise for 32 examples: from one shared key, and from a key each."""

import jax
import jax.numpy as jnp

from jaxrng_doctor import example


@example(x="f32[32,10]", key="key", in_axes=(0, None), name="one key for all 32")
def add_noise_shared(x, key):
    return x + jax.random.normal(key, x.shape)  # RNG001


@example(x="f32[32,10]", key="key[32]", in_axes=(0, 0), name="32 keys")
def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)


@example(x="f32[32,10]", key="key")
def batch_shared(x, key):
    """The fault as it is met in programs: the `vmap` is inside."""

    def perturb(row, key):
        return row + 0.1 * jax.random.uniform(key, row.shape)  # RNG001

    return jax.vmap(perturb, in_axes=(0, None))(x, key)


@example(x="f32[32,10]", key="key")
def batch_split(x, key):
    """The same with one key an example."""

    def perturb(row, key):
        return row + 0.1 * jax.random.uniform(key, row.shape)

    return jax.vmap(perturb)(x, jax.random.split(key, x.shape[0]))


if __name__ == "__main__":
    key = jax.random.key(0)
    x = jnp.zeros((32, 10))
    shared = jax.vmap(add_noise_shared, in_axes=(0, None))(x, key)
    split = jax.vmap(add_noise)(x, jax.random.split(key, 32))
    print("one key   first:", shared[0], "\n           last:", shared[-1])
    print("32 keys   first:", split[0], "\n           last:", split[-1])
