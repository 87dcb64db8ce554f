"""Why a key is the same over a scope, and what else its derivation shows."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.causes import Lines, cause_of, made_at
from jaxrng_doctor.tracing.places import jit_around
from tests.lineage.following import followed

normal, split, fold_in = jax.random.normal, jax.random.split, jax.random.fold_in
KEY = jax.random.key(0)
X = jnp.zeros(4)
CAPTURED = jax.random.key(7)


def only_draw(fn, *args):
    _, engine = followed(fn, *args)
    (draw,) = engine.draws
    return draw


def mapped(f):
    """A vmap of `f(row, key)` over the rows."""
    return lambda x, key: jax.vmap(f, in_axes=(0, None))(x, key)


def steps(f):
    """A scan of four steps of `f(key)`."""
    return lambda x, key: lax.scan(lambda c, _: (c, f(key)), 0.0, x)[1]


# The program; the kind, key and name of the cause; what was made inside the scope, last first.
CAUSES = {
    "unmapped": (mapped(lambda _, key: normal(key)), ("unmapped", "key", "key"), []),
    "folded inside": (
        mapped(lambda _, key: normal(fold_in(key, 1))), ("unmapped", "key", "key"), ["fold_in"],
    ),
    "folded outside": (
        lambda x, key: mapped(lambda _, own: normal(own))(x, fold_in(key, 1)),
        ("unmapped", "fold_in(key, 1)", "own"), [],
    ),
    "folded on both sides": (
        lambda x, key: mapped(lambda _, own: normal(split(own)[1]))(x, fold_in(key, 1)),
        ("unmapped", "fold_in(key, 1)", "own"), ["split"],
    ),
    "captured": (
        lambda x, key: jax.vmap(lambda _: normal(fold_in(key, 1)))(x),
        ("captured", "key", ""), ["fold_in"],
    ),
    "seeded outside": (
        lambda x, _: (lambda key: jax.vmap(lambda _: normal(key))(x))(jax.random.key(3)),
        ("captured", "key(3)", ""), [],
    ),
    "a constant": (lambda x, _: jax.vmap(lambda _: normal(CAPTURED))(x),
                   ("captured", "CAPTURED", ""), []),
    "seeded": (
        lambda x, _: jax.vmap(lambda _: normal(split(jax.random.key(3))[0]))(x),
        ("seed", "split(key(3), 2)[0]", ""), ["split"],
    ),
    "repeated": (
        lambda x, key: jax.vmap(normal)(jnp.broadcast_to(key, (4,))),
        ("equal values", "broadcast_to(key, (4,))[i]", ""), [],
    ),
    "in a loop": (steps(normal), ("loop constant", "key", ""), []),
    "folded in a loop": (
        steps(lambda key: normal(fold_in(key, 1))), ("loop constant", "fold_in(key, 1)", ""),
        ["fold_in"],
    ),
    "seeded in a loop": (
        steps(lambda _: normal(jax.random.key(3))), ("seed", "key(3)", ""), [],
    ),
    "seeded before a loop": (
        lambda x, _: steps(normal)(x, jax.random.key(3)), ("loop constant", "key(3)", ""), [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fn", "wanted", "inside"), CAUSES.values(), ids=CAUSES)
def test_the_cause(fn, wanted, inside):
    cause = cause_of(only_draw(fn, X, KEY), 0)

    assert (cause.kind, cause.key, cause.name) == wanted
    assert [step.op for step in cause.steps] == inside


def test_the_cause_says_where_equal_keys_and_seeds_were_made():
    made = {name: cause_of(only_draw(CAUSES[name][0], X, KEY), 0).made for name in CAUSES}

    assert {name: step.op for name, step in made.items() if step is not None} == {
        "seeded outside": "random_seed",
        "seeded": "random_seed",
        "repeated": "broadcast_in_dim",
        "seeded in a loop": "random_seed",
        "seeded before a loop": "random_seed",
    }
    assert all(step.place.path == __file__ for step in made.values() if step is not None)


def test_each_of_two_scopes_has_a_cause_separate():
    def program(x, key):
        inner = jax.vmap(lambda _, own: normal(fold_in(own, 1)), in_axes=(0, None))
        return jax.vmap(lambda own: inner(x, own))(split(key, 3))

    draw = only_draw(program, X, KEY)

    assert (cause_of(draw, 1).kind, cause_of(draw, 1).key) == ("unmapped", "split(key, 3)[i]")
    assert [step.op for step in cause_of(draw, 1).steps] == ["fold_in"]


# -- where a key was made ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("derive", "op"),
    [
        (lambda key: fold_in(split(key)[1], 3), "random_fold_in"),
        (lambda key: split(fold_in(key, 3), 4)[2], "random_split"),
        (lambda key: jax.random.key(3), "random_seed"),
        (lambda key: jnp.where(jnp.arange(2) > 0, *split(key))[0], "random_split"),
        (lambda key: key, None),
    ],
)
def test_the_last_split_fold_or_seed(derive, op):
    at = made_at(only_draw(lambda key: normal(derive(key)), KEY).keys[0])

    assert (None if at is None else at.eqn.primitive.name) == op


def test_a_choice_between_keys_of_two_splits_was_made_at_no_one_place():
    def program(x, key):
        return normal(lax.select(x[0] > 0, split(key)[0], fold_in(key, 1)))

    assert made_at(only_draw(program, X, KEY).keys[0]) is None


# -- constants -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("derive", "op"),
    [
        (lambda x, key: jax.random.key(3), "seed"),
        (lambda x, key: fold_in(split(jax.random.key(3))[0], 4), "seed"),
        (lambda x, key: CAPTURED, "captured"),
        (lambda x, key: fold_in(jax.random.key(3), x[0].astype(int)), None),
        (lambda x, key: jax.random.key(x[0].astype(int)), None),
        (lambda x, key: key, None),
        (lambda x, key: split(key)[0], None),
    ],
)
def test_a_jitted_function_that_makes_its_key_of_constants(derive, op):
    draw = only_draw(jax.jit(lambda x, key: normal(derive(x, key))), X, KEY)
    step = Lines().constant_of(draw.keys[0], jit_around(draw.at))

    assert (None if step is None else step.op) == op
    if op == "seed":
        assert step.place.path == __file__


def test_a_constant_that_is_used_again_and_again_is_examined_once():
    def doubled(x, key):
        number = jnp.arange(3)[1]  # not a literal
        for _ in range(64):
            number = number + number
        return normal(fold_in(jax.random.key(3), number))

    draw = only_draw(jax.jit(doubled), X, KEY)

    # It would not end if each of the 2**64 paths to the first number were followed.
    assert Lines().constant_of(draw.keys[0], jit_around(draw.at)).op == "seed"


# -- elements --------------------------------------------------------------------------------------


def test_the_array_of_which_each_example_has_an_element():
    def program(key):
        keys = split(key, (3, 2))
        return jax.vmap(lambda own: jax.vmap(lambda k: normal(fold_in(k, 1)))(own))(keys)

    draw = only_draw(program, KEY)
    lines = Lines()

    assert lines.mapped_array(draw.keys[0], 0) == "split(key, (3, 2))"
    assert lines.mapped_array(draw.keys[0], 1) == "split(…, (3, 2))[i]"
    assert lines.mapped_array(only_draw(normal, KEY).keys[0], 0) == ""


@pytest.mark.parametrize(
    ("program", "axis_is_of_words"),
    [
        (lambda ks: jax.vmap(lambda w: normal(jnp.stack([w, w])), in_axes=0)(ks[0]), True),
        (lambda ks: jax.vmap(normal)(ks), False),
        (lambda ks: jax.vmap(normal, in_axes=1)(ks), True),
        (lambda ks: jax.vmap(normal)(ks.T), True),
        (lambda ks: jax.vmap(normal, in_axes=1)(ks.T), False),
        (lambda ks: jax.vmap(lambda own: jax.vmap(normal)(own))(jnp.stack([ks, ks])), False),
        (lambda ks: jax.vmap(lambda own: jax.vmap(normal)(own.T))(jnp.stack([ks, ks])), True),
        # The outer vmap maps over the words, so the inner one does not.
        (lambda ks: jax.vmap(lambda own: jax.vmap(normal)(own.T), 2)(jnp.stack([ks, ks])), False),
        (lambda ks: jax.vmap(lambda own: jax.vmap(normal)(own), 2)(jnp.stack([ks, ks])), False),
    ],
)
def test_a_vmap_over_the_words_of_a_legacy_key(program, axis_is_of_words):
    draw = only_draw(program, split(jax.random.PRNGKey(0), 2))

    assert Lines().maps_words(draw.keys[0], len(draw.scopes) - 1) is axis_is_of_words
