"""Draws in rules of `custom_vjp` and `custom_jvp` are reported at their line, with the rule."""

import functools
import inspect
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor
from jaxrng_doctor.jax_internals import custom_rules

X, KEY = jnp.ones(3), jax.random.key(3)


@jax.custom_vjp
def scaled(x, key):
    return x * jax.random.normal(key, (3,))


def scaled_forward(x, key):
    return x * jax.random.normal(key, (3,)), key  # first


def scaled_backward(key, ct):
    return ct * jax.random.uniform(key, (3,)), None  # again


scaled.defvjp(scaled_forward, scaled_backward)


@jax.custom_vjp
def both_in_forward(x, key):
    return x


def forward_with_both(x, key):
    noise = jax.random.normal(key, (3,))  # first
    return x * noise * jax.random.uniform(key, (3,)), key  # again


both_in_forward.defvjp(forward_with_both, lambda key, ct: (ct, None))


@jax.custom_jvp
def both_in_tangent(x, key):
    return x


@both_in_tangent.defjvp
def tangent_with_both(primals, tangents):
    noise = jax.random.normal(primals[1], (3,))  # first
    return primals[0], tangents[0] * noise * jax.random.uniform(primals[1], (3,))  # again


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def with_constant(constant, x, key):
    return constant * x


def constant_forward(constant, x, key):
    return constant * x * jax.random.normal(key, (3,)), key  # first


def constant_backward(constant, key, ct):
    return constant * ct * jax.random.uniform(key, (3,)), None  # again


with_constant.defvjp(constant_forward, constant_backward)


@jax.custom_vjp
def regenerated(x, key):
    return x * jax.random.normal(key, (3,))


regenerated.defvjp(
    lambda x, key: (regenerated(x, key), key),
    lambda key, ct: (ct * jax.random.normal(key, (3,)), None),
)


def two(x, key):
    return with_constant(2, x, key)


def gradient(layer, x, key):
    return jax.grad(lambda x: jnp.sum(layer(x, key) ** 2))(x)


WAYS = {
    "plain": gradient,
    "of a jit": lambda layer, x, key: gradient(jax.jit(layer), x, key),
    "in a jit": lambda layer, x, key: jax.jit(lambda x, key: gradient(layer, x, key))(x, key),
    "in a scan": lambda layer, x, key: jax.lax.scan(
        lambda x, own: (x - gradient(layer, x, own), None), x, jax.random.split(key, 3)
    )[0],
    "of a checkpoint": lambda layer, x, key: gradient(jax.checkpoint(layer), x, key),
}

# The layer, the name of its function with rules, and the rules with the first and second use.
RULES = {
    "backward": (scaled, "scaled", scaled_forward, scaled_backward),
    "forward": (both_in_forward, "both_in_forward", forward_with_both, forward_with_both),
    "tangent": (both_in_tangent, "both_in_tangent", tangent_with_both, tangent_with_both),
    "nondiff_argnums": (two, "with_constant", constant_forward, constant_backward),
}


def line(rule, mark):
    lines, first = inspect.getsourcelines(rule)
    return first + next(i for i, text in enumerate(lines) if text.endswith(f"# {mark}\n"))


@functools.cache
def checkpoint_leaves_rules_out():
    """Whether JAX itself, in a checkpoint, runs the function instead of its forward rule.

    JAX 0.12.0.1 does, with the new checkpoint and the old custom rules: the gradient differs.
    """
    plain, of_a_checkpoint = (
        WAYS[way](both_in_forward, X, KEY) for way in ("plain", "of a checkpoint")
    )
    return not jnp.allclose(plain, of_a_checkpoint)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("layer", "function", "first", "again"), RULES.values(), ids=RULES)
def test_a_rule_that_reuses_a_key(layer, function, first, again, way):
    of_a_checkpoint = way is WAYS["of a checkpoint"] and layer is not both_in_tangent
    if of_a_checkpoint and checkpoint_leaves_rules_out():
        pytest.skip("JAX alone runs no forward rule in a checkpoint")
    report = jaxrng_doctor.check(functools.partial(way, layer), (X, KEY))

    assert report.gaps == ()
    (finding,) = (f for f in report.findings if f.code == "RNG005")
    assert finding.confidence == "proven"
    assert finding.place.line == line(again, "again")
    marked = [r.place.line for r in finding.related if r.message != "this key is made here"]
    assert marked == [line(first, "first")]
    assert finding.notes == (
        f"the first use is in the rule `{first.__name__}` of `{function}`, for its derivative",
        f"the second use is in the rule `{again.__name__}` of `{function}`, for its derivative",
    )


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_rule_that_makes_the_same_numbers_again_is_clean(way):
    report = jaxrng_doctor.check(functools.partial(way, regenerated), (X, KEY))

    assert report.findings == report.gaps == ()


def test_two_calls_with_one_key_are_two_whatever_their_rules_make_again():
    def program(x, key):
        one = gradient(regenerated, x, key)
        return one + gradient(regenerated, x * 2, key)

    (finding,) = jaxrng_doctor.check(program, (X, KEY)).findings

    assert finding.code == "RNG005"
    first = inspect.getsourcelines(program)[1]
    assert [r.place.line - first for r in finding.related] == [1, 2]


def test_a_draw_that_only_the_derivative_of_a_scan_makes_is_a_gap_at_its_line():
    def program(x, key):
        def loss(x):
            def step(x, own):
                return scaled(x, own), None

            return jnp.sum(jax.lax.scan(step, x, jax.random.split(key, 3))[0])

        return jax.grad(loss)(x)

    (gap,) = jaxrng_doctor.check(program, (X, KEY)).gaps

    assert gap.message == "a draw that only a derivative makes is not followed"
    assert gap.place.line == line(scaled_backward, "again")


def test_the_users_functions_and_their_derivatives_stay_as_they_are():
    before = jax.make_jaxpr(functools.partial(gradient, scaled))(X, KEY)
    call = jax.custom_vjp.__call__
    rules = scaled.fwd, scaled.bwd

    jaxrng_doctor.check(functools.partial(gradient, scaled), (X, KEY))

    assert jax.custom_vjp.__call__ is call
    assert (scaled.fwd, scaled.bwd) == rules
    assert str(jax.make_jaxpr(functools.partial(gradient, scaled))(X, KEY)) == str(before)
    hlo = jax.jit(functools.partial(gradient, scaled)).lower(X, KEY).as_text(debug_info=True)
    assert "jaxrng" not in hlo


def test_what_a_rule_raises_is_raised():
    @jax.custom_vjp
    def broken(x):
        return x

    def backward(_, ct):
        raise LookupError("no such rule")

    broken.defvjp(lambda x: (x, None), backward)

    with pytest.raises(LookupError, match="no such rule"):
        jaxrng_doctor.check(jax.grad(lambda x: jnp.sum(broken(x))), (X,))
    report = jaxrng_doctor.check(functools.partial(gradient, scaled), (X, KEY))
    assert [f.place.line for f in report.findings] == [line(scaled_backward, "again")]


def test_where_jax_does_not_tell_the_line_the_rule_is_named(monkeypatch):
    monkeypatch.setattr(custom_rules, "_source", SimpleNamespace())  # a JAX without the context

    (finding,) = jaxrng_doctor.check(functools.partial(gradient, scaled), (X, KEY)).findings

    assert finding.place.line == inspect.getsourcelines(gradient)[1] + 1
    assert finding.notes[1].startswith(
        "the second use is in the rule `scaled_backward` of `scaled`"
    )
