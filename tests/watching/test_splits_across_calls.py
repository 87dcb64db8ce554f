"""RNG006 across calls: a key that one call draws from and another splits, or that two split."""

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor
from tests.coming import SCAN3

X = jnp.arange(12.0).reshape(4, 3)
KEYS = pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])


@pytest.fixture
def noisy():
    return jax.jit(lambda x, key: x + jax.random.normal(key, x.shape))


@pytest.fixture
def twice_noisy():
    @jax.jit
    def twice_noisy(x, key):
        first, second = jax.random.split(key)
        x = x + jax.random.normal(first, x.shape)
        return x * jax.random.bernoulli(second, 0.5, x.shape)

    return twice_noisy


def found(program):
    with jaxrng_doctor.watch() as report:
        program()
    assert report.gaps == ()
    return [(f.code, f.severity, f.message) for f in report.findings]


@KEYS
def test_parameters_drawn_from_the_key_that_the_loop_splits(make, noisy):
    def program():
        key = make(0)
        w = jax.random.normal(key, (3,))
        for _ in range(3):
            key, own = jax.random.split(key)
            w = noisy(w, own)

    words = "a key is split after being drawn from by jax.random.normal"
    assert found(program) == [("RNG006", "warning", words)]


@KEYS
@pytest.mark.parametrize("draws_first", [True, False])
def test_one_compiled_function_draws_and_another_splits(make, draws_first, noisy, twice_noisy):
    def program():
        for number in range(3):
            functions = (noisy, twice_noisy) if draws_first else (twice_noisy, noisy)
            for function in functions:
                function(X, make(number))

    split, drawn = "split in twice_noisy", "drawn from by jax.random.normal in <lambda>"
    words = f"{split} after being {drawn}" if draws_first else f"{drawn} after being {split}"
    assert found(program) == [("RNG006", "warning", f"3 keys are {words} in another call")]


def test_a_key_split_in_two_places(noisy):
    def program():
        key = jax.random.key(0)
        _, own = jax.random.split(key)
        noisy(X, own)
        *_, other = jax.random.split(key, 3)
        noisy(X, other)

    assert found(program) == [("RNG006", "warning", "a key is split after being split")]


def test_a_function_called_twice_shows_in_its_draws(twice_noisy):
    def program():
        for _ in range(2):
            twice_noisy(X, jax.random.key(0))

    assert [code for code, *_ in found(program)] == ["RNG014"]


def test_a_split_inside_of_an_eager_vmap(noisy):
    def row(x, key):
        return x + jax.random.normal(jax.random.split(key)[0], x.shape)

    def program(keys):
        jax.vmap(noisy)(X, keys)
        jax.vmap(row)(X, keys)

    words = "4 keys are split in vmap(row) after being drawn from by jax.random.normal in <lambda>"
    assert found(lambda: program(jax.random.split(jax.random.key(0), 4))) == [
        ("RNG006", "warning", f"{words} in another call")
    ]


@pytest.mark.parametrize("jitted", [True, False])
def test_clean_loops(jitted, noisy, twice_noisy):
    def next_key(key):
        return jax.random.split(key)

    next_key = jax.jit(next_key) if jitted else next_key

    def program():
        key = jax.random.key(0)
        for _ in range(3):
            key, own, other = jax.random.split(key, 3)
            noisy(X, own)
            twice_noisy(X, other)
            key, own = next_key(key)
            jax.grad(lambda x, k=own: twice_noisy(x, k).sum())(X)

    assert found(program) == []


def test_a_split_that_nothing_comes_of_is_no_use():
    @jax.jit
    def wasteful(x, key):
        jax.random.split(key)
        return x + jax.random.normal(jax.random.fold_in(key, 7), x.shape)

    def program():
        key = jax.random.key(0)
        wasteful(X, key)
        jax.random.normal(key)

    assert "RNG006" not in [code for code, *_ in found(program)]


def test_what_follows_from_a_key_that_is_split_twice_is_not_reported(noisy, twice_noisy):
    def program():
        key = jax.random.key(0)
        for _ in range(5):
            twice_noisy(X, key)  # its first child is also the next key
            key, _ = jax.random.split(key)

    words = "a key is split after being split in twice_noisy in another call"
    assert found(program) == [("RNG006", "warning", words)]


def test_one_key_for_every_step_and_for_the_loop(noisy):
    def program():
        key = jax.random.key(0)
        for _ in range(5):
            noisy(X, key)
            key, _ = jax.random.split(key)

    drawn = "drawn from by jax.random.normal in <lambda> in another call"
    assert found(program) == [("RNG006", "warning", f"5 keys are split after being {drawn}")]


def _in_a_jit(key):
    return jax.jit(jax.random.split)(key)


def _in_a_scan(key):
    return jax.lax.scan(lambda key, _: tuple(jax.random.split(key)), key, length=3)


SPLITTING = pytest.mark.parametrize(
    ("splits", "name"),
    [
        (jax.jit(lambda key: jax.random.split(key)), "<lambda>"),
        (jax.jit(_in_a_jit), "_in_a_jit"),
        (jax.jit(_in_a_scan), "_in_a_scan"),
        (_in_a_scan, "while" if SCAN3 else "scan"),  # the new scan is a while loop
        (lambda key: jax.vmap(_in_a_scan)(key[None]), "scan"),
    ],
    ids=["in a jit", "in a jit in a jit", "in a scan in a jit", "in a scan", "in a vmapped scan"],
)


@pytest.mark.sampled(2)
@KEYS
@SPLITTING
def test_a_function_that_does_nothing_but_split(make, splits, name, noisy):
    def program():
        key = make(0)
        noisy(X, key)
        splits(key)

    words = f"a key is split in {name} after being drawn from by jax.random.normal in <lambda>"
    assert found(program) == [("RNG006", "warning", f"{words} in another call")]


@pytest.mark.sampled(3)
@KEYS
@SPLITTING
def test_a_function_that_splits_keys_which_nothing_else_uses(make, splits, name, noisy):
    def program():
        for number in range(3):
            splits(make(number))
            noisy(X, jax.random.fold_in(make(number), 1))

    assert found(program) == []
