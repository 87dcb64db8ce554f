"""NumPy's and Python's random numbers in a watched program: the frozen ones are found."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxrng_doctor

RNG = np.random.default_rng(0)


def numpys_own(x):
    return x + np.random.normal(size=3)


def a_generator(x):
    return x + RNG.normal(size=3)


def pythons(x):
    return x * random.random()


def told(report):
    assert report.gaps == ()
    return [(f.code, f.place.function, f.place.line) for f in report.findings]


@pytest.mark.parametrize("fn", [numpys_own, a_generator, pythons])
def test_frozen_into_a_function_that_draws_nothing_with_jax(fn):
    step = jax.jit(fn)
    with jaxrng_doctor.watch() as report:
        first = step(jnp.ones(3))
        second = step(jnp.ones(3))

    assert np.array_equal(first, second)  # it is a constant
    [(code, _, line)] = told(report)
    assert (code, line) == ("RNG010", fn.__code__.co_firstlineno + 1)


def test_frozen_into_a_loop_that_nothing_compiles():
    def body(total, _):
        return total + RNG.normal(), None

    with jaxrng_doctor.watch() as report:
        total, _ = lax.scan(body, 0.0, length=3)

    assert float(total) != 0.0
    assert told(report) == [("RNG010", "body", body.__code__.co_firstlineno)]


def test_drawn_outside_of_what_is_traced():
    step = jax.jit(lambda x: x * 2)
    with jaxrng_doctor.watch() as report:
        for _ in range(3):
            step(np.random.normal(size=3) + RNG.normal() + random.random())

    assert told(report) == []


def test_the_numbers_are_those_of_the_program_alone():
    def program():
        np.random.seed(1)
        random.seed(1)
        own = np.random.default_rng(1)
        step = jax.jit(lambda x: x + np.random.normal() + own.normal() + random.random())
        return [*step(jnp.ones(3)).tolist(), np.random.normal(), own.normal(), random.random()]

    alone = program()
    with jaxrng_doctor.watch():
        seen = program()

    assert seen == alone
