"""One key for all examples is correct if each folds in its index on the mapped axis."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxrng_doctor import example


@example(x="f32[32,10]", key="key")
def by_axis_index(x, key):
    def noisy(row, key):
        own_key = jax.random.fold_in(key, lax.axis_index("batch"))
        return row + jax.random.normal(own_key, row.shape)

    return jax.vmap(noisy, in_axes=(0, None), axis_name="batch")(x, key)


@example(x="f32[32,10]", key="key")
def axis_index_forgotten(x, key):
    """Its twin names the axis and does not use it."""

    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG001

    return jax.vmap(noisy, in_axes=(0, None), axis_name="batch")(x, key)


if __name__ == "__main__":
    key = jax.random.key(0)
    x = jnp.zeros((32, 10))
    for sample in (by_axis_index, axis_index_forgotten):
        out = sample(x, key)
        print(f"{sample.__name__}\n  first: {out[0]}\n   last: {out[-1]}")
