"""Values that enter and leave a scope: what is true of them on either side."""

import itertools

import pytest

from jaxrng_doctor.analysis.lineage.boundaries import (
    assembled,
    block,
    chosen,
    element,
    stacked,
)
from jaxrng_doctor.analysis.lineage.values import CONSTANT, DISTINCT, EQUAL, UNKNOWN, Values
from jaxrng_doctor.model.facts import Variation

AT = None  # where a value was made: not looked at here


def array(values, axes, over=None):
    return values.fresh("input", axes=axes, over=over)


def test_an_example_gets_the_element_that_the_stack_was_made_of():
    values = Values()
    one = array(values, (DISTINCT,), {0: DISTINCT})

    stack = stacked(values, one, 1, 0, AT)

    assert element(values, stack, 1, 0, AT) is one
    assert element(values, stack, 0, 0, AT).op == "element"
    assert element(values, stack, 1, 2, AT).op == "element"


def test_the_stack_of_all_elements_of_an_array_is_the_array():
    values = Values()
    whole = array(values, (DISTINCT, EQUAL))

    one = element(values, whole, 1, 0, AT)

    assert stacked(values, one, 1, 0, AT) is whole
    assert stacked(values, one, 0, 0, AT).op == "stacked"
    assert stacked(values, one, 1, 2, AT).op == "stacked"


def test_an_element_varies_as_the_array_does_along_its_axis():
    values = Values()
    whole = array(values, (DISTINCT, EQUAL, UNKNOWN), {0: EQUAL})

    for axis, along in enumerate(whole.axes):
        one = element(values, whole, axis, 1, AT)
        assert one.over == {0: EQUAL, 1: along}
        assert one.axes == tuple(v for i, v in enumerate(whole.axes) if i != axis)


def test_a_stack_varies_along_its_axis_as_the_element_does_over_the_scope():
    for along in Variation:
        values = Values()
        over = {0: UNKNOWN} | ({} if along is CONSTANT else {1: along})
        one = array(values, (DISTINCT,), over)
        for axis in (0, 1):
            found = stacked(values, one, axis, 1, AT)
            assert found.over == {0: UNKNOWN}
            # Along an axis, no values are constant: they are equal.
            wanted = [DISTINCT]
            wanted.insert(axis, EQUAL if along is CONSTANT else along)
            assert found.axes == tuple(wanted)


# -- device maps ----------------------------------------------------------------------------------

DEPTH = {"a": 1, "b": 2}


def test_a_block_varies_over_the_mesh_axes_that_cut_the_array():
    values = Values()
    whole = array(values, (DISTINCT, EQUAL), {0: UNKNOWN})

    assert block(values, whole, {}, DEPTH, AT) is whole
    assert block(values, whole, {0: ("auto",)}, DEPTH, AT) is whole
    assert block(values, whole, {0: ("a",)}, DEPTH, AT).over == {0: UNKNOWN, 1: DISTINCT}
    assert block(values, whole, {1: ("auto", "b")}, DEPTH, AT).over == {0: UNKNOWN, 2: EQUAL}
    both = block(values, whole, {0: ("b",), 1: ("a",)}, DEPTH, AT)
    assert (both.over, both.axes) == ({0: UNKNOWN, 1: EQUAL, 2: DISTINCT}, (DISTINCT, EQUAL))


def test_an_assembled_array_is_equal_along_an_axis_only_if_all_blocks_are():
    for inside, across in itertools.product((EQUAL, DISTINCT, UNKNOWN), Variation):
        values = Values()
        over = {0: DISTINCT, 2: DISTINCT} | ({} if across is CONSTANT else {1: across})
        one = array(values, (inside, DISTINCT), over)

        found = assembled(values, one, {0: ("a", "auto")}, DEPTH, AT)

        same = inside is EQUAL and across.is_same
        assert found.axes == (EQUAL if same else UNKNOWN, DISTINCT)
        assert found.over == {0: DISTINCT}


# -- branches -------------------------------------------------------------------------------------


@pytest.fixture
def values():
    return Values()


def test_what_all_branches_return_is_not_chosen(values):
    index, one = array(values, (), {0: DISTINCT}), array(values, (), {0: EQUAL})

    assert chosen(values, AT, index, [one, one]) is one


def test_a_choice_of_which_a_part_is_unknown_is_unknown(values):
    index, one, other = (array(values, ()) for _ in range(3))

    assert chosen(values, AT, None, [one, other]) is None
    assert chosen(values, AT, index, [one, None]) is None
    assert chosen(values, AT, index, [None, None]) is None
    assert chosen(values, AT, None, [one, one]) is None


def test_a_choice_promises_only_what_all_branches_promise(values):
    index = array(values, (), {2: DISTINCT, 3: EQUAL})
    one = array(values, (EQUAL, DISTINCT), {0: DISTINCT, 1: EQUAL, 2: EQUAL})
    two = array(values, (EQUAL, EQUAL), {0: DISTINCT})
    three = array(values, (EQUAL, DISTINCT), {0: EQUAL})

    first = chosen(values, AT, index, [one, two])
    assert first.over == {0: DISTINCT, 1: EQUAL, 2: UNKNOWN, 3: EQUAL}
    assert first.axes == (EQUAL, UNKNOWN)
    # Every branch counts, not only the first two.
    assert chosen(values, AT, index, [one, two, three]).along(0) is UNKNOWN
    assert chosen(values, AT, index, [one, one, three]).along(0) is UNKNOWN
