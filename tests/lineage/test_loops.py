"""What is claimed of a value that a loop carries, compared with counting it step by step."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.loops import after_loop
from jaxrng_doctor.analysis.lineage.values import CONSTANT, DISTINCT, EQUAL, UNKNOWN, Values
from tests.coming import SCAN3
from tests.lineage.following import followed

split, fold_in, normal = jax.random.split, jax.random.fold_in, jax.random.normal
KEY = jax.random.key(0)
STEPS = 6

# The carried number after a step, of the number before and of 2, which is not known; the claim.
COUNTING = {
    "up": (lambda c, x: c + 1, DISTINCT),
    "up by 3": (lambda c, x: c + 3, DISTINCT),
    "down": (lambda c, x: c - 1, DISTINCT),
    "by nothing": (lambda c, x: c + 0 * c, UNKNOWN),
    "by an input": (lambda c, x: c + x, UNKNOWN),
    "away from a number": (lambda c, x: 1 - c, UNKNOWN),
    "from an input": (lambda c, x: x + 1, UNKNOWN),
    "times 3": (lambda c, x: c * 3, UNKNOWN),
    "at most 2": (lambda c, x: jnp.minimum(c + 1, 2), UNKNOWN),
    "replaced": (lambda c, x: jnp.int32(5), UNKNOWN),
    "replaced by an input": (lambda c, x: x, UNKNOWN),
    "unchanged": (lambda c, x: c, CONSTANT),
}
DERIVING = {
    "split": (lambda key, other: split(key)[1], DISTINCT),
    "folded": (lambda key, other: fold_in(key, 3), DISTINCT),
    "split and folded": (lambda key, other: fold_in(split(key)[0], 3), DISTINCT),
    "words": (
        lambda key, other: jax.random.wrap_key_data(jax.random.key_data(split(key)[0])), DISTINCT,
    ),
    "only words": (
        lambda key, other: jax.random.wrap_key_data(jax.random.key_data(key)), CONSTANT,
    ),
    "of another": (lambda key, other: split(other)[0], UNKNOWN),
    "another": (lambda key, other: other, UNKNOWN),
    "cloned": (lambda key, other: jax.random.clone(key), UNKNOWN),
    "unchanged": (lambda key, other: key, CONSTANT),
}  # fmt: skip


def in_scan(step, start, other, draw):
    return lax.scan(lambda c, _: (step(c, other), draw(c)), start, None, length=STEPS)


def holds(claim, found):
    """Whether a claim about the keys of all steps, one per row, is true."""
    distinct = len(np.unique(found, axis=0))
    return claim is UNKNOWN or distinct == (len(found) if claim is DISTINCT else 1)


def claimed(program, *args):
    _, engine = followed(program, *args)
    (draw,) = engine.draws
    return draw.keys[0].along(0)


@pytest.mark.parametrize(("step", "claim"), COUNTING.values(), ids=COUNTING)
def test_a_carried_number(step, claim):
    def program(start, x, key):
        return in_scan(step, start, x, lambda c: normal(fold_in(key, c)))

    args = jnp.int32(0), jnp.int32(2), KEY
    keys = in_scan(step, *args[:2], lambda c: jax.random.key_data(fold_in(KEY, c)))[1]

    assert claimed(program, *args) is claim
    assert holds(claim, keys)


@pytest.mark.parametrize(("step", "claim"), DERIVING.values(), ids=DERIVING)
def test_a_carried_key(step, claim):
    args = KEY, jax.random.key(1)
    keys = in_scan(step, *args, jax.random.key_data)[1]

    assert claimed(lambda key, other: in_scan(step, key, other, normal), *args) is claim
    assert holds(claim, keys)


@pytest.mark.parametrize(
    ("dtype", "step", "claim"),
    [
        ("int32", 1, DISTINCT),
        ("uint32", 1, DISTINCT),
        ("uint32", 4, DISTINCT),
        # These repeat a number after 2**24 steps or fewer.
        ("int32", 1 << 8, UNKNOWN),
        ("uint32", 1 << 8, UNKNOWN),
        ("uint32", 1 << 7, DISTINCT),
        ("uint32", 3 << 7, DISTINCT),
        ("uint32", 3 << 8, UNKNOWN),
        ("int8", 1, UNKNOWN),
        ("uint16", 1, UNKNOWN),
        ("int32", 0, UNKNOWN),
        ("float32", 1, UNKNOWN),  # after 2**24 steps, adding 1 changes nothing
    ],
)
@pytest.mark.parametrize("up", [True, False])
def test_a_count_repeats_only_after_more_steps_than_a_loop_makes(dtype, step, claim, up):
    add = lax.add if up else lax.sub

    def program(start, key):
        def one(c, _):
            return add(c, np.asarray(step, dtype)), normal(fold_in(key, c.astype("int32")))

        return lax.scan(one, start, None, length=STEPS)

    def last(start):
        return lax.scan(lambda c, _: (add(c, np.asarray(step, dtype)), c), start, None, STEPS)[1]

    found = claimed(program, jnp.zeros((), dtype), KEY)
    assert found is claim
    assert holds(found, np.asarray(last(jnp.zeros((), dtype))).reshape(-1, 1))


# -- after the loop -------------------------------------------------------------------------------


def drawn_after(loop, x):
    """The variation over a vmap of the key that is carried out of a loop inside of it."""
    return claimed(lambda x, key: jax.vmap(lambda row: normal(loop(row, key)))(x), x, KEY)


@pytest.mark.parametrize(
    ("loop", "claim"),
    [
        (lambda row, key: lax.fori_loop(0, 3, lambda i, k: split(k)[0], key), CONSTANT),
        (lambda row, key: lax.fori_loop(0, 3, lambda i, k: k, fold_in(key, row)), UNKNOWN),
        (lambda row, key: lax.fori_loop(0, row, lambda i, k: split(k)[0], key), UNKNOWN),
        (
            lambda row, key: lax.while_loop(
                lambda c: c[0] < 3, lambda c: (c[0] + 1, split(c[1])[0]), (0, key)
            )[1],
            CONSTANT,
        ),
        (
            lambda row, key: lax.while_loop(
                lambda c: c[0] < row, lambda c: (c[0] + 1, split(c[1])[0]), (0, key)
            )[1],
            UNKNOWN,
        ),
    ],
)
def test_a_key_after_a_loop_varies_if_the_number_of_steps_does(loop, claim):
    rows = jnp.array([0, 3, 1, 0])
    keys = np.array([jax.random.key_data(loop(row, KEY)) for row in rows])

    assert drawn_after(loop, rows) is claim
    assert holds(claim, keys)


def equal_after(one, other):
    """Whether the keys that two loops carry out are known to be equal, and whether they are."""
    _, engine = followed(lambda key: normal(one(key)) + normal(other(key)), KEY)
    first, second = (draw.keys[0] for draw in engine.draws)
    are = np.array_equal(*(jax.random.key_data(loop(KEY)) for loop in (one, other)))
    return first.equals(second), are


def scanned(length, *, reverse=False):
    def step(key, x):
        return fold_in(key, x), None

    return lambda key: lax.scan(step, key, jnp.arange(length), reverse=reverse)[0]


def test_loops_of_another_length_carry_out_other_keys():
    assert equal_after(scanned(3), scanned(4)) == (False, False)


@pytest.mark.skipif(SCAN3, reason="JAX 0.12.0.1: the new scan runs forward despite `reverse`")
def test_loops_of_another_direction_carry_out_other_keys():
    assert equal_after(scanned(3), scanned(3, reverse=True)) == (False, False)


def test_a_value_after_a_loop_is_made_of_the_number_of_steps():
    values = Values()
    start, carried, out, test, other = (values.fresh("input") for _ in range(5))

    def after(turns):
        return after_loop(values, SimpleNamespace(depth=0), start, carried, out, turns)

    found = [after(turns) for turns in ("3", "4", "reversed 3", None, test, other)]
    assert len({value.number for value in found}) == len(found)
    assert after("3") is found[0]
    assert after(test) is found[4]


def test_the_value_before_a_loop_is_not_that_after_it():
    assert equal_after(lambda key: key, scanned(3)) == (False, False)


def test_the_axes_of_a_carried_array_hold_for_every_step():
    def program(key):
        def step(keys, _):
            return jnp.broadcast_to(keys[0], (3,)), jax.vmap(normal)(keys)

        return lax.scan(step, split(key, 3), None, length=2)

    _, engine = followed(program, KEY)
    (draw,) = engine.draws

    # In the first step the keys differ, in the second they are equal.
    assert draw.keys[0].along(1) is UNKNOWN
    assert EQUAL not in draw.keys[0].over.values()
