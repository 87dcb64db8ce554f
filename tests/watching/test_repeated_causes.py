"""A watched program has one finding for each cause, at a line of the user's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor

X = jnp.arange(4.0)


@jax.jit
def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def watched(program):
    with jaxrng_doctor.watch() as report:
        program()
    assert report.gaps == ()
    return report


def place_of(text):
    """The lines of this file that contain `text`."""
    with open(__file__, encoding="utf-8") as file:
        return [number for number, line in enumerate(file, 1) if text in line]


# -- draws outside of compiled functions -----------------------------------------------------


def drawn_three_times():
    key = jax.random.key(0)
    jax.random.normal(key, (4,))
    jax.random.uniform(key, (4,))
    jax.random.normal(key, (2,))


def test_eager_draws_are_rng005_as_under_check():
    (finding,) = watched(drawn_three_times).findings

    assert finding.code == "RNG005"
    assert finding.message.endswith("; 3 uses of this key in all")
    (first,) = place_of("jax.random.normal(key, (4,))\n")[:1]
    assert finding.place.line == first + 1
    assert [r.place.line for r in finding.related] == [first, first + 2]
    assert (finding.evidence.examples, finding.evidence.distinct_keys) == (3, 1)
    assert [help.code for help in finding.help] == ["keys = jax.random.split(key, 3)"]


def test_eager_draws_on_one_line():
    def program():
        key = jax.random.key(0)
        return [jax.random.normal(key) for _ in range(3)]

    (finding,) = watched(program).findings

    assert finding.code == "RNG005"
    assert finding.message == "jax.random.normal draws 3 times from one key"


# -- calls -----------------------------------------------------------------------------------


@jax.jit
def three_draws(x, key):
    a, b, c = jax.random.split(key, 3)
    return x + jax.random.normal(a) + jax.random.normal(b) + jax.random.uniform(c)


def test_a_call_that_is_repeated_is_one_cause():
    def program():
        for _ in range(5):
            three_draws(X, jax.random.key(0))

    (finding,) = watched(program).findings

    assert finding.code == "RNG014"
    assert len(finding.parts) == 3
    assert "draws from one key in 5 calls" in finding.message


def test_each_call_that_repeats_a_key_is_a_place():
    def program():
        key = jax.random.key(0)
        noisy(X, key)
        noisy(X, key)  # the second
        noisy(X, key)  # the third

    (finding,) = watched(program).findings

    lines = {finding.place.line, *(r.place.line for r in finding.related)}
    assert lines >= {*place_of("# the second\n"), *place_of("# the third\n")}
    assert finding.evidence.examples == 3


def test_two_arguments_are_two_causes():
    @jax.jit
    def draws(a, b):
        return jax.random.normal(a) * jax.random.normal(b)

    def program():
        a, b = jax.random.key(0), jax.random.key(1)
        for _ in range(2):
            draws(a, b)

    assert [f.code for f in watched(program).findings] == ["RNG014", "RNG014"]


def test_a_line_that_is_compiled_twice_is_reported_once():
    @jax.jit
    def twice(key):
        return jax.random.normal(key) + jax.random.uniform(key)

    def program():
        jax.vmap(twice)(jax.random.split(jax.random.key(0), 3))
        twice(jax.random.key(1))

    assert [f.code for f in watched(program).findings] == ["RNG005"]


# -- a library -------------------------------------------------------------------------------

LIBRARY = """
import jax

@jax.jit
def _step(key):
    first, second = jax.random.split(key)
    return jax.random.normal(first) + jax.random.uniform(second)

def run(model, key):
    model_key, step_key = jax.random.split(key)
    model(model_key)
    return _step(step_key) + jax.random.normal(jax.random.fold_in(key, 7))

def sample(key):
    return jax.random.normal(key)
"""


@pytest.fixture
def sampler(tmp_path, monkeypatch):
    """A library that is installed, as far as places are concerned."""
    from jaxrng_doctor.tracing import places

    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "a_sampler.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(places, "_LIBRARIES", (f"{folder}/", *places._LIBRARIES))
    monkeypatch.setattr(places, "_INSTALLED", (f"{folder}/", *places._INSTALLED))
    for known in (places.is_users, places.is_machinery, places.is_library):
        known.cache_clear()
    yield __import__("a_sampler")
    for known in (places.is_users, places.is_machinery, places.is_library):
        known.cache_clear()


def test_two_calls_of_a_library_are_one_finding_at_the_second(sampler):
    def model(key):
        sampler.sample(key)  # called by the library

    def program():
        key = jax.random.key(0)
        sampler.run(model, key)
        sampler.run(model, key)  # run again

    (finding,) = watched(program).findings

    (again,) = place_of("# run again\n")
    assert (finding.code, finding.place.path, finding.place.line) == ("RNG014", __file__, again)
    others = {(r.place.path.rpartition("/")[2], r.place.line) for r in finding.related}
    mine = __file__.rpartition("/")[2]
    assert {(mine, again - 1), (mine, *place_of("# called by the library\n"))} <= others
    assert any(name == "a_sampler.py" for name, _ in others)
    assert "_step" not in finding.message


# -- clones ----------------------------------------------------------------------------------


def test_a_clone_in_each_call_is_meant():
    def program():
        key = jax.random.key(0)
        for _ in range(3):
            noisy(X, jax.random.clone(key))
        jax.random.normal(key)

    assert watched(program).findings == ()


@pytest.mark.parametrize("compiled", [True, False])
def test_a_clone_that_is_used_twice_is_a_key_used_twice(compiled):
    draw = jax.jit(jax.random.normal) if compiled else jax.random.normal

    def program():
        key = jax.random.clone(jax.random.key(0))
        draw(key)
        draw(key)

    assert len(watched(program).findings) == 1


def test_a_key_is_used_twice_besides_its_clone():
    def program():
        key = jax.random.key(0)
        noisy(X, jax.random.clone(key))
        noisy(X, key)
        noisy(X, key)

    assert [f.code for f in watched(program).findings] == ["RNG014"]


@pytest.mark.parametrize("splits_first", [True, False])
def test_the_children_of_a_key_that_is_split_twice_are_one_cause(splits_first):
    key = jax.random.key(0)

    with jaxrng_doctor.watch() as report:
        a, b = jax.random.split(key)
        if not splits_first:
            numbers = [jax.random.normal(a), jax.random.uniform(b)]
        c, d = jax.random.split(key)
        if splits_first:
            numbers = [jax.random.normal(a), jax.random.uniform(b)]
        numbers += [jax.random.laplace(c), jax.random.gumbel(d)]

    (finding,) = report.findings
    assert len(numbers) == 4
    assert finding.code == "RNG005"
    assert len(finding.each_part) == 2
