"""JAX's coming rewrites of `scan`, `checkpoint` and custom rules do not change the report."""

import functools
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxrng_doctor

FLAGS = ["jax_scan3", "jax_remat3", "jax_custom_vjp3", "jax_custom_jvp3"]
HAS = FLAGS if jax.__version_info__ >= (0, 12) else []  # the flags are unfinished before 0.12
X = jnp.arange(12.0).reshape(4, 3)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(getattr(jax.config, flag) for flag in HAS), reason="each flag is set by itself here"
    ),
]

PROGRAMS = {}


def gives(*codes):
    def note(fn):
        PROGRAMS[fn.__name__] = fn, list(codes)
        return fn

    return note


def noisy(row, key):
    return row * jax.random.normal(key, row.shape)


# -- scan --------------------------------------------------------------------------------


@gives("RNG003")
def constant_of_a_scan(x, key):
    return lax.scan(lambda total, row: (total + row, noisy(row, key)), jnp.zeros(3), x)


@gives("RNG003")
def carry_unchanged(x, key):
    return lax.scan(lambda key, row: (key, noisy(row, key)), key, x)[1]


@gives("RNG003")
def carry_alone_is_used(x, key):
    def step(carry, _):
        total, key = carry
        return (total + jax.random.normal(key), key), None

    return lax.scan(step, (0.0, key), length=5)[0][0]


@gives("RNG003")
def map_over_rows(x, key):
    return lax.map(lambda row: noisy(row, key), x)


@gives("RNG003")
def loop_with_a_known_end(x, key):
    return lax.fori_loop(0, 4, lambda i, x: x.at[i].set(noisy(x[i], key)), x)


@gives("RNG003")
def tangent_of_a_scan(x, key):
    def f(x):
        return lax.scan(lambda c, row: (c + row, jnp.sin(noisy(row, key))), jnp.zeros(3), x)

    return jax.jvp(f, (x,), (x,))


@gives("RNG001")
def vmap_in_a_scan(x, key):
    def step(key, _):
        key, own = jax.random.split(key)
        return key, jax.vmap(noisy, in_axes=(0, None))(x, own)

    return lax.scan(step, key, length=3)[1]


@gives("RNG001")
def scan_in_a_vmap(x, key):
    def walk(row, key):
        return lax.scan(lambda c, k: (noisy(c, k), None), row, jax.random.split(key, 5))[0]

    return jax.vmap(walk, in_axes=(0, None))(x, key)


@gives("RNG003")
def scan_in_a_while(x, key):
    def body(state):
        i, x = state
        return i + 1, lax.scan(lambda c, row: (c, noisy(row, key)), 0, x)[1]

    return lax.while_loop(lambda state: state[0] < 1, body, (0, x))


@gives()
def keys_to_scan_over(x, key):
    keys = jax.random.split(key, len(x))
    return lax.scan(lambda total, at: (total + 1, noisy(*at)), 0, (x, keys))


@gives()
def carry_that_is_split(x, key):
    def step(key, row):
        key, own = jax.random.split(key)
        return key, noisy(row, own)

    return lax.scan(step, key, x, reverse=True)


# -- checkpoint ---------------------------------------------------------------------------


@jax.checkpoint
def layer(x, key):
    return jnp.sin(noisy(x, key))


@gives("RNG001")
def checkpoint_in_a_vmap(x, key):
    return jax.vmap(layer, in_axes=(0, None))(x, key)


@gives("RNG001")
def gradient_of_a_checkpoint_around_a_vmap(x, key):
    f = jax.checkpoint(lambda x: jnp.sum(jnp.sin(jax.vmap(noisy, in_axes=(0, None))(x, key))))
    return jax.grad(f)(x)


@gives("RNG005")
def two_calls_with_one_key(x, key):
    return jax.grad(lambda x: jnp.sum(layer(x, key)) + jnp.sum(layer(x, key)))(x)


