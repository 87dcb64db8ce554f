"""NumPy's and Python's random numbers in a watched program: frozen ones are found."""

import contextlib
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

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


def reported(report):
    assert report.gaps == ()
    return [(f.code, f.place.function, f.place.line) for f in report.findings]


@pytest.mark.parametrize("fn", [numpys_own, a_generator, pythons])
def test_frozen_into_a_function_that_draws_nothing_with_jax(fn):
    step = jax.jit(fn)
    with jaxrng_doctor.watch() as report:
        first = step(jnp.ones(3))
        second = step(jnp.ones(3))

    assert np.array_equal(first, second)  # it is a constant
    [(code, _, line)] = reported(report)
    assert (code, line) == ("RNG010", fn.__code__.co_firstlineno + 1)


def test_frozen_into_a_loop_that_nothing_compiles():
    def body(total, _):
        return total + RNG.normal(), None

    with jaxrng_doctor.watch() as report:
        total, _ = lax.scan(body, 0.0, length=3)

    assert float(total) != 0.0
    assert reported(report) == [("RNG010", "body", body.__code__.co_firstlineno)]


def test_drawn_outside_of_what_is_traced():
    step = jax.jit(lambda x: x * 2)
    with jaxrng_doctor.watch() as report:
        for _ in range(3):
            step(np.random.normal(size=3) + RNG.normal() + random.random())

    assert reported(report) == []


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


# -- other threads -------------------------------------------------------------------------


@contextlib.contextmanager
def loading(load):
    """A thread that loads a batch whenever the traced function waits for one."""
    wanted, loaded, ended = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
    batches = []

    def work():
        while wanted.acquire() and not ended.is_set():
            batches.append(load())
            loaded.release()

    def wait():
        wanted.release()
        assert loaded.acquire(timeout=20)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield wait, batches
    finally:
        ended.set()
        wanted.release()
        thread.join(20)


LOADS = {
    "numpy": lambda: np.random.normal(),
    "a generator": lambda: RNG.normal(),
    "python": lambda: random.random(),
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_what_another_thread_draws_is_none_of_the_traces(load):
    np.random.seed(3), random.seed(3)
    RNG.bit_generator.state = np.random.default_rng(3).bit_generator.state
    expected = [load() for _ in range(2)]
    np.random.seed(3), random.seed(3)
    RNG.bit_generator.state = np.random.default_rng(3).bit_generator.state

    with loading(load) as (wait, batches), jaxrng_doctor.watch() as report:

        @jax.jit
        def step(x):
            wait()
            return x * 2

        step(jnp.ones(3))

    assert batches == expected[: len(batches)]  # and no batch is loaded twice
    assert report.findings == ()
    assert all("by another thread" in gap.message for gap in report.gaps)


def test_a_frozen_draw_beside_another_thread():
    with loading(LOADS["a generator"]) as (wait, _), jaxrng_doctor.watch() as report:

        @jax.jit
        def step(x):
            wait()
            return x + np.random.normal()

        np.random.seed(3)
        step(jnp.ones(3))
        after = np.random.normal()

    np.random.seed(3)
    assert after == [np.random.normal() for _ in range(2)][1]
    [finding] = report.findings
    assert (finding.code, finding.place.line) == (
        "RNG010",
        step.__wrapped__.__code__.co_firstlineno + 3,
    )


def test_a_generator_that_either_thread_may_have_moved_is_a_gap():
    with loading(lambda: None) as (wait, _), jaxrng_doctor.watch() as report:

        @jax.jit
        def step(x):
            wait()
            return x + RNG.normal()

        step(jnp.ones(3))

    assert report.findings == ()
    assert {gap.message for gap in report.gaps} == {
        "the state of a NumPy generator changed while a function was traced, "
        "by its draws or by another thread"
    }


@pytest.mark.slow
def test_the_trace_of_a_function_that_raised_is_not_taken_for_a_later_one():
    """An inner trace can get the memory, and so the `id`, of a trace that has failed."""

    def fails(x):
        raise ValueError

    @jax.jit
    def loop(xs):
        return lax.map(jnp.sin, xs)

    with jaxrng_doctor.watch() as report:
        for size in range(1, 20):
            with contextlib.suppress(ValueError):
                jax.jit(fails)(jnp.ones(size))
        random.random()
        for size in range(1, 5):
            loop(jnp.ones((size, 3)))
            random.random()

    assert (report.findings, report.gaps) == ((), ())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who has slept")
def test_a_thread_that_sleeps_meanwhile_draws_nothing():
    with ThreadPoolExecutor(1) as pool, jaxrng_doctor.watch() as report:
        pool.submit(LOADS["a generator"]).result()

        @jax.jit
        def step(x):
            return x + RNG.normal()

        step(jnp.ones(3))

    [(code, _, line)] = reported(report)
    assert (code, line) == ("RNG010", step.__wrapped__.__code__.co_firstlineno + 2)


def test_two_threads_are_examined_at_once():
    """The check that begins first ends first; NumPy's functions are restored afterwards."""
    before = {name: getattr(np.random, name) for name in np.random.__all__}
    second_began, first_ended = threading.Event(), threading.Event()
    reports = {}

    def first(x):
        assert second_began.wait(20)
        return x + np.random.normal()

    def second(x):
        second_began.set()
        assert first_ended.wait(20)
        return x

    def run(fn):
        reports[fn] = jaxrng_doctor.check(fn, (jnp.ones(3),), run=False)

    threads = [threading.Thread(target=run, args=[fn]) for fn in (first, second)]
    for thread in threads:
        thread.start()
    threads[0].join(30)
    first_ended.set()
    threads[1].join(30)

    assert {fn: [f.code for f in reports[fn].findings] for fn in reports} == {
        first: ["RNG010"],
        second: [],
    }
    assert all(getattr(np.random, name) is before[name] for name in before)
