"""Programs with known results for `jaxrng-doctor selfcheck`: one bad and one good for most rules.

They are text and compiled under a file name outside this package, because frames inside the
package do not count as user code.
"""

from __future__ import annotations

FILE = "selfcheck.py"
"""The file name of the programs."""

CHECKED: dict[str, tuple[str, ...]] = {
    "shared_under_vmap": ("RNG001",),
    "split_for_vmap": (),
    "equal_keys": ("RNG002",),
    "different_keys": (),
    "key_of_a_loop": ("RNG003",),
    "key_of_each_step": (),
    "key_of_each_device": (),
    "two_draws": ("RNG005",),
    "two_keys": (),
    "used_after_split": ("RNG006",),
    "child_after_split": (),
    "folded_and_split": ("RNG007",),
    "returned_after_use": ("RNG008",),
    "numpy_in_trace": ("RNG010",),
    "recomputed": (),
    "two_checkpoints": ("RNG005",),
    "in_a_derivative": ("RNG001",),
    "in_a_branch": ("RNG001",),
}
"""The functions of `TEXT` to `check`, with the expected errors and warnings."""

WATCHED: dict[str, tuple[str, ...]] = {
    "one_key_for_all_calls": ("RNG014",),
    "a_key_for_each_call": (),
    "eager_draws": ("RNG005",),
    "eager_vmap": ("RNG001",),
    "eager_loop": ("RNG003",),
    "eager_derivatives": ("RNG014",),
}
"""The functions of `TEXT` to run under `watch`, with the expected errors and warnings."""

TEXT = """
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random


def shared_under_vmap(x, key):
    return jax.vmap(lambda a, k: a + random.normal(k), in_axes=(0, None))(x, key)


def split_for_vmap(x, key):
    return jax.vmap(lambda a, k: a + random.normal(k))(x, random.split(key, x.shape[0]))


def equal_keys(x, key):
    words = jnp.broadcast_to(random.key_data(key), (4, 2))
    return jax.vmap(lambda a, w: a + random.normal(random.wrap_key_data(w)))(x, words)


def different_keys(x, key):
    return jax.vmap(lambda a, i: a + random.normal(random.fold_in(key, i)))(x, jnp.arange(4))


def key_of_a_loop(x, key):
    return lax.scan(lambda c, _: (c + random.normal(key, (4,)), None), x, length=3)[0]


def key_of_each_step(x, key):
    def step(c, k):
        return c + random.normal(k, (4,)), None

    return lax.scan(step, x, random.split(key, 3))[0]


def key_of_each_device(x, key):
    return jax.pmap(lambda a, k: a + random.normal(k))(x[:1], random.split(key, 1))


def two_draws(x, key):
    return x + random.normal(key, (4,)) * random.uniform(key, (4,))


def two_keys(x, key):
    first, second = random.split(key)
    return x + random.normal(first, (4,)) * random.uniform(second, (4,))


def used_after_split(x, key):
    child, _ = random.split(key)
    return x + random.normal(child, (4,)) + random.normal(key, (4,))


def child_after_split(x, key):
    key, child = random.split(key)
    return x + random.normal(child, (4,)), key


def folded_and_split(x, key):
    first, _ = random.split(key)
    return x + random.normal(first, (4,)) + random.normal(random.fold_in(key, 0), (4,))


def returned_after_use(x, key):
    return x + random.normal(key, (4,)), key


def numpy_in_trace(x, key):
    return x + np.random.normal(size=4)


def recomputed(x, key):
    layer = jax.checkpoint(lambda c: jnp.sin(c * random.normal(key, (4,))).sum())
    return jax.grad(layer)(x)


def two_checkpoints(x, key):
    layer = jax.checkpoint(lambda c: jnp.sin(c * random.normal(key, (4,))))
    return jax.grad(lambda c: layer(layer(c)).sum())(x)


def in_a_derivative(x, key):
    def loss(c):
        return (jax.vmap(lambda a: a * random.normal(key))(c) ** 2).sum()

    return jax.grad(loss)(x)


def in_a_branch(x, key):
    def one(a):
        return lax.cond(a > -9, lambda k: random.normal(k), lambda k: 0.0, key)

    return jax.vmap(one)(x)


def one_key_for_all_calls():
    step = jax.jit(lambda x, k: x + random.normal(k))
    for _ in range(2):
        step(1.0, random.key(0))


def a_key_for_each_call():
    step = jax.jit(lambda x, k: x + random.normal(k))
    for key in random.split(random.key(0)):
        step(1.0, key)


def eager_draws():
    key = random.key(0)
    random.normal(key)
    random.uniform(key)


def eager_vmap():
    key = random.key(0)
    jax.vmap(lambda a: a + random.normal(key))(jnp.zeros(4))


def eager_loop():
    key = random.key(0)
    lax.fori_loop(0, 3, lambda _, c: c + random.normal(key), 0.0)


def eager_derivatives():
    key = random.key(0)
    loss = jax.jit(lambda x, k: (x * random.normal(k)) ** 2)
    for _ in range(2):
        jax.grad(loss)(1.0, key)
"""
