"""The comparison of examples gives the same numbers as a double loop over all pairs."""

import math
from itertools import combinations

import jax.numpy  # noqa: F401  registers bfloat16 with NumPy
import numpy as np
import pytest

from jaxrng_doctor.checking.compare_examples import compare_examples
from jaxrng_doctor.model.findings import Pairs

DTYPES = ["bool", "int8", "uint8", "int16", "int32", "int64", "uint32", "float16", "float32",
          "float64", "bfloat16", "complex64", "complex128"]  # fmt: skip


def slowly(array, axis):
    examples = [np.take(array, i, axis) for i in range(array.shape[axis])]
    pairs = list(combinations(examples, 2))
    first, last = examples[0].reshape(-1), examples[-1].reshape(-1)
    wide = complex if array.dtype.kind == "c" else float
    apart = [
        0.0 if a == b or (a != a and b != b) else abs(wide(a) - wide(b))
        for a, b in zip(first, last, strict=True)
    ]
    return Pairs(
        first_equals_last=first.tobytes() == last.tobytes(),
        max_difference=max(apart, default=0.0),
        equal_pairs=sum(a.tobytes() == b.tobytes() for a, b in pairs),
        pairs=len(pairs),
        distinct=len({example.tobytes() for example in examples}),
    )


def with_repeats(dtype, shape, axis):
    """Random examples, most of which occur at least twice."""
    rng = np.random.default_rng(len(shape))
    few = rng.integers(-3 if np.dtype(dtype).kind in "ifc" else 0, 3, shape).astype(dtype)
    return np.take(few, rng.integers(0, (shape[axis] + 1) // 2, shape[axis]), axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((7, 3), 0), ((3, 7), 1), ((6,), 0), ((5, 2, 3), 1), ((4, 0), 0), ((2, 5), 0), ((1, 4), 0),
     ((9, 11), 0), ((2, 2, 6), -1)],
    ids=str,
)  # fmt: skip
def test_against_a_double_loop(dtype, shape, axis):
    array = with_repeats(dtype, shape, axis)

    found = compare_examples(array, axis)

    assert found == slowly(array, axis)


def test_nan_equals_nan_and_zero_does_not_equal_minus_zero():
    nan, inf = math.nan, math.inf
    same = np.array([[nan, inf, 0.0], [nan, inf, 0.0]])
    zeros = np.array([[0.0], [-0.0]])

    assert compare_examples(same, 0) == Pairs(True, 0.0, 1, 1, 1)
    assert compare_examples(zeros, 0) == Pairs(False, 0.0, 0, 1, 2)


def test_a_difference_that_is_not_finite():
    assert compare_examples(np.array([1.0, math.inf]), 0).max_difference == math.inf
    assert math.isnan(compare_examples(np.array([1.0, math.nan]), 0).max_difference)


def test_the_difference_of_unsigned_integers_does_not_wrap():
    assert compare_examples(np.array([[1], [3]], np.uint8), 0).max_difference == 2.0
    assert compare_examples(np.array([[-128], [127]], np.int8), 0).max_difference == 255.0


def test_examples_that_differ_in_one_byte_of_a_long_row():
    array = np.zeros((40, 1003), np.int8)
    array[np.arange(40), np.arange(40) * 25] = 1

    found = compare_examples(array, 0)

    assert (found.distinct, found.equal_pairs) == (40, 0)


def test_first_equals_last_and_all_others_differ():
    array = np.arange(12.0).reshape(6, 2)
    array[-1] = array[0]

    assert compare_examples(array, 0) == Pairs(True, 0.0, 1, 15, 5)


def test_no_example():
    assert compare_examples(np.zeros((0, 3)), 0) == Pairs(True, None, 0, 0, 0)


def test_many_examples_are_counted_exactly():
    array = np.repeat(np.arange(1000, dtype=np.int32), 300).reshape(-1, 1)

    found = compare_examples(array, 0)

    assert found.distinct == 1000
    assert found.equal_pairs == 1000 * 300 * 299 // 2
