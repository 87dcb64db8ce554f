"""Compiled functions inside eager vmaps and derivatives: the keys of all calls are compared.

The expected keys of each draw are computed by plain Python loops.
"""

import gc
import weakref
from itertools import product

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
    """Assert that RNG014 reports exactly those of `keys`, a list per call, that two calls use."""
    words = [{tuple(jax.random.key_data(key).tolist()) for key in call} for call in keys]
    every = {key for call in words for key in call}
    twice = {key for key in every if sum(key in call for call in words) > 1}
    uses = sum(key in call for call in words for key in twice)
    found = [f for f in report.findings if f.code == "RNG014"]

    assert [(f.evidence.distinct_keys, f.evidence.examples) for f in found] == (
        [(len(twice), uses)] if twice else []
    )


@pytest.mark.sampled(2)
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


def test_two_calls_in_one_derivative_are_reported_as_within_one_program(loss):
    key = jax.random.key(0)

    report = watched(lambda: jax.grad(lambda x: loss(x, key) + loss(x, key))(X))

    assert [f.code for f in report.findings] == ["RNG005"]


def test_what_a_vmap_shares_is_reported_once(loss):
    report = watched(lambda: jax.vmap(loss, in_axes=(0, None))(X, jax.random.key(0)))

    assert [f.code for f in report.findings] == ["RNG001"]
    assert [t.target for t in report.targets] == ["vmap(<lambda>)", "across calls"]


def each_step(key, number):
    return jax.random.normal(jax.random.fold_in(key, number))


def with_scan(x, key):
    return lax.scan(lambda x, n: (x * each_step(key, n), None), x, jnp.arange(3))[0].sum()


def with_fori(x, key):
    return lax.fori_loop(0, 3, lambda n, x: x * each_step(key, n), x).sum()


def with_while(x, key):
    def body(state):
        return state[0] + 1, state[1] * each_step(key, state[0])

    return lax.while_loop(lambda state: state[0] < 3, body, (0, x))[1].sum()


def with_map(x, key):
    return x.sum() * lax.map(lambda n: each_step(key, n), jnp.arange(3)).sum()


def with_checkpoint(x, key):
    return jax.checkpoint(lambda x: x * sum(each_step(key, n) for n in range(3)))(x).sum()


def with_jit(x, key):
    one = jax.jit(lambda x, n: (x * each_step(key, n), None))
    return lax.scan(one, x, jnp.arange(3))[0].sum()


LOOPS = [with_scan, with_fori, with_while, with_map, with_checkpoint, with_jit]


TRANSFORMS = ["vmap", "grad", "jvp", "vmap of grad", "grad of vmap"]