@gives("RNG003")
def loop_with_checkpoints(x, key):
    f = jax.checkpoint(lambda x: lax.fori_loop(0, jnp.int32(3), lambda i, x: noisy(x, key), x))
    return f(x)


@gives()
def stack_of_layers(x, key):
    def loss(x):
        for own in jax.random.split(key, 3):
            x = layer(x, own)
        return jnp.sum(x)

    return jax.value_and_grad(loss)(x)


@gives()
def gradient_of_a_gradient(x, key):
    return jax.hessian(lambda row: jnp.sum(layer(row, key)))(x[0])


# -- custom rules -------------------------------------------------------------------------


@jax.custom_vjp
def dropout(x, key):
    return _forward(x, key)[0]


def _forward(x, key):
    mask = jax.random.bernoulli(key, 0.5, x.shape)
    return jnp.where(mask, x, 0.0), mask


def _backward(mask, g):
    return jnp.where(mask, g, 0.0), None


dropout.defvjp(_forward, _backward)


@jax.custom_jvp
def jittered(x, key):
    return x + jax.random.normal(key, x.shape)


@jittered.defjvp
def _(primals, tangents):
    return jittered(*primals), tangents[0]


@gives("RNG001")
def custom_vjp_in_a_vmap(x, key):
    return jax.vmap(dropout, in_axes=(0, None))(x, key)


@gives("RNG001")
def gradient_of_a_custom_vjp_in_a_vmap(x, key):
    gradient = jax.grad(lambda row, key: jnp.sum(dropout(row, key) ** 2))
    return jax.vmap(gradient, in_axes=(0, None))(x, key)


@gives("RNG005")
def custom_vjp_beside_a_draw(x, key):
    return dropout(x, key) + jax.random.normal(key, x.shape)


@gives("RNG001")
def custom_jvp_in_a_vmap(x, key):
    return jax.vmap(jittered, in_axes=(0, None))(x, key)


@gives()
def gradient_of_custom_rules(x, key):
    def loss(row, key):
        first, second = jax.random.split(key)
        return jnp.sum(jnp.sin(jittered(dropout(row, first), second)))

    return jax.vmap(jax.grad(loss))(x, jax.random.split(key, len(x)))


@gives("RNG003")
def custom_vjp_in_a_checkpoint_in_a_loop(x, key):
    f = jax.checkpoint(lambda row: dropout(row, key))
    return lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, f(s[1])), (0, x))[1]


@pytest.mark.parametrize("flags", [*([flag] for flag in HAS), HAS], ids=[*HAS, "all"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_report_is_the_same(name, flags):
    fn, codes = PROGRAMS[name]
    for run in (True, False):
        before = _without(name, run)
        with _only(flags):
            after = jaxrng_doctor.check(fn, (X, jax.random.key(0)), run=run)
            can_run = _runs(fn)

        assert [f.code for f in before.findings if f.severity != "note"] == codes
        assert _reported(after) == _reported(before)
        assert before.gaps == after.gaps == ()
        assert before.failures == ()
        assert [failure.stage for failure in after.failures] == ["run"] * (run and not can_run)


@functools.cache
def _without(name, run):
    with _only([]):
        return jaxrng_doctor.check(PROGRAMS[name][0], (X, jax.random.key(0)), run=run)


def _reported(report):
    found = [(f.code, f.severity, f.confidence, f.place, f.message) for f in report.findings]
    return found, [draw.place for draw in report.draws]


def _runs(fn):
    """Whether JAX itself can run it: JAX 0.12 has no vmap of its new scan."""
    try:
        fn(X, jax.random.key(0))
    except NotImplementedError:
        return False
    return True


@contextmanager
def _only(flags):
    were = {flag: getattr(jax.config, flag) for flag in HAS}
    try:
        for flag in HAS:
            jax.config.update(flag, flag in flags)
        yield
    finally:
        for flag, was in were.items():
            jax.config.update(flag, was)
