"""Deriving a new key inside a `vmap` helps only where the example has a say in it."""

import jax
import jax.numpy as jnp

from jaxrng_doctor import example


@example(x="f32[32,10]", key="key", in_axes=(0, None))
def fold_in_constant(x, key):
    return x + jax.random.normal(jax.random.fold_in(key, 7), x.shape)  # RNG001


@example(x="f32[32,10]", key="key", in_axes=(0, None))
def split_inside(x, key):
    _, subkey = jax.random.split(key)
    return x + jax.random.normal(subkey, x.shape)  # RNG001


@example(x="f32[32,10]", key="key")
def fold_in_id(x, key):
    """The idiomatic fix: fold in a number that each example has to itself."""

    def noisy(row, i):
        return row + jax.random.normal(jax.random.fold_in(key, i), row.shape)

    return jax.vmap(noisy)(x, jnp.arange(x.shape[0]))


@example(x="f32[32,10]", key="key[32]", in_axes=(0, 0))
def fold_in_constant_of_own_key(x, key):
    """A constant is harmless where the key already varies."""
    return x + jax.random.normal(jax.random.fold_in(key, 7), x.shape)


if __name__ == "__main__":
    key = jax.random.key(0)
    x = jnp.zeros((32, 10))
    for name, out in {
        "fold_in_constant": jax.vmap(fold_in_constant, in_axes=(0, None))(x, key),
        "split_inside": jax.vmap(split_inside, in_axes=(0, None))(x, key),
        "fold_in_id": fold_in_id(x, key),
    }.items():
        print(f"{name}\n  first: {out[0]}\n   last: {out[-1]}")
