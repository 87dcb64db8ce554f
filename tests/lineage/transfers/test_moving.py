"""The transfers that move elements by brute force: their claims hold for all small inputs."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.transfers import moving
from jaxrng_doctor.analysis.lineage.values import DISTINCT, EQUAL, UNKNOWN
from tests.lineage.brute_force import (
    Case,
    Operand,
    binding,
    equation,
    outcome,
    parameters,
    tried,
    values,
)

# Shapes of the same size; each is reshaped to each of the others.
RESHAPES = [
    [(6,), (2, 3), (3, 2), (6, 1), (2, 1, 3)],
    [(4,), (2, 2), (2, 1, 2), (1, 4)],
    [(), (1,), (1, 1)],
    [(0,), (0, 3), (3, 0)],
]
MORE_RESHAPES = [
    ((12,), (2, 3, 2)), ((2, 6), (3, 4)), ((2, 6), (2, 2, 3)), ((2, 2, 3), (4, 3)),
    ((2, 2, 3), (2, 6)), ((3, 4), (3, 2, 2)), ((2, 3, 2), (6, 2)), ((2, 3, 2), (12,)),
]  # fmt: skip
BROADCASTS = [
    ((), (3,), ()), ((), (2, 3), ()), ((3,), (2, 3), (1,)), ((3,), (3, 2), (0,)),
    ((1,), (3,), (0,)), ((1, 3), (2, 3), (0, 1)), ((2,), (2, 1), (0,)), ((3,), (0, 3), (1,)),
    ((2, 3), (2, 2, 3), (0, 2)),
    ((2, 3), (2, 3, 1), (0, 1)), ((0,), (2, 0), (1,)), ((2, 1), (2, 3, 3), (0, 2)),
]  # fmt: skip
CONCATENATIONS = [
    ([(3,)], 0), ([(2,), (3,)], 0), ([(2,), (2,)], 0), ([(1,), (1,)], 0),
    ([(1,), (1,), (1,)], 0), ([(2, 3), (2, 3)], 0), ([(2, 3), (2, 3)], 1), ([(2, 1), (2, 1)], 1),
    ([(2, 3), (1, 3)], 0),
]  # fmt: skip
ACROSS = "equal along one axis and distinct along another, the elements of both can be distinct"
ACROSS_OF = {
    ((2, 3), (3, 2)), ((3, 2), (2, 3)), ((2, 1, 3), (3, 2)), ((3, 2), (2, 1, 3)), ((2, 6), (3, 4)),
}  # fmt: skip
APART = "words of keys are no rows any more: no difference is claimed"


def reshape(old, new, dtype="int32", **notes):
    if (old, new) in ACROSS_OF:
        notes["coarse"] = ACROSS
    return Case(
        "reshape", lambda x: lax.reshape(x, new), (Operand(old, dtype),), label=f"to {new}", **notes
    )


def stack(arrays, axis, **notes):
    return Case(
        "stack",
        lambda *arrays: jnp.stack(arrays, axis),
        arrays,
        label=f"axis={axis}",
        params={"axis": axis},
        **notes,
    )


def tile(array, reps, **notes):
    return Case(
        "tile", lambda x: jnp.tile(x, reps), (array,), label=f"reps={reps}", params={"reps": reps},
        **notes,
    )  # fmt: skip


def expand_dims(array, dimensions, **notes):
    return Case(
        "expand_dims",
        lambda x: jnp.expand_dims(x, dimensions),
        (array,),
        label=f"dimensions={dimensions}",
        params={"dimensions": dimensions},
        **notes,
    )


def broadcast(old, new, dims, dtype="int32", **notes):
    return Case(
        "broadcast_in_dim",
        lambda x: lax.broadcast_in_dim(x, new, dims),
        (Operand(old, dtype),),
        label=f"to {new} at {dims}",
        **notes,
    )


def concatenate(shapes, axis, dtype="int32", **notes):
    return Case(
        "concatenate",
        binding("concatenate", dimension=axis),
        tuple(Operand(shape, dtype) for shape in shapes),
        label=f"dimension={axis}",
        **notes,
    )


def transpose(shape, order, dtype="int32", **notes):
    return Case(
        "transpose", binding("transpose", permutation=order), (Operand(shape, dtype),),
        label=f"to {order}", **notes,
    )  # fmt: skip


def iota(dtype, shape, axis, **notes):
    return Case(
        "iota", lambda: lax.broadcasted_iota(dtype, shape, axis), label=f"{dtype} {shape} {axis}",
        samples=1, **notes,
    )  # fmt: skip


def squeeze(shape, dimensions, dtype="int32", **notes):
    return Case(
        "squeeze", lambda x: lax.squeeze(x, dimensions), (Operand(shape, dtype),),
        label=f"dimensions={dimensions}", **notes,
    )  # fmt: skip


def rev(shape, dimensions, dtype="int32"):
    return Case(
        "rev", lambda x: lax.rev(x, dimensions), (Operand(shape, dtype),),
        label=f"dimensions={dimensions}",
    )  # fmt: skip


CASES = [
    *(reshape(old, new) for group in RESHAPES for old, new in itertools.permutations(group, 2)),
    *(reshape(old, new) for old, new in MORE_RESHAPES),
    Case(
        "reshape", lambda x: lax.reshape(x, (3, 2), (1, 0)), (Operand((2, 3)),),
        label="transposed", coarse="not followed",
    ),
    reshape((4, 2), (2, 2, 2), "words"),
    reshape((2, 2), (4,), "words"),
    reshape((4,), (2, 2), "words", coarse=APART),
    reshape((2, 2), (2, 2, 1), "words"),
    *(broadcast(*each) for each in BROADCASTS),
    broadcast((2,), (3, 2), (1,), "words"),
    broadcast((2,), (2, 3), (0,), "words", coarse=APART),
    *(expand_dims(Operand((2, 3)), dims) for dims in [(0,), (1,), (2,), (0, 3)]),
    expand_dims(Operand(()), (0,)),
    expand_dims(Operand((2,), "words"), (0,)),
    expand_dims(Operand((2,), "words"), (1,), coarse=APART),
    squeeze((1, 3), (0,)), squeeze((1, 1), (0, 1)), squeeze((2, 1, 3), (1,)), squeeze((3, 1), (1,)),
    squeeze((1, 2), (0,), "words"), squeeze((2, 1), (1,), "words"),
    *(transpose((2, 3), order) for order in itertools.permutations(range(2))),
    *(transpose((1, 2, 3), order) for order in itertools.permutations(range(3))),
    transpose((3, 2, 2), (1, 0, 2), "words"),
    transpose((3, 2), (1, 0), "words"),
    rev((3,), (0,)), rev((2, 3), (1,)), rev((2, 3), (0, 1)), rev((3, 2), (0, 1), "words"),
    *(concatenate(*each) for each in CONCATENATIONS),
    concatenate([(0,), (3,)], 0, coarse="an array of size 0 adds nothing"),
    concatenate([(2, 2), (1, 2)], 0, "words"),
    concatenate([(2,), (2,)], 0, "words", coarse="one of two keys is distinct, and so are both"),
    *(
        stack((Operand(shape),) * count, axis)
        for shape, axes in [((), (0,)), ((3,), (0, 1)), ((2, 3), (0, 1, 2))]
        for axis in axes
        for count in (1, 2)
    ),
    stack((Operand((2,)),) * 3, 0),
    stack((Operand((2,), "words"),) * 2, 0),
    stack((Operand((2,), "words", (0, 1)),) * 2, 1),
    *(tile(Operand((2, 3)), reps) for reps in [(1, 1), (2, 1), (1, 2), (0, 1)]),
    tile(Operand((1,)), (3,), coarse="an axis of size 1 may be called distinct"),
    tile(Operand((2,), "words"), (2,)),
    *(
        iota("int32", shape, axis)
        for shape, axis in [((3,), 0), ((2, 3), 0), ((2, 3), 1), ((1,), 0), ((0,), 0), ((2, 0), 0)]
    ),
    iota("uint8", (256,), 0),
    iota("float32", (3,), 0),
    iota("uint8", (257,), 0),
    iota("float16", (2050,), 0),
]  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_is_claimed_holds_of_all_small_inputs(case):
    found = outcome(tried(case, CASES), moving.TRANSFERS[case.primitive])

    assert found.false == []
    assert case.coarse or found.missed == []


@pytest.mark.parametrize("along", [EQUAL, DISTINCT, UNKNOWN])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("same", [True, False])
def test_an_array_repeated_along_an_axis_is_equal_if_it_has_one_element_or_equal_ones(
    along, count, same
):
    case = concatenate([(count,), (count,)], 0)
    one, other = values((((), (along,)), ((), (along,))))

    found = moving.TRANSFERS["concatenate"](equation(case), (one, one if same else other))

    assert found == ({}, (EQUAL if same and (along is EQUAL or count == 1) else UNKNOWN,))


@pytest.mark.parametrize(
    ("old", "new", "short"),
    [((), (1, 1), (0, 1)), ((3,), (3, 1), (1,)), ((3,), (1, 3), (0,)), ((6,), (2, 1, 3), (1,))],
)
def test_an_axis_of_size_1_that_a_reshape_adds_is_equal(old, new, short):
    (x,) = values((((), (DISTINCT,) * len(old)),))

    _, axes = moving.TRANSFERS["reshape"](equation(reshape(old, new)), (x,))

    assert axes == tuple(EQUAL if i in short else DISTINCT for i in range(len(new)))


@pytest.mark.parametrize(
    ("dtype", "most"),
    # A float has one more bit than its mantissa shows, and 2**n is exact too.
    [("uint8", 256), ("uint16", 65536), ("float16", 2049), ("bfloat16", 257)],
)
def test_numbers_are_distinct_up_to_the_most_that_the_dtype_can_count(dtype, most):
    for size in (most - 1, most, most + 1):
        eqn = equation(iota(dtype, (size,), 0))
        numbers = np.arange(size, dtype=np.uint32).astype(jnp.dtype(dtype))
        is_distinct = len(set(numbers.tolist())) == size

        assert is_distinct is (size <= most)
        assert moving.TRANSFERS["iota"](eqn, ()) == ({}, (DISTINCT if is_distinct else UNKNOWN,))


def test_each_primitive_is_tried():
    assert {case.primitive for case in CASES} == set(moving.TRANSFERS)
