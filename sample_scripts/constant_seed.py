"""A seed written into the mapped function gives every example the same key."""

import jax
import jax.numpy as jnp

from jaxrng_doctor import example


@example(x="f32[32,10]", in_axes=(0,))
def legacy_seed_inside(x):
    return x + jax.random.normal(jax.random.PRNGKey(0), x.shape)  # RNG001


@example(x="f32[32,10]", in_axes=(0,))
def typed_seed_inside(x):
    return x + jax.random.normal(jax.random.key(0), x.shape)  # RNG001


@example(x="f32[32,10]")
def seed_for_each(x):
    """One seed per example is correct if all seeds differ."""

    def noisy(row, seed):
        return row + jax.random.normal(jax.random.key(seed), row.shape)

    return jax.vmap(noisy)(x, jnp.arange(x.shape[0]))


if __name__ == "__main__":
    x = jnp.zeros((32, 10))
    for sample in (legacy_seed_inside, typed_seed_inside):
        out = jax.vmap(sample)(x)
        print(f"{sample.__name__}\n  first: {out[0]}\n   last: {out[-1]}")
    out = seed_for_each(x)
    print(f"seed_for_each\n  first: {out[0]}\n   last: {out[-1]}")
