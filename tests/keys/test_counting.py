"""The counts of an `Evidence` equal those of plain Python."""

from itertools import product

import numpy as np
import pytest

from jaxrng_doctor.analysis.keys.counts import KeyCount
from jaxrng_doctor.model.findings import STRIP_LENGTH, Evidence

SHAPES = [(5,), (1,), (3, 4), (4, 1, 3), (2, 3, 2)]
WORDS = [1, 2, 4]


def random_table(shape, words, seed, reached=1.0):
    """Keys, many of them equal, and which are reached. Only the last word varies: 0, 1 or 2."""
    rng = np.random.default_rng(seed)
    table = np.full((*shape, words), 2**32 - 1, np.uint32)
    table[..., -1] = rng.integers(0, 3, shape)
    return table, rng.random(shape) < reached


def slowly(table, reached, indices):
    """The `(examples, distinct)` counts of the reached draws at `indices`."""
    keys = [tuple(table[i]) for i in indices if reached[i]]
    return len(keys), len(set(keys))


def lines(shape, axis):
    """Yield each index of the other axes with the full indices along `axis`."""
    others = [range(n) for i, n in enumerate(shape) if i != axis]
    for at in product(*others):
        yield at, [(*at[:axis], i, *at[axis:]) for i in range(shape[axis])]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("share", [1.0, 0.6, 0.0])
def test_along_each_scope_at_the_index_where_most_is_shared(shape, words, share):
    table, reached = random_table(shape, words, seed=sum(shape), reached=share)
    count = KeyCount(table, reached)
    names = [f"scope{i}" for i in range(len(shape))]
    for axis in range(len(shape)):
        found = count.along(axis, names)

        others = names[:axis] + names[axis + 1 :]
        counted = {
            ", ".join(f"{n} {i}" for n, i in zip(others, at, strict=True)): slowly(
                table, reached, line
            )
            for at, line in lines(shape, axis)
        }
        assert counted[found.fixed] == (found.examples, found.distinct_keys)
        assert found.examples - found.distinct_keys == max(n - d for n, d in counted.values())


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_over_all_scopes_together(shape, words):
    table, reached = random_table(shape, words, seed=1, reached=0.7)
    names = [f"scope{i}" for i in range(len(shape))]

    found = KeyCount(table, reached).over(range(len(shape)), names)

    assert (found.examples, found.distinct_keys) == slowly(table, reached, np.ndindex(shape))
    assert found.fixed == ""


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)], ids=str)
def test_over_two_of_three_scopes(axes, words):
    shape = (2, 3, 4)
    table, reached = random_table(shape, words, seed=4, reached=0.8)
    count = KeyCount(table, reached)
    (other,) = {0, 1, 2} - set(axes)

    found = count.over(axes, ["a", "b", "c"])

    counted = {}
    for number in range(shape[other]):
        inside = [index for index in np.ndindex(shape) if index[other] == number]
        counted[f"{'abc'[other]} {number}"] = slowly(table, reached, inside)
    assert counted[found.fixed] == (found.examples, found.distinct_keys)
    assert found.examples - found.distinct_keys == max(n - d for n, d in counted.values())
    examples, keys = count.keys_over(axes)
    assert len(examples) == found.examples
    one, other_one = (count.places(axes, example) for example in found.equal_pair)
    at = int(found.fixed.split()[1])
    ends = [list(place) for place in (one, other_one)]
    for end in ends:
        end.insert(other, at)
    first, second = (table[tuple(end)] for end in ends)
    np.testing.assert_array_equal(first, second)
    assert one != other_one
    np.testing.assert_array_equal(keys[list(examples).index(found.equal_pair[0])], first)


def test_the_pair_and_its_key():
    table = np.array([[9, 1], [9, 2], [9, 3], [9, 2]], np.uint32)

    found = KeyCount(table, np.ones(4, bool)).along(0, ["example"])

    assert found == Evidence(4, 3, (0, 1, 2, 1), (1, 3), "00000009 00000002", "")


def test_a_draw_that_was_not_reached_counts_for_nothing():
    table = np.array([[9, 1], [9, 1], [9, 2], [9, 1]], np.uint32)

    found = KeyCount(table, np.array([True, False, True, True])).along(0, ["example"])

    assert (found.examples, found.distinct_keys, found.strip) == (3, 2, (0, 1, 0))
    assert found.equal_pair == (0, 3)


def test_no_pair_where_all_differ():
    table = np.arange(8, dtype=np.uint32).reshape(4, 2)

    found = KeyCount(table, np.ones(4, bool)).along(0, ["example"])

    assert (found.equal_pair, found.key, found.strip) == (None, None, (0, 1, 2, 3))


@pytest.mark.parametrize("words", WORDS)
def test_keys_that_differ_in_any_one_word_are_different(words):
    table = np.zeros((words + 1, words), np.uint32)
    table[np.arange(words), np.arange(words)] = 1

    found = KeyCount(table, np.ones(words + 1, bool)).along(0, ["example"])

    assert found.distinct_keys == words + 1


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)], ids=str)
def test_scopes_of_size_zero(shape):
    count = KeyCount(np.zeros((*shape, 2), np.uint32), np.zeros(shape, bool))

    for axis in range(len(shape)):
        assert count.along(axis, ["a", "b"]) == Evidence(0, 0)
    assert count.over((0, 1), ["a", "b"]) == Evidence(0, 0)


def test_a_long_batch_is_shown_in_part_and_counted_whole():
    table = np.zeros((STRIP_LENGTH + 9, 2), np.uint32)
    table[-1] = 1

    found = KeyCount(table, np.ones(len(table), bool)).along(0, ["example"])

    assert (found.examples, found.distinct_keys) == (STRIP_LENGTH + 9, 2)
    assert found.strip == (0,) * STRIP_LENGTH
