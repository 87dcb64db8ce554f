"""Sharing that is meant, and says so where a reader will look."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxrng_doctor import example


@example(candidates="f32[32]", key="key")
def compare_candidates(candidates, key):
    """Common random numbers: the same 100 customers for each price, so that only prices differ."""

    def revenue(price, key):
        budget = jax.random.exponential(key, (100,))  # jaxrng: ignore[RNG001] same customers
        return price * jnp.mean(budget > price)

    return jax.vmap(revenue, in_axes=(0, None))(candidates, key)


@example(x="f32[20,8]", w="f32[8,8]", key="key")
def variational_dropout(x, w, key):
    """A recurrent network that drops the same units at each step (Gal and Ghahramani, 2016)."""

    def step(h, x):
        kept = jax.random.bernoulli(key, 0.5, h.shape)  # jaxrng: ignore[RNG003] one mask a sequence
        h = jnp.tanh(w @ (kept * h) + x)
        return h, h

    return lax.scan(step, jnp.zeros(8), x)[1]


@example(x="f32[32,10]", key="key")
def ignored_at_the_vmap(x, key):
    """The comment may stand at the `vmap` instead, where the sharing is decided."""

    def shift(row, key):
        return row + jax.random.uniform(key)

    return jax.vmap(shift, in_axes=(0, None))(x, key)  # jaxrng: ignore[RNG001] one shift for all


@example(x="f32[32,10]", key="key", in_axes=(0, None), expect="same")
def one_rotation(x, key):
    """`expect="same"` says it of the whole function: no comment is needed."""
    return jnp.roll(x, jax.random.randint(key, (), 0, 10))


if __name__ == "__main__":
    key = jax.random.key(0)
    revenue = compare_candidates(jnp.linspace(0.1, 2.0, 32), key)
    print(f"compare_candidates  first: {revenue[0]:.3f}  last: {revenue[-1]:.3f}")
    shifted = ignored_at_the_vmap(jnp.zeros((32, 10)), key)
    print(f"ignored_at_the_vmap first: {shifted[0, 0]:.3f}  last: {shifted[-1, 0]:.3f}")