def loops_in_transformations():
    """One in three combinations; with the oldest JAX and the coming defaults, all of them."""
    pairs = product(enumerate(TRANSFORMS), enumerate(LOOPS), [True, False])
    for (row, transform), (column, walk), fresh in pairs:
        if walk is with_while and "grad" in transform:
            continue  # it has no reverse-mode derivative
        is_more = (row + column + fresh) % 3
        marks = [pytest.mark.every_case] if is_more else []
        yield pytest.param(transform, walk, fresh, marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize(("transform", "walk", "fresh"), list(loops_in_transformations()))
def test_loops_in_eager_vmaps_and_derivatives(transform, walk, fresh):
    is_vmap = "vmap" in transform

    def keys_of(call):
        key = jax.random.key(call if fresh else 0)
        return jax.random.split(key, 4) if is_vmap else key

    def run(keys):
        match transform:
            case "vmap":
                jax.vmap(walk)(X, keys)
            case "grad":
                jax.grad(walk)(X, keys)
            case "jvp":
                jax.jvp(lambda x: walk(x, keys), (X,), (X,))
            case "vmap of grad":
                jax.vmap(jax.grad(walk))(X, keys)
            case "grad of vmap":
                jax.grad(lambda x: jax.vmap(walk)(x, keys).sum())(X)

    def program():
        for call in range(3):
            run(keys_of(call))

    drawn = [
        [jax.random.fold_in(key, n) for key in jnp.ravel(keys_of(call)) for n in range(3)]
        for call in range(3)
    ]
    report = watched(program)
    assert_repeats(report, drawn)
    # RNG011: `grad` takes a function of the data alone, which captures the key.
    assert {f.code for f in report.findings} <= {"RNG011", "RNG014"}


def test_one_body_in_loops_of_different_lengths():
    def step(carry, _):
        key, own = jax.random.split(carry[0])
        return (key, carry[1] + jax.random.normal(own, (3,))), None

    def walk(x, length):
        return lax.scan(step, (jax.random.key(0), x), None, length=length)[0][1].sum()

    def program():
        for length in (3, 5, 5, 0):
            jax.grad(lambda x, n=length: walk(x, n))(X[0])

    drawn, key = [], jax.random.key(0)
    for _ in range(5):
        key, own = jax.random.split(key)
        drawn.append(own)
    assert_repeats(watched(program), [drawn[:3], drawn, drawn, []])


def test_a_branch_counts_for_the_examples_that_take_it():
    def noisy(x, key, number):
        draw = lambda: jax.random.normal(key, x.shape)  # noqa: E731
        return lax.cond(number % 2 == 0, draw, lambda: x)

    keys = jax.random.split(jax.random.key(0), 4)

    def program(first, second):
        jax.vmap(noisy)(X, keys, first)
        jax.vmap(noisy)(X, keys, second)

    numbers = jnp.arange(4)
    assert_repeats(
        watched(lambda: program(numbers, numbers + 1)), [[keys[0], keys[2]], [keys[1], keys[3]]]
    )
    assert_repeats(
        watched(lambda: program(numbers, numbers.at[2].set(1))), [[keys[0], keys[2]], [keys[0]]]
    )


def test_steps_after_the_end_of_a_loop_count_for_no_example():
    def walk(x, key, count):
        def body(state):
            n, key, x = state
            key, sub = jax.random.split(key)
            return n + 1, key, x + jax.random.normal(sub, x.shape)

        return lax.while_loop(lambda state: state[0] < count, body, (0, key, x))[1]

    def program():
        keys = jax.random.split(jax.random.key(0), 4)
        for _ in range(3):  # each example continues from its last key; some stop early
            keys = jax.vmap(walk)(X, keys, jnp.array([1, 4, 2, 3]))

    assert watched(program).findings == ()


@pytest.mark.sampled(2)
@FRESH
@pytest.mark.parametrize("transform", ["grad", "vmap"])
def test_a_vmap_in_a_loop_of_an_eager_vmap_or_derivative(transform, fresh):
    def walk(x, key):
        def step(x, key):
            noise = jax.vmap(lambda k: jax.random.normal(k))(jax.random.split(key, 4))
            return x * noise.sum(), None

        return lax.scan(step, x, jax.random.split(key, 3))[0].sum()

    keys = jax.random.split(jax.random.key(0), 4)

    def keys_of(call):
        start = jnp.roll(keys, call if fresh else 0)  # under vmap, one key repeats
        return start[:2] if transform == "vmap" else start[:1]

    def program():
        for call in (0, 1):
            if transform == "vmap":
                jax.vmap(walk)(X[:2], keys_of(call))
            else:
                jax.grad(walk)(X[0], keys_of(call)[0])

    def drawn(key):
        return [own for step in jax.random.split(key, 3) for own in jax.random.split(step, 4)]

    assert_repeats(
        watched(program), [[own for key in keys_of(call) for own in drawn(key)] for call in (0, 1)]
    )


@pytest.mark.slow
@pytest.mark.parametrize("calls", [1, 2])
def test_a_draw_for_some_examples_in_a_loop_is_a_gap_from_the_second_call_on(calls):
    def walk(x, key):
        def step(x, key):
            def noisy(x, k):
                return lax.cond(x > 0, lambda: jax.random.normal(k), lambda: 0.0)

            return x * jax.vmap(noisy)(x, jax.random.split(key, len(x))), None

        return lax.scan(step, x, jax.random.split(key, 3))[0].sum()

    with jaxrng_doctor.watch() as report:
        for _ in range(calls):
            jax.grad(walk)(X[0], jax.random.key(0))

    gaps = ["calls of grad(walk) are not compared: in a loop it draws for some examples of a vmap"]
    assert [gap.message for gap in report.gaps] == gaps * (calls - 1)
    assert "RNG014" not in [f.code for f in report.findings]


def test_a_transformation_made_before_anybody_watched_is_a_gap(loss):
    early = jax.grad(loss)

    with jaxrng_doctor.watch() as report:
        for _ in range(3):
            early(X, jax.random.key(0))

    (gap,) = report.gaps
    assert gap.message == (
        "<lambda> inside of a vmap or derivative that was not seen being made was not followed"
    )
    assert [f.code for f in report.findings] == ["RNG014"]  # RNG014 only needs the calls


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
            assert number == 0 or last() is None  # the trace of the first call is kept


@FRESH
@pytest.mark.parametrize(
    ("rule", "transform"),
    [
        *product(("custom_vjp", "custom_jvp"), ("grad", "value_and_grad", "vmap")),
        ("custom_jvp", "jvp"),
    ],
)
def test_a_function_with_a_derivative_separate(fresh, transform, rule):
    noise = getattr(jax, rule)(lambda x, key: jnp.sum(x * jax.random.normal(key, x.shape)))
    if rule == "custom_vjp":
        noise.defvjp(lambda x, key: (noise(x, key), x), lambda x, g: (g * x, None))
    else:
        noise.defjvp(lambda given, dots: (noise(*given), jnp.sum(given[0] * dots[0])))
    keys = [jax.random.key(number if fresh else 0) for number in range(3)]

    def program():
        for key in keys:
            if transform == "vmap":
                jax.vmap(noise)(X, jax.random.split(key, len(X)))
            elif transform == "jvp":
                jax.jvp(lambda x, key=key: noise(x, key), (X,), (X,))
            else:
                getattr(jax, transform)(noise)(X, key)

    drawn = [list(jax.random.split(k, len(X))) if transform == "vmap" else [k] for k in keys]
    assert_repeats(watched(program), drawn)
