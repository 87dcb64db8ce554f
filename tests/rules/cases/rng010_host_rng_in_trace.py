"""RNG010: NumPy's or Python's random numbers, drawn while the function is traced."""

import random

import jax
import jax.numpy as jnp
import numpy as np

CONFIDENCE = "proven"

GENERATOR = np.random.default_rng(0)
STATE = np.random.RandomState(0)
FIXED = np.random.default_rng(1).normal(size=3).astype(np.float32)
PYTHON = random.Random(0)


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


# -- bad ---------------------------------------------------------------------------------


def numpy_normal(x, key):
    return x + np.random.normal(size=x.shape)  # RNG010


def numpy_two_lines(x, key):
    scale = np.random.uniform()  # RNG010
    return x * scale + np.random.randn(3)  # RNG010


def numpy_under_jit(x, key):
    @jax.jit
    def f(x):
        return x * np.random.rand()  # RNG010

    return f(x)


def numpy_under_vmap(x, key):
    return jax.vmap(lambda row: row + np.random.normal(size=3))(x)  # RNG010


def numpy_in_a_loop(x, key):
    def step(x, _):
        return x + np.random.normal(size=x.shape), None  # RNG010

    return jax.lax.scan(step, x, length=3)[0]


def numpy_in_a_gradient(x, key):
    def loss(x):
        return jnp.sum(x * np.random.binomial(1, 0.5, x.shape))  # RNG010

    return jax.grad(loss)(x)


def numpy_in_a_branch(x, key):
    return jax.lax.cond(
        x[0, 0] < 1,
        lambda: x + np.random.standard_normal(),  # RNG010
        lambda: x,
    )


def numpy_beside_jax(x, key):
    return noisy(x, key)[np.random.permutation(4)]  # RNG010


def python_random(x, key):
    return x * random.random()  # RNG010


def python_choice(x, key):
    return x * random.choice([1.0, 2.0, 3.0])  # RNG010


def python_shuffle(x, key):
    order = list(range(4))
    random.shuffle(order)  # RNG010
    return x[jnp.array(order)]


def seed_for_a_key(x, key):
    seed = np.random.randint(0, 2**31)  # RNG010
    return noisy(x, jax.random.key(seed))


def generator_of_the_module(x, key):
    return x + GENERATOR.normal(size=3)  # RNG010


def old_state_of_the_module(x, key):
    return x + STATE.normal(size=3)  # RNG010


def generator_made_inside(x, key):
    return x + np.random.default_rng(0).normal(size=3)  # RNG010


# -- good --------------------------------------------------------------------------------


def drawn_before(x, key):
    return x + FIXED


def drawn_with_jax(x, key):
    return noisy(x, key)


def seeded_only(x, key):
    np.random.seed(0)
    return noisy(x, key)


def state_read_only(x, key):
    np.random.get_state()
    return noisy(x, key)


def python_state_read_only(x, key):
    random.getstate()
    return noisy(x, key)


def generator_made_and_not_used(x, key):
    np.random.default_rng(0)
    return noisy(x, key)


def in_a_callback(x, key):
    def draw():
        return np.random.default_rng(0).normal(size=3).astype(np.float32)

    return x + jax.pure_callback(draw, jax.ShapeDtypeStruct((3,), np.float32))


def generator_handed_over(x, key):
    return x * float(GENERATOR is STATE) + noisy(x, key)


def numpy_without_chance(x, key):
    return noisy(x, key) + np.linspace(0, 1, 3, dtype=np.float32)
