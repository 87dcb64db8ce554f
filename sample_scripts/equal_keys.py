"""Keys that are mapped, as they should be, and are equal all the same."""

import jax
import jax.numpy as jnp

from jaxrng_doctor import example


@example(x="f32[32,10]", key="key")
def distinct_keys(x, key):
    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)

    return jax.vmap(noisy)(x, jax.random.split(key, 32))


@example(x="f32[32,10]", key="key")
def broadcast_key(x, key):
    """`in_axes` is correct, since there are 32 keys. But they are one key, 32 times."""

    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002

    return jax.vmap(noisy)(x, jnp.broadcast_to(key, (32, *key.shape)))


@example(x="f32[4,10]", key="key")
def alternating_keys(x, key):
    """Two keys take turns: the first example differs from the last, and equals the third."""

    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002

    k0, k1 = jax.random.split(key, 2)
    return jax.vmap(noisy)(x, jnp.stack([k0, k1, k0, k1]))


@example(x="f32[32,10]", key="key", labels="i32[32]")
def key_of_class(x, key, labels):
    """A key a class, looked up by label: examples of one class share theirs."""

    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002

    return jax.vmap(noisy)(x, jax.random.split(key, 8)[labels % 8])


if __name__ == "__main__":
    key = jax.random.key(0)
    x = jnp.zeros((32, 10))
    for name, out in {
        "distinct_keys": distinct_keys(x, key),
        "broadcast_key": broadcast_key(x, key),
        "alternating_keys": alternating_keys(x[:4], key),
        "key_of_class": key_of_class(x, key, jnp.arange(32)),
    }.items():
        print(f"{name}\n  first: {out[0]}\n   last: {out[-1]}")
    print("alternating_keys, third:", alternating_keys(x[:4], key)[2])
