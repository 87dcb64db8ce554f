"""jaxrng-doctor and an oracle in plain Python agree on random programs."""

import jax
import numpy as np
import pytest

from tests.fuzz import threefry
from tests.fuzz.compare import disagreements
from tests.fuzz.derived import blocks, derived
from tests.fuzz.oracle import Oracle, TooLong, along
from tests.fuzz.programs import program
from tests.fuzz.regressions import REGRESSIONS
from tests.fuzz.tree import WRAPPERS, Wrapped

PROGRAMS = 30
DERIVED = 20
AT_ONCE = 10


def batches(programs):
    """The first seed of each batch. `make test` runs the first batch."""
    for first in range(0, programs, AT_ONCE):
        yield pytest.param(first, marks=[pytest.mark.slow] if first else [])


@pytest.fixture
def forgotten():
    """Clear the caches after the test, as no other test uses the compiled programs."""
    yield
    jax.clear_caches()


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("first", list(batches(PROGRAMS)))
def test_verdicts_on_random_programs_are_the_oracles(first):
    reported = {}
    for seed in range(first, first + AT_ONCE):
        try:
            reported[seed] = disagreements(program(seed, small=True))
        except TooLong:
            continue
    assert {seed: words for seed, words in reported.items() if words} == {}
    assert len(reported) > AT_ONCE // 2


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("first", list(batches(DERIVED)))
def test_derivatives_and_checkpoints_change_no_verdict(first):
    reported, ways = {}, set()
    for seed in range(first, first + AT_ONCE):
        changed = derived(program(seed, small=True), seed)
        ways |= {s.how for block in blocks(changed) for s in block if isinstance(s, Wrapped)}
        try:
            reported[seed] = disagreements(changed)
        except TooLong:
            continue
    assert {seed: words for seed, words in reported.items() if words} == {}
    assert len(reported) > AT_ONCE // 2
    assert len(ways) >= 3


def test_each_way_to_derive_is_met():
    changed = [derived(program(seed, small=True), seed) for seed in range(30)]
    met = [s.how for p in changed for b in blocks(p) for s in b if isinstance(s, Wrapped)]

    assert set(met) == set(WRAPPERS)


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_was_once_wrong_stays_right(name):
    assert disagreements(REGRESSIONS[name]) == []


def test_the_oracles_keys_are_those_of_jax():
    rng = np.random.default_rng(0)
    for _ in range(5):
        key = tuple(int(word) for word in rng.integers(0, 2**32, 2))
        number = int(rng.integers(0, 2**31))
        typed = jax.random.wrap_key_data(np.array(key, np.uint32))
        folded = jax.random.key_data(jax.random.fold_in(typed, number))
        children = jax.random.key_data(jax.random.split(typed, 3))
        seeded = jax.random.key_data(jax.random.key(number))
        assert threefry.fold_in(key, number) == tuple(folded.tolist())
        assert threefry.split(key, 3) == [tuple(child) for child in children.tolist()]
        assert threefry.seed(number) == tuple(seeded.tolist())


def test_the_programs_are_of_every_kind():
    """Fuzzing without programs that draw twice from one key would find nothing."""
    kinds, verdicts, deepest = set(), set(), 0
    for seed in range(100):
        try:
            notes = Oracle(program(seed, small=True)).notes.values()
        except TooLong:
            continue
        for note in notes:
            deepest = max(deepest, len(note.scopes))
            for depth, (kind, _, _) in enumerate(note.scopes):
                truth = along(note, depth)
                kinds.add(kind)
                if truth.judged:
                    verdicts.add((kind, truth.equal, truth.same, truth.structural))
    assert kinds == {"vmap", "loop"}
    assert deepest >= 4
    for kind in kinds:
        # Distinct, all equal by the text, all equal by value, some equal.
        assert {
            (kind, False, False, False),
            (kind, True, True, True),
            (kind, True, True, False),
            (kind, True, False, False),
        } <= verdicts
