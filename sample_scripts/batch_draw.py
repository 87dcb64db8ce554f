"""Two correct ways to give 32 examples their noise. They give different numbers."""

import jax
import jax.numpy as jnp

from jaxrng_doctor import example


@example(x="f32[32,10]", key="key")
def one_draw(x, key):
    """One draw of the whole batch's shape, outside the `vmap`."""
    noise = jax.random.normal(key, x.shape)
    return jax.vmap(jnp.add)(x, noise)


@example(x="f32[32,10]", key="key")
def split_keys(x, key):
    """A key an example: the example's noise does not depend on the batch that it is in."""
    keys = jax.random.split(key, x.shape[0])
    return jax.vmap(lambda row, key: row + jax.random.normal(key, row.shape))(x, keys)


if __name__ == "__main__":
    key = jax.random.key(0)
    x = jnp.zeros((32, 10))
    for way in (one_draw, split_keys):
        out = way(x, key)
        print(f"{way.__name__:>10}  first: {out[0]}\n             last: {out[-1]}")
