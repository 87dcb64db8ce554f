"""Keys with one identity are one key, no matter how each is taken from its array."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.key_identity import Identities
from tests.lineage.brute_force import binding
from tests.lineage.following import followed

normal, split, fold_in = jax.random.normal, jax.random.split, jax.random.fold_in


def cut(keys, start, length=1):
    """The slice at `start`, which JAX clamps to the array; the index is a literal."""
    sizes = (length, *keys.shape[1:])
    starts = [np.int32(start), *(np.int32(0) for _ in keys.shape[1:])]
    return binding("dynamic_slice", slice_sizes=sizes)(keys, *starts)


def of_array(keys):
    """Each way to take a key from an array of four, with the index of the key that it takes."""
    first, second, third, last = keys
    grid = keys.reshape((2, 2, *keys.shape[1:]))
    return [
        (0, first),
        (0, keys[0]),
        (0, grid[0, 0]),
        (0, cut(keys, -9)[0]),
        (1, second),
        (1, lax.index_in_dim(keys, -3, keepdims=False)),
        (1, grid[0, 1]),
        (1, keys[:2][1]),
        (1, lax.slice_in_dim(keys, 1, 4, 2)[0]),
        (1, jnp.broadcast_to(keys[1:2], (3, *keys.shape[1:]))[2]),
        (1, jnp.broadcast_to(keys[1], (3, *keys.shape[1:]))[0]),
        (2, third),
        (2, grid[1, 0]),
        (2, grid[1:][0, 0]),
        (2, lax.slice_in_dim(keys, 0, 4, 2)[1]),
        (2, cut(keys, 2)[0]),
        (2, cut(keys, 1, 2)[1]),
        (3, last),
        (3, lax.index_in_dim(keys, -1, keepdims=False)),
        (3, grid.reshape((4, *keys.shape[1:]))[3]),
        (3, cut(keys, 9)[0]),
        (3, cut(keys, 3, 2)[1]),
        (3, jnp.expand_dims(keys, 1)[3, 0]),
    ]


def drawing(keys):
    return lambda key: [normal(k) for _, k in keys(key)]


def identities(keys, key):
    """The identities of the program's keys, and their words."""
    _, engine = followed(drawing(keys), key)
    known = Identities()
    found = [known.of(use.keys[0]) for use in engine.draws]
    words = [tuple(np.asarray(_words(k)).tolist()) for _, k in keys(key)]
    assert len(found) == len(words)
    return found, words


def _words(key):
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(key) if typed else key


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_the_ways_to_take_one_element_give_one_identity(make):
    found, words = identities(lambda key: of_array(split(key, 4)), make(0))
    wanted = [index for index, _ in of_array(split(make(0), 4))]

    for (i, a), (j, b) in itertools.combinations(enumerate(found), 2):
        assert (words[i] == words[j]) is (wanted[i] == wanted[j])
        assert (a == b) is (wanted[i] == wanted[j]), (i, j)


def children(key):
    """Keys derived from one key; equal names are equal keys if threefry is partitionable."""
    a = split(key, 2)
    b = split(key, (2, 2))
    return [
        ("0", a[0]), ("1", a[1]), ("0", split(key, 3)[0]), ("1", split(key, 3)[1]),
        ("2", split(key, 3)[2]), ("1", fold_in(key, 1)), ("2", fold_in(key, 2)),
        ("0", b[0, 0]), ("1", b[0, 1]), ("2", b[1, 0]), ("3", b[1, 1]), ("0.1", split(a[0], 2)[1]),
        ("0.1", fold_in(split(key, 5)[0], 1)), ("1.1", fold_in(a[1], 1)), ("", key),
        ("1.1", split(fold_in(key, 1))[1]), ("3", fold_in(key, 3)),
    ]  # fmt: skip


def test_children_of_one_key_are_reported_apart_by_their_number():
    with jax.threefry_partitionable(True):
        found, words = identities(children, jax.random.key(0))
        wanted = [name for name, _ in children(jax.random.key(0))]

    for (i, a), (j, b) in itertools.combinations(enumerate(found), 2):
        assert (words[i] == words[j]) is (wanted[i] == wanted[j]), (wanted[i], wanted[j])
        assert (a == b) is (wanted[i] == wanted[j]), (wanted[i], wanted[j])


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_elsewhere_only_the_same_split_gives_the_same_children(impl):
    with jax.threefry_partitionable(False):
        found, words = identities(children, jax.random.key(0, impl=impl))

    equal = [
        (i, j) for i, j in itertools.combinations(range(len(found)), 2) if found[i] == found[j]
    ]
    assert (2, 3) not in equal
    assert all(words[i] == words[j] for i, j in equal)


def test_words_of_two_keys_are_no_key_of_either():
    def keys(key):
        a, b = split(key, 2)
        return [(0, jnp.stack([a[0], b[1]])), (1, a), (2, b), (3, a[::-1]), (4, split(key, 2).T[1])]

    found, _ = identities(keys, jax.random.PRNGKey(0))

    assert len(set(found)) == 5
