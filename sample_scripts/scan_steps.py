"""Random walks: a key that stands still gives each step the same noise."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxrng_doctor import example


@example(x="f32[3]", key="key")
def constant_of_the_loop(x, key):
    def step(x, _):
        noise = jax.random.normal(key, x.shape)  # RNG003
        return x + noise, noise

    return lax.scan(step, x, length=20)[1]


@example(x="f32[3]", key="key")
def carry_unchanged(x, key):
    def step(carry, _):
        x, key = carry
        noise = jax.random.normal(key, x.shape)  # RNG003
        return (x + noise, key), noise

    return lax.scan(step, (x, key), length=20)[1]


@example(x="f32[3]", key="key")
def equal_keys_as_xs(x, key):
    def step(x, key):
        noise = jax.random.normal(key, x.shape)  # RNG003
        return x + noise, noise

    return lax.scan(step, x, jnp.broadcast_to(key, (20, *key.shape)))[1]


@example(x="f32[3]", key="key")
def walk_of_fori_loop(x, key):
    def step(i, path):
        return path.at[i].set(path[i - 1] + jax.random.normal(key, x.shape))  # RNG003

    return lax.fori_loop(1, 21, step, jnp.tile(x, (21, 1)))


@example(x="f32[20,3]", key="key")
def mapped_over_rows(x, key):
    return lax.map(lambda row: row + jax.random.normal(key, row.shape), x)  # RNG003


@example(x="f32[3]", key="key")
def split_keys_as_xs(x, key):
    def step(x, key):
        noise = jax.random.normal(key, x.shape)
        return x + noise, noise

    return lax.scan(step, x, jax.random.split(key, 20))[1]


@example(x="f32[3]", key="key")
def split_in_the_carry(x, key):
    def step(carry, _):
        x, key = carry
        key, subkey = jax.random.split(key)
        noise = jax.random.normal(subkey, x.shape)
        return (x + noise, key), noise

    return lax.scan(step, (x, key), length=20)[1]


@example(x="f32[3]", key="key")
def fold_in_step(x, key):
    def step(i, path):
        step_key = jax.random.fold_in(key, i)
        return path.at[i].set(path[i - 1] + jax.random.normal(step_key, x.shape))

    return lax.fori_loop(1, 21, step, jnp.tile(x, (21, 1)))


if __name__ == "__main__":
    key = jax.random.key(0)
    x = jnp.zeros(3)
    for walk in (constant_of_the_loop, carry_unchanged, split_keys_as_xs, split_in_the_carry):
        steps = walk(x, key)
        print(f"{walk.__name__}\n  first step: {steps[0]}\n   last step: {steps[-1]}")
