"""A draw that a backward pass repeats counts once, and two calls of one checkpoint count twice."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor

X = jnp.ones((3, 4))


def test_a_checkpoint_that_draws_again_for_its_derivative_is_one_draw():
    @jax.checkpoint
    def layer(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape))

    def loss(x, keys):
        for key in keys:  # all calls are on one line
            x = layer(x, key)
        return jnp.sum(x)

    plain = jaxrng_doctor.check(loss, (X, jax.random.split(jax.random.key(0), 3)))
    derived = jaxrng_doctor.check(
        jax.value_and_grad(loss), (X, jax.random.split(jax.random.key(0), 3))
    )

    assert [draw.place for draw in derived.draws] == [draw.place for draw in plain.draws]
    assert len(plain.draws) == 3
    assert derived.findings == ()


def test_a_draw_of_which_only_the_recomputation_is_left_is_a_draw():
    @jax.checkpoint
    def layer(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape))

    report = jaxrng_doctor.check(
        jax.grad(lambda x, key: jnp.sum(layer(x, key))), (X, jax.random.key(0))
    )

    assert len(report.draws) == 1


@pytest.mark.slow
def test_nested_checkpoints_and_derivatives_of_derivatives_reuse_no_key():
    @jax.checkpoint
    def layer(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape))

    @jax.checkpoint
    def two_layers(x, key):
        first, second = jax.random.split(key)
        x = layer(x, first)
        return jnp.sum(layer(x, second))

    def penalty(x, key):
        first, second = jax.random.split(key)
        slope = jax.grad(two_layers)(x, first)
        return two_layers(x, second) + jnp.sum(slope**2)

    drawn = {two_layers: 2, penalty: 4}
    for fn, count in drawn.items():
        for derivative in (jax.grad, jax.value_and_grad, jax.hessian):
            for run in (True, False):
                report = jaxrng_doctor.check(derivative(fn), (X, jax.random.key(0)), run=run)
                assert [(f.code, f.message) for f in report.findings] == []
                assert len(report.draws) == count


@pytest.mark.parametrize("derivative", [jax.grad, jax.value_and_grad])
def test_calls_of_one_checkpoint_on_one_line_are_reported_apart(derivative):
    @jax.checkpoint
    def layer(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape))

    def loss(x, key):
        for _ in range(2):
            x = layer(x, key)
        return jnp.sum(x)

    for fn in (derivative(loss), jax.jit(derivative(loss))):
        report = jaxrng_doctor.check(fn, (X, jax.random.key(0)))
        assert [finding.code for finding in report.findings] == ["RNG005"]
        assert len(report.draws) == 2


def test_two_draws_in_one_body_that_is_recomputed_are_two():
    @jax.checkpoint
    def twice(x, key):
        return jnp.sum(sum(jnp.sin(x * jax.random.normal(key, x.shape)) for _ in range(2)))

    report = jaxrng_doctor.check(jax.grad(twice), (X, jax.random.key(0)))

    assert [finding.code for finding in report.findings] == ["RNG005"]


def test_the_key_of_another_draw_in_a_backward_rule_is_a_fault():
    @jax.custom_vjp
    def double(x, key):
        return 2 * x

    def backward(key, g):
        return g + jax.random.normal(key, g.shape), None

    double.defvjp(lambda x, key: (double(x, key), key), backward)

    def loss(x, key):
        return jnp.sum(double(x, key) * jax.random.normal(key, x.shape))

    report = jaxrng_doctor.check(jax.grad(loss), (X, jax.random.key(0)))

    assert [finding.code for finding in report.findings] == ["RNG005"]


def _penalty(layer, x, first, second):
    slope = jax.grad(lambda x: jnp.sum(layer(x, first)))(x)
    return jnp.sum(layer(x, second)) + jnp.sum(slope**2)


def _value_then_gradient(layer, x, first, second):
    value = jnp.sum(layer(x, first))
    return value + jnp.sum(jax.grad(lambda x: jnp.sum(layer(x, second)))(x))


def _step_then_value(layer, x, first, second):
    x = x - jax.grad(lambda x: jnp.sum(layer(x, first)))(x)
    return jnp.sum(layer(x, second))


def _two_penalties(layer, x, first, second):
    one, other = (jax.grad(lambda x, k=k: jnp.sum(layer(x, k)))(x) for k in (first, second))
    return jnp.sum(one**2) + jnp.sum(other**3)


def _hessian_times_vector(layer, x, first, second):
    def loss(x):
        return jnp.sum(layer(layer(x, first), second))

    return jnp.sum(jax.jvp(jax.grad(loss), (x,), (x,))[1])


@pytest.mark.sampled(6)
@pytest.mark.parametrize("run", [True, False])
@pytest.mark.parametrize("jitted", [True, False])
@pytest.mark.parametrize("reused", [True, False])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "program",
    [_penalty, _value_then_gradient, _step_then_value, _two_penalties, _hessian_times_vector],
)
def test_with_checkpoints_the_verdict_is_that_without(program, times, reused, jitted, run):
    codes, draws = _verdict(program, times, reused, jitted, run)

    assert (codes, draws) == _verdict(program, 0, reused, jitted, run)
    assert ("RNG005" in codes) == reused


@functools.cache
def _verdict(program, times, reused, jitted, run):
    noise = jax.jit(lambda key: jax.random.normal(key, X.shape)) if jitted else None

    def layer(x, key):
        return jnp.sin(x * (jax.random.normal(key, x.shape) if noise is None else noise(key)))

    for _ in range(times):
        layer = jax.checkpoint(layer)

    def loss(x, key):
        first, second = jax.random.split(key)
        return program(layer, x, first, first if reused else second)

    derivative = jax.value_and_grad(loss)
    fn = jax.jit(derivative) if jitted else derivative
    report = jaxrng_doctor.check(fn, (X, jax.random.key(0)), run=run)
    assert report.gaps == ()
    return sorted(finding.code for finding in report.findings), len(report.draws)
