"""Whether at most one example of a vmap takes a branch, compared with counting them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.reachability import Guards, at_most_one
from tests.lineage.following import followed

KEY = jax.random.key(0)
ROWS = np.arange(4)
FEW = np.array([0, 0, 1, 2])


def drawing(key):
    return jax.random.normal(key)


def nothing(_):
    return 0.0


def if_true(test):
    return lambda i, x, key: lax.cond(test(i, x), drawing, nothing, key)


def if_false(test):
    return lambda i, x, key: lax.cond(test(i, x), nothing, drawing, key)


# Tests of the index `i`, which differs for each example, and of `x`, which some examples share.
ONCE = {
    "is 2": if_true(lambda i, x: i == 2),
    "2 is": if_true(lambda i, x: i == 2),
    "is not 2, else": if_false(lambda i, x: i != 2),
    "not other than 2": if_true(lambda i, x: ~(i != 2)),
    "is 2 and more": if_true(lambda i, x: (i == 2) & (x > 0)),
    "more, and is 2": if_true(lambda i, x: (x > 0) & (i == 2)),
    "is not 2 or more, else": if_false(lambda i, x: (x > 5) | (i != 2)),
    "next is 2": if_true(lambda i, x: i + 1 == 2),
    "as words": if_true(lambda i, x: i.astype(jnp.uint32) == 2),
    "reshaped": if_true(lambda i, x: i.reshape(1, 1)[0].squeeze() == 2),
    "second of three": lambda i, x, key: lax.switch(i, [nothing, drawing, nothing], key),
    "third of four": lambda i, x, key: lax.switch(i, [nothing, nothing, drawing, nothing], key),
    "one test in another": lambda i, x, key: lax.cond(
        i == 2, lambda k: lax.cond(x > 0, drawing, nothing, k), nothing, key
    ),
}
OFTEN = {
    "is not 2": if_true(lambda i, x: i != 2),
    "is 2, else": if_false(lambda i, x: i == 2),
    "is below 2": if_true(lambda i, x: i < 2),
    "x is 0": if_true(lambda i, x: x == 0),
    "i is x": if_true(lambda i, x: i // 2 == x),
    "i is itself": if_true(lambda i, x: i == i),
    "i is -i + i": if_true(lambda i, x: i - i == 0),
    "is 2 or more": if_true(lambda i, x: (i == 2) | (x > 0)),
    "is not 2 and more, else": if_false(lambda i, x: (i != 2) & (x > 5)),
    "always": if_true(lambda i, x: x > -1),
    "first of three": lambda i, x, key: lax.switch(i - 1, [drawing, nothing, nothing], key),
    "last of three": lambda i, x, key: lax.switch(i, [nothing, nothing, drawing], key),
    "first of two": lambda i, x, key: lax.switch(i - 1, [drawing, nothing], key),
    "second of three, by x": lambda i, x, key: lax.switch(x + 1, [nothing, drawing, nothing], key),
    "never": if_true(lambda i, x: x > 5),
}


def claim(fn):
    def program(x, key):
        return jax.vmap(fn, in_axes=(0, 0, None))(jnp.arange(4), x, key)

    trace, engine = followed(program, FEW, KEY)
    (draw,) = engine.draws
    return at_most_one(Guards(trace).of(draw), 0)


def count(fn):
    drawn = [fn(jnp.int32(i), jnp.int32(x), KEY) for i, x in zip(ROWS, FEW, strict=True)]
    return sum(float(number) != 0 for number in drawn)


@pytest.mark.parametrize("fn", ONCE.values(), ids=ONCE)
def test_a_branch_that_one_example_can_take(fn):
    assert count(fn) <= 1
    assert claim(fn)


@pytest.mark.parametrize(("name", "fn"), OFTEN.items(), ids=OFTEN)
def test_a_branch_that_several_may_take(name, fn):
    assert count(fn) > 1 or name == "never"
    assert not claim(fn)


def test_a_draw_outside_of_branches_has_no_guards():
    trace, engine = followed(drawing, KEY)
    (draw,) = engine.draws

    assert Guards(trace).of(draw) == ()
    assert not Guards(trace).by_inputs(draw)
    assert not at_most_one((), 0)


def test_draws_in_two_branches_exclude_each_other_also_where_the_choice_is_made_twice():
    def program(x, key):
        either = lax.cond(x[0] > 0, drawing, lambda k: 2 * drawing(k), key)
        again = lax.cond(x[0] > 0, lambda k: 3 * drawing(k), nothing, key)
        other = lax.cond(x[1] > 0, lambda k: 4 * drawing(k), nothing, key)
        return either + again + other

    trace, engine = followed(program, FEW, KEY)
    guards = Guards(trace)
    # The branches of a cond are in the order of the index, so the false one is first.
    no, yes, again, other = engine.draws
    excluded = {
        (a, b)
        for a, one in enumerate(engine.draws)
        for b, two in enumerate(engine.draws)
        if guards.exclude(one, two)
    }

    assert excluded == {(0, 1), (1, 0), (0, 2), (2, 0)}
    assert all(guards.by_inputs(draw) for draw in (no, yes, again, other))


def test_a_choice_by_a_constant_does_not_depend_on_the_inputs():
    def program(x, key):
        by_constant = lax.scan(
            lambda c, i: (c, lax.cond(i == 1, drawing, nothing, key)), 0, jnp.arange(3)
        )[1]
        return by_constant + lax.while_loop(lambda c: c < 3, lambda c: c + drawing(key), 0.0)

    trace, engine = followed(program, FEW, KEY)
    in_branch, in_while = engine.draws

    assert not Guards(trace).by_inputs(in_branch)
    assert in_while.guards == ()
    assert Guards(trace).by_inputs(in_while)  # its number of steps is not known in advance
