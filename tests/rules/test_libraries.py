"""Two draws from one key are a note in an installed library, and an error in its user's code."""

import sysconfig

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor

LIBRARY = """
import jax


def two(key):
    a = jax.random.normal(key, (3,))
    return a + jax.random.uniform(key, (3,))


def one(key):
    return jax.random.normal(key, (3,))


def other(key):
    return jax.random.uniform(key, (3,))


def taken(key):
    _, own = jax.random.split(key)
    return own


def calls_mapped(f, g, key):
    keys = jax.vmap(jax.random.split)(jax.random.split(key, 2))
    a = f(keys[0, 1])
    return a + g(keys[0, 1])


def calls(f, g, key):
    key = jax.random.fold_in(key, 7)
    a = f(key)
    return a + g(key)
"""


@pytest.fixture(scope="module")
def library():
    """The functions of a module whose path is that of an installed package."""
    names = {}
    path = sysconfig.get_paths()["purelib"] + "/noise_library/noise.py"
    exec(compile(LIBRARY, path, "exec"), names)
    return names


def severities(fn, run):
    report = jaxrng_doctor.check(fn, (jax.random.key(0),), run=run)
    assert {f.code for f in report.findings} == {"RNG005"}
    return sorted(f.severity for f in report.findings)


def test_a_watched_program(library):
    key = jax.random.key(0)

    def twice(draw):
        with jaxrng_doctor.watch() as report:
            for number in range(2):
                draw(jax.random.fold_in(key, number))
        return [(f.code, f.severity) for f in report.findings]

    assert twice(library["two"]) == [("RNG014", "note")]
    assert twice(lambda key: library["calls"](library["one"], library["one"], key)) == [
        ("RNG014", "note")
    ]
    assert twice(lambda key: library["one"](key) + library["one"](key)) == [("RNG014", "error")]
    assert twice(lambda _: library["one"](key)) == [("RNG014", "error")]
    assert ("RNG014", "error") in twice(lambda _: library["two"](key))


both = pytest.mark.parametrize("run", [True, False], ids=["run", "no-run"])


@both
def test_two_draws_within_one_call(library, run):
    assert severities(lambda key: library["two"](key), run) == ["note"]


@both
def test_a_helper_called_twice(library, run):
    def helper(f, key):
        return f(key)

    def twice(key):
        return helper(library["two"], key) + helper(library["two"], key)

    assert "error" in severities(twice, run)


@both
def test_two_functions_of_the_library_called_on_one_line(library, run):
    def loop(key):
        return sum(f(key) for f in (library["one"], library["other"]))

    assert severities(loop, run) == ["error"]


@both
def test_code_of_the_users_that_the_library_calls_with_a_key_separate(library, run):
    def calls_back(key):
        return library["calls"](
            lambda own: library["one"](own), lambda own: library["one"](own), key
        )

    assert severities(calls_back, run) == ["note"]


@both
def test_code_of_the_users_that_the_library_calls_with_a_key_that_it_split_in_a_vmap(library, run):
    def calls_back(key):
        return library["calls_mapped"](
            lambda own: library["one"](own), lambda own: library["one"](own), key
        )

    assert severities(calls_back, run) == ["note"]


@both
def test_the_child_that_the_library_keeps_is_not_for_its_user_to_take(library, run):
    def stream(key):
        own = library["taken"](key)
        return jax.random.normal(own, (3,)) + jax.random.uniform(own, (3,))

    assert severities(stream, run) == ["error"]


@both
def test_code_of_the_users_that_the_library_calls_and_that_holds_the_key(library, run):
    def calls_back(key):
        def first(_):
            return library["one"](key)

        def second(_):
            return library["one"](key) + jnp.ones(3)

        return library["calls"](first, second, key)

    assert severities(calls_back, run) == ["error"]


@both
def test_draws_of_the_users_own_that_the_library_calls(library, run):
    def calls_back(key):
        def draw(_):
            return jax.random.normal(key, (3,))

        return library["calls"](draw, draw, key)

    assert severities(calls_back, run) == ["error"]
