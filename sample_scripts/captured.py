"""A key that comes in by closure is shared without a word about it in `in_axes`."""

import jax
import jax.numpy as jnp

from jaxrng_doctor import example

GLOBAL_KEY = jax.random.key(42)


@example(x="f32[32,10]", in_axes=(0,))
def captured_from_module(x):
    return x + jax.random.normal(GLOBAL_KEY, x.shape)  # RNG001


@example(x="f32[32,10]", key="key")
def captured(x, key):
    def noisy(row):
        return row + jax.random.normal(key, row.shape)  # RNG001

    return jax.vmap(noisy)(x)


@example(x="f32[32,10]", key="key")
def captured_then_split(x, key):
    """A split inside does not help: every example splits the same key in the same way."""

    def noisy(row):
        scale_key, shift_key = jax.random.split(key)
        scale = jax.random.uniform(scale_key)  # RNG001
        return scale * row + jax.random.normal(shift_key, row.shape)  # RNG001

    return jax.vmap(noisy)(x)


@example(x="f32[32,10]", key="key")
def handed_over(x, key):
    def noisy(row, key):
        scale_key, shift_key = jax.random.split(key)
        scale = jax.random.uniform(scale_key)
        return scale * row + jax.random.normal(shift_key, row.shape)

    return jax.vmap(noisy)(x, jax.random.split(key, x.shape[0]))


if __name__ == "__main__":
    key = jax.random.key(0)
    x = jnp.ones((32, 10))
    for sample in (captured, captured_then_split, handed_over):
        out = sample(x, key)
        print(f"{sample.__name__}\n  first: {out[0]}\n   last: {out[-1]}")
