"""Compiled functions inside of eager vmaps and derivatives: the keys of all calls are compared.

What each draw should get is worked out by plain Python loops over the same keys.
"""

import gc
import weakref

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxrng_doctor

X = jnp.arange(12.0).reshape(4, 3)
FRESH = pytest.mark.parametrize("fresh", [True, False])


@pytest.fixture
def loss():
    return jax.jit(lambda x, key: jnp.sum((x + jax.random.normal(key, x.shape)) ** 2))


@pytest.fixture
def noisy():
    @jax.jit
    def noisy(x, key, number):
        return x + jax.random.normal(jax.random.fold_in(key, number), x.shape)

    return noisy


def watched(program):
    with jaxrng_doctor.watch() as report:
        program()
    assert report.gaps == ()
    return report


def assert_repeats(report, keys):
    """RNG014 is told of exactly those of `keys`, one list a call, that come in two calls."""
    words = [{tuple(jax.random.key_data(key).tolist()) for key in call} for call in keys]
    every = {key for call in words for key in call}
    twice = {key for key in every if sum(key in call for call in words) > 1}
    uses = sum(key in call for call in words for key in twice)
    found = [f for f in report.findings if f.code == "RNG014"]

    assert [(f.evidence.distinct_keys, f.evidence.examples) for f in found] == (
        [(len(twice), uses)] if twice else []
    )


@FRESH
@pytest.mark.parametrize(
    ("transform", "make"),
    [("grad", jax.random.key), ("value_and_grad", jax.random.PRNGKey), ("jacrev", jax.random.key)],
)
def test_a_compiled_loss_in_an_eager_derivative(loss, fresh, transform, make):
    keys = [[make(number if fresh else 0)] for number in range(3)]

    report = watched(lambda: [getattr(jax, transform)(loss)(X, key) for (key,) in keys])

    assert_repeats(report, keys)


@FRESH
def test_the_lambda_of_each_step_captures_its_key(loss, fresh):
    keys = [[jax.random.key(number if fresh else 0)] for number in range(3)]

    report = watched(lambda: [jax.grad(lambda x, k=key: loss(x, k))(X) for (key,) in keys])

    assert_repeats(report, keys)


@FRESH
def test_a_compiled_function_under_an_eager_vmap(noisy, fresh):
    key = jax.random.PRNGKey(0)
    numbers = [range(4 * n, 4 * n + 4) if fresh else range(4) for n in range(3)]

    def program():
        rows = jax.vmap(noisy, in_axes=(0, None, 0))
        for each in numbers:
            rows(X, key, jnp.array(each))

    report = watched(program)

    assert_repeats(report, [[jax.random.fold_in(key, i) for i in each] for each in numbers])


@FRESH
def test_nested_vmaps_over_other_axes_around_a_derivative(noisy, fresh):
    def program(parent):
        keys = jax.random.split(parent, 5)

        def inner(x, j, key, i):
            return jax.grad(lambda x: noisy(x, key, i * 10 + j).sum())(x)

        def outer(x, key, i):
            return jax.vmap(inner, in_axes=(1, 0, None, None))(x, jnp.arange(3), key, i)

        jax.vmap(outer, in_axes=(2, 0, 0))(jnp.ones((2, 3, 5)), keys, jnp.arange(5))

    parents = [jax.random.key(number if fresh else 0) for number in range(2)]
    keys = [
        [
            jax.random.fold_in(key, i * 10 + j)
            for i, key in enumerate(jax.random.split(parent, 5))
            for j in range(3)
        ]
        for parent in parents
    ]

    report = watched(lambda: [program(parent) for parent in parents])

    assert_repeats(report, keys)


def test_a_call_by_itself_and_one_in_a_derivative(loss):
    key = jax.random.key(0)

    def program():
        loss(X, key)
        jax.grad(loss)(X, key)

    assert_repeats(watched(program), [[key], [key]])


def test_two_calls_in_one_derivative_are_told_as_within_one_program(loss):
    key = jax.random.key(0)

    report = watched(lambda: jax.grad(lambda x: loss(x, key) + loss(x, key))(X))

    assert [f.code for f in report.findings] == ["RNG005"]


def test_what_a_vmap_shares_is_told_once(loss):
    report = watched(lambda: jax.vmap(loss, in_axes=(0, None))(X, jax.random.key(0)))

    assert [f.code for f in report.findings] == ["RNG001"]
    assert [t.target for t in report.targets] == ["vmap(<lambda>)", "across calls"]


@pytest.mark.parametrize("calls", [1, 2])
def test_a_loop_inside_of_an_eager_derivative_is_a_gap_from_the_second_call_on(calls):
    def walk(x, key):
        step = lambda x, k: (x * jax.random.normal(k, x.shape), None)  # noqa: E731
        return lax.scan(step, x, jax.random.split(key, 3))[0].sum()

    with jaxrng_doctor.watch() as report:
        for number in range(calls):
            jax.grad(walk)(X, jax.random.key(number))

    gaps = ["calls of grad(walk) are not compared: it draws in a loop or a branch"]
    assert [gap.message for gap in report.gaps] == gaps * (calls - 1)


def test_a_transformation_made_before_anybody_watched_is_a_gap(loss):
    early = jax.grad(loss)

    with jaxrng_doctor.watch() as report:
        for _ in range(3):
            early(X, jax.random.key(0))

    (gap,) = report.gaps
    assert gap.message == (
        "<lambda> inside of a vmap or derivative made before watching began was not followed"
    )
    assert [f.code for f in report.findings] == ["RNG014"]  # which needs no more than the calls


def test_nothing_large_is_kept_after_a_step():
    @jax.jit
    def loss(w, key):
        return jnp.sum(w * jax.random.normal(key, w.shape))

    with jaxrng_doctor.watch():
        for number in range(3):
            w = jnp.full((1000,), float(number))
            jax.grad(loss)(w, jax.random.key(number))
            last = weakref.ref(w)
            del w
            gc.collect()
            assert number == 0 or last() is None  # of the first call its trace is kept
