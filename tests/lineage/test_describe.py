"""The text that describes how a key is derived."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.describe import describe, index_of
from tests.lineage.brute_force import binding
from tests.lineage.following import followed

split, fold_in, normal = jax.random.split, jax.random.fold_in, jax.random.normal
CAPTURED = jax.random.key(7)
IN_A_LIST = [jax.random.key(8)]
HOLDER = SimpleNamespace(key=jax.random.key(2))


def in_vmap(key):
    return jax.vmap(lambda k: normal(fold_in(k, 3)))(split(key, 4))


def in_two_vmaps(key):
    return jax.vmap(lambda ks: jax.vmap(normal)(ks))(split(key, (4, 2)))


def stacked(key):
    keys = jax.vmap(lambda k: fold_in(k, 3))(split(key, 4))
    return normal(keys[1])


def carried(key):
    return lax.scan(lambda k, _: (split(k)[0], normal(k)), key, None, length=3)[1]


def after_loop(key):
    return normal(lax.fori_loop(0, 3, lambda i, k: fold_in(k, i), key))


def chosen(x, key):
    return normal(lax.cond(x > 0, lambda k: fold_in(k, 1), lambda k: k, key))


def indexed(key):
    with_index = jax.vmap(
        lambda _: normal(fold_in(key, lax.axis_index("i"))), axis_name="i", axis_size=2
    )
    return with_index(jnp.ones(2))


cut = binding("dynamic_slice", slice_sizes=(1, 1))


def in_steps(keys):
    """A draw from the only key of `keys(i)`, in a loop over `i`."""
    return lax.map(lambda i: normal(keys(i)[0, 0]), jnp.arange(2))


PHRASES = {
    "an argument": (normal, "key"),
    "a seed": (lambda key: normal(jax.random.key(3)), "key(3)"),
    "a split": (lambda key: normal(split(key, 4)[2]), "split(key, 4)[2]"),
    "one of many": (lambda key: normal(split(key, (4, 2))[2, 1]), "split(key, (4, 2))[2]"),
    "unpacked": (lambda key: normal(list(split(key, 3))[1]), "split(key, 3)[1]"),
    "several": (
        lambda key: jax.vmap(normal)(split(key, 4)[1:3]), "split(key, 4)[1:3][i]",
    ),
    "folded": (lambda key: normal(fold_in(key, 3)), "fold_in(key, 3)"),
    "deep": (
        lambda key: normal(fold_in(fold_in(fold_in(fold_in(fold_in(key, 1), 2), 3), 4), 5)),
        "fold_in(fold_in(fold_in(fold_in(fold_in(…, …), 2), 3), 4), 5)",
    ),
    "captured": (lambda key: normal(CAPTURED), "CAPTURED"),
    "captured in a list": (lambda key: normal(IN_A_LIST[0]), "IN_A_LIST[0]"),
    "captured in an object": (lambda key: normal(HOLDER.key), "HOLDER.key"),
    "words": (
        lambda key: normal(jax.random.wrap_key_data(jax.random.key_data(split(key)[1]))),
        "split(key, 2)[1]",
    ),
    "in a vmap": (in_vmap, "fold_in(split(key, 4)[i], 3)"),
    "in two": (in_two_vmaps, "split(key, (4, 2))[i][j]"),
    "stacked": (stacked, "[fold_in(split(…, 4)[i], 3) for each i][1]"),
    "carried": (carried, "the loop's carry, at first key"),
    "after a loop": (after_loop, "the final carry of a loop"),
    "an index": (indexed, "fold_in(key, axis_index)"),
    "broadcast": (
        lambda key: jax.vmap(normal)(jnp.broadcast_to(key, (3,))), "broadcast_to(key, (3,))[i]",
    ),
    "turned": (lambda key: normal(jnp.flip(split(key, 3))[0]), "rev(split(key, 3))[0]"),
}  # fmt: skip


@pytest.mark.parametrize(("fn", "phrase"), PHRASES.values(), ids=PHRASES)
def test_the_phrase_for_a_key(fn, phrase):
    _, engine = followed(lambda key: fn(key), jax.random.key(0))

    assert {describe(draw.keys[0]) for draw in engine.draws} == {phrase}


@pytest.mark.one_jax  # JAX 0.6 cuts a key of a grid in more steps
@pytest.mark.parametrize(
    ("at", "phrase"),
    [
        (lambda i: (i, np.int32(1)), "split(key, (4, 2))[i]"),
        (lambda i: (np.int32(1), i), "dynamic_slice(split(key, (4, 2)), 1, i)"),
    ],
)
def test_the_phrase_for_a_key_of_a_grid(at, phrase):
    _, engine = followed(
        lambda key: in_steps(lambda i: cut(split(key, (4, 2)), *at(i))), jax.random.key(0)
    )

    assert {describe(draw.keys[0]) for draw in engine.draws} == {phrase}


def test_the_phrase_for_one_of_several_keys():
    _, engine = followed(chosen, jnp.float32(1), jax.random.key(0))
    (draw,) = engine.draws

    assert describe(draw.keys[0]) == "one of key and fold_in(key, 1)"


def test_what_lies_further_back_than_asked_is_left_out():
    _, engine = followed(lambda key: normal(fold_in(split(key)[0], 2)), jax.random.key(0))
    (draw,) = engine.draws

    assert describe(draw.keys[0], 0) == "…"
    assert describe(draw.keys[0], 1) == "fold_in(…, …)"
    assert describe(draw.keys[0], 2) == "fold_in(…[0], 2)"


def test_each_scope_has_an_index_separate():
    assert [index_of(depth) for depth in (0, 1, 5, 6, 7, 12)] == ["i", "j", "n", "i2", "j2", "i3"]
