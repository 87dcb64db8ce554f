"""Abstract values: each is made once, and their variations combine."""

import itertools

import pytest

from jaxrng_doctor.analysis.lineage.values import (
    CONSTANT,
    DISTINCT,
    EQUAL,
    UNKNOWN,
    Value,
    Values,
    of_any,
    of_either,
    of_hash,
    of_one_to_one,
    over_all,
    over_chosen,
    over_either,
)
from jaxrng_doctor.model.facts import Variation

ALL = tuple(Variation)
PAIRS = list(itertools.product(ALL, repeat=2))
TRIPLES = list(itertools.product(ALL, repeat=3))

# The claims that each claim implies.
PROMISES = {
    CONSTANT: {CONSTANT, EQUAL, UNKNOWN},
    EQUAL: {EQUAL, UNKNOWN},
    DISTINCT: {DISTINCT, UNKNOWN},
    UNKNOWN: {UNKNOWN},
}
COMBINING = [of_any, of_one_to_one, of_hash, of_either]


def known(over, axes=()):
    return Value(
        "input", "x", (), {d: v for d, v in over.items() if v is not CONSTANT}, axes, None, 0
    )


def make(values, op="neg", params=(), args=(), **more):
    return values.make(op, params, args, over={}, axes=(), birth=None, **more)


# -- made once -----------------------------------------------------------------------------


def test_the_same_operation_on_the_same_values_is_the_same_value():
    values = Values()
    x = values.fresh("input")
    once = make(values, args=(x,))

    assert make(values, args=(x,)) is once
    assert make(values, args=(x,), params=(1,)) is not once
    assert make(values, op="not", args=(x,)) is not once
    assert make(values, args=(values.fresh("input"),)) is not once
    assert not make(values, op="not", args=(x,)).equals(once)


def test_what_is_made_at_two_places_is_two_values_that_are_equal():
    values = Values()
    x = values.fresh("input")
    one, other = (make(values, "random_split", args=(x,), place=place) for place in (1, 2))

    assert one is not other
    assert one.equals(other)
    assert make(values, args=(one,)) is not make(values, args=(other,))
    assert make(values, args=(one,)).equals(make(values, args=(other,)))


def test_a_value_with_parameters_that_cannot_be_hashed_equals_no_other():
    values = Values()
    x = values.fresh("input")
    one, other = (make(values, params=([],), args=(x,)) for _ in range(2))

    assert one is not other
    assert not one.equals(other)
    assert one.args == (x,)


def test_a_fresh_value_equals_no_other():
    values = Values()
    found = [values.fresh("const", name="key"), values.fresh("const", name="key"), make(values)]

    assert len({value.number for value in found}) == 3
    assert found[0].params == "key"
    assert found[0].along(0) is CONSTANT


def test_a_value_shows_what_it_was_made_from():
    values = Values()

    assert repr(make(values, args=(values.fresh("input"),))) == "neg(input())"


# -- how variations combine -------------------------------------------------------------------


@pytest.mark.parametrize("combine", COMBINING)
def test_the_order_of_the_operands_does_not_matter(combine):
    for a, b in PAIRS:
        assert combine((a, b)) is combine((b, a)), (a, b)


@pytest.mark.parametrize("combine", COMBINING)
def test_one_operand_alone(combine):
    for a in ALL:
        lossy = combine is of_any and a is DISTINCT
        assert combine((a,)) is (UNKNOWN if lossy else a)


@pytest.mark.parametrize("combine", COMBINING)
def test_who_promises_more_of_the_operands_promises_no_less_of_the_result(combine):
    for a, b in PAIRS:
        for weaker in PROMISES[a]:
            assert combine((weaker, b)) in PROMISES[combine((a, b))], (a, weaker, b)


@pytest.mark.parametrize("combine", [of_any, of_either])
def test_the_operands_may_be_combined_in_any_grouping(combine):
    for a, b, c in TRIPLES:
        assert combine((combine((a, b)), c)) is combine((a, combine((b, c)))), (a, b, c)


def test_of_either_is_the_least_that_both_promise():
    for a, b in PAIRS:
        assert PROMISES[of_either((a, b))] == PROMISES[a] & PROMISES[b]


def test_a_value_that_is_always_one_of_several_is_the_same_if_all_of_them_are():
    assert of_any(()) is CONSTANT
    assert of_any((CONSTANT, EQUAL)) is EQUAL
    assert of_any((EQUAL, DISTINCT, CONSTANT)) is UNKNOWN


def test_one_that_varies_decides_where_the_others_are_the_same():
    assert of_one_to_one((CONSTANT, EQUAL, DISTINCT)) is DISTINCT
    assert of_one_to_one((DISTINCT, DISTINCT)) is UNKNOWN
    assert of_one_to_one((DISTINCT, UNKNOWN)) is UNKNOWN


def test_a_hash_is_distinct_as_soon_as_an_operand_is():
    assert of_hash((DISTINCT, UNKNOWN)) is DISTINCT
    assert of_hash((EQUAL, UNKNOWN)) is UNKNOWN


# -- over scopes --------------------------------------------------------------------------------


def test_a_function_of_several_values_depends_on_the_scopes_of_all():
    one, other = known({0: DISTINCT}), known({1: EQUAL, 2: UNKNOWN})

    assert over_all((one, other), of_one_to_one) == {0: DISTINCT, 1: EQUAL, 2: UNKNOWN}
    assert over_all((one, other)) == {0: UNKNOWN, 1: EQUAL, 2: UNKNOWN}
    assert over_all((one,), of_hash) == {0: DISTINCT}
    assert over_all(()) == {}


def test_over_either_is_of_either_for_each_scope():
    for a, b in PAIRS:
        found = over_either(known({1: a}).over, known({1: b}).over)
        assert found.get(1, CONSTANT) is of_either((a, b))
        assert found.get(0, CONSTANT) is CONSTANT


def test_a_scope_that_is_not_listed_is_one_that_the_value_does_not_depend_on():
    for a in ALL:
        for over in ({}, {1: CONSTANT}):
            assert over_either({1: a}, over) == {1: of_either((a, CONSTANT))}
            assert over_either(over, {1: a}) == {1: of_either((a, CONSTANT))}


def test_a_choice_that_varies_leaves_nothing_sure():
    for held, choice in PAIRS:
        found = over_chosen(known({1: held, 2: EQUAL}).over, known({1: choice})).get(1, CONSTANT)
        if not choice.is_same:
            assert found is UNKNOWN
        elif held is CONSTANT:
            assert found is choice
        else:
            assert found is held


def test_a_choice_promises_no_less_where_more_is_promised_of_it():
    for held, choice in PAIRS:
        found = over_chosen({1: held}, known({1: choice})).get(1, CONSTANT)
        for weaker in PROMISES[choice]:
            assert over_chosen({1: held}, known({1: weaker})).get(1, CONSTANT) in PROMISES[found]
        for weaker in PROMISES[held]:
            assert over_chosen({1: weaker}, known({1: choice})).get(1, CONSTANT) in PROMISES[found]


def test_a_choice_does_not_change_what_it_is_given():
    over = {0: DISTINCT}

    assert over_chosen(over, known({0: UNKNOWN, 1: EQUAL})) == {0: UNKNOWN, 1: EQUAL}
    assert over == {0: DISTINCT}
