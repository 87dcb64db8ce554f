"""Four chains of 32 examples: keys for both axes, for one of them, for neither."""

import jax
import jax.numpy as jnp

from jaxrng_doctor import example

N_CHAINS, BATCH = 4, 32


@example(x="f32[32,3]", keys="key[4,32]")
def chains(x, keys):
    """A key for each example of each chain."""

    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)

    def chain(keys):
        return jax.vmap(noisy)(x, keys)

    return jax.vmap(chain)(keys)


@example(x="f32[32,3]", keys="key[4]")
def shared_over_inner(x, keys):
    """Each chain has its key, and gives it to all of its 32 examples."""

    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG001

    def chain(key):
        return jax.vmap(noisy, in_axes=(0, None))(x, key)

    return jax.vmap(chain)(keys)


@example(x="f32[4,32,3]", keys="key[32]")
def shared_over_outer(x, keys):
    """Each example has its key, and every chain uses the same 32."""

    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG001

    def chain(x, keys):
        return jax.vmap(noisy)(x, keys)

    return jax.vmap(chain, in_axes=(0, None))(x, keys)


@example(x="f32[4,32,3]", key="key")
def shared_over_both(x, key):
    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG001

    def chain(x, key):
        return jax.vmap(noisy, in_axes=(0, None))(x, key)

    return jax.vmap(chain, in_axes=(0, None))(x, key)


@example(x="f32[32,3]", key="prngkey")
def chains_of_legacy_keys(x, key):
    """Legacy keys carry their words as a last axis: `(128, 2)` becomes `(4, 32, 2)`."""
    keys = jax.random.split(key, N_CHAINS * BATCH).reshape(N_CHAINS, BATCH, 2)
    return chains(x, keys)


@example(x="f32[32,3]", key="key<fry>")
def chains_of_typed_keys(x, key):
    """Typed keys are scalars: `(128,)` becomes `(4, 32)`."""
    keys = jax.random.split(key, N_CHAINS * BATCH).reshape(N_CHAINS, BATCH)
    return chains(x, keys)


@example(x="f32[32,3]", key="prngkey")
def legacy_keys_shared_over_inner(x, key):
    keys = jax.random.split(key, N_CHAINS * BATCH).reshape(N_CHAINS, BATCH, 2)
    return shared_over_inner(x, keys[:, 0])


if __name__ == "__main__":
    key = jax.random.key(0)
    x = jnp.zeros((N_CHAINS, BATCH, 3))
    keys = jax.random.split(key, (N_CHAINS, BATCH))
    for name, out in {
        "chains": chains(x[0], keys),
        "shared over inner": shared_over_inner(x[0], keys[:, 0]),
        "shared over outer": shared_over_outer(x, keys[0]),
        "shared over both": shared_over_both(x, key),
    }.items():
        print(name)
        print("  chain 0  first:", out[0, 0], " last:", out[0, -1])
        print("  chain 3  first:", out[-1, 0], " last:", out[-1, -1])
