"""RNG011: a constant key in a jitted function, which is the same in every call."""

import jax
import jax.numpy as jnp
from jax import lax

CONFIDENCE = "inferred"

STATIC = jax.random.key(5)


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


# -- bad ---------------------------------------------------------------------------------


def seed(x, key):
    @jax.jit
    def f(x):
        return x + jax.random.normal(jax.random.key(0), x.shape)  # RNG011

    return f(x)


def legacy_seed(x, key):
    @jax.jit
    def f(x):
        return x + jax.random.normal(jax.random.PRNGKey(0), x.shape)  # RNG011

    return f(x)


def beside_a_key(x, key):
    @jax.jit
    def f(x, key):
        return x + jax.random.normal(jax.random.key(0), x.shape)  # RNG011

    return f(x, key)


def key_of_the_module(x, key):
    @jax.jit
    def f(x):
        return x + jax.random.normal(STATIC, x.shape)  # RNG011

    return f(x)


def split_from_a_seed(x, key):
    @jax.jit
    def f(x):
        first, second = jax.random.split(jax.random.key(3))
        x = x + jax.random.normal(first, x.shape)  # RNG011
        return x * jax.random.uniform(second)  # RNG011

    return f(x)


def folded_from_a_seed(x, key):
    @jax.jit
    def f(x):
        key = jax.random.fold_in(jax.random.key(3), 1)
        return x + jax.random.normal(key, x.shape)  # RNG011

    return f(x)


def default_argument(x, key):
    def f(x, key=None):
        key = jax.random.key(0) if key is None else key
        return x + jax.random.normal(key, x.shape)  # RNG011

    return jax.jit(f)(x)


def in_a_gradient(x, key):
    @jax.jit
    def f(x):
        def loss(x):
            return jnp.sum(jnp.sin(x * jax.random.normal(jax.random.key(1), x.shape)))  # RNG011

        return jax.grad(loss)(x)

    return f(x)


def mapped_over_constant_keys(x, key):
    @jax.jit
    def f(x):
        keys = jax.random.split(jax.random.key(1), 4)
        return jax.vmap(lambda row, k: row + jax.random.normal(k, row.shape))(x, keys)  # RNG011

    return f(x)


def steps_of_a_constant_key(x, key):
    @jax.jit
    def f(x):
        def step(i, x):
            own = jax.random.fold_in(jax.random.key(1), i)
            return x + jax.random.normal(own, x.shape)  # RNG011

        return lax.fori_loop(0, 3, step, x)

    return f(x)


def fallback_in_a_branch(x, key):
    @jax.jit
    def f(x):
        return lax.cond(
            x[0, 0] < 1e9,
            lambda: x + jax.random.normal(jax.random.key(2), x.shape),  # RNG011
            lambda: x,
        )

    return f(x)


# -- good --------------------------------------------------------------------------------


def key_as_an_argument(x, key):
    return jax.jit(noisy)(x, key)


def key_that_a_jitted_helper_captures(x, key):
    return jax.jit(lambda x: noisy(x, key))(x)


def seed_outside_of_jit(x, key):
    return noisy(x, jax.random.key(0))


def seed_given_to_a_jitted_helper(x, key):
    return jax.jit(noisy)(x, jax.random.key(0))


def seed_from_an_argument(x, key):
    @jax.jit
    def f(x, seed):
        return noisy(x, jax.random.key(seed))

    return f(x, jnp.int32(x[0, 0]))


def seed_that_nothing_draws_from(x, key):
    @jax.jit
    def f(x, key):
        jax.random.split(jax.random.key(0))
        return noisy(x, key)

    return f(x, key)


def dead_draw_from_a_seed(x, key):
    @jax.jit
    def f(x, key):
        jax.random.normal(jax.random.key(0))
        return noisy(x, key)

    return f(x, key)


def constant_folded_into_the_key(x, key):
    @jax.jit
    def f(x, key):
        return noisy(x, jax.random.fold_in(key, 5))

    return f(x, key)


def argument_folded_into_a_constant_key(x, key):
    @jax.jit
    def f(x, step):
        return noisy(x, jax.random.fold_in(STATIC, step))

    return f(x, jnp.int32(x[0, 0]))


def one_of_the_keys_of_a_seed(x, key):
    @jax.jit
    def f(x, step):
        return noisy(x, jax.random.split(jax.random.key(0), 3)[step])

    return f(x, jnp.int32(x[0, 0]))


def key_in_a_jitted_training_step(x, key):
    @jax.jit
    def step(state):
        key, own = jax.random.split(state["key"])
        return {"x": noisy(state["x"], own), "key": key}

    return step(step({"x": x, "key": key}))
