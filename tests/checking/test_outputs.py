"""Outputs that are not arrays: they are ignored if they hold no arrays, and an error otherwise."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrng_doctor

X, KEY = jnp.zeros((4, 3)), jax.random.key(0)


class Mode(enum.Enum):
    TRAIN = 1


@dataclass
class Result:
    """A class that is not registered as a pytree."""

    noise: jax.Array


def shared(x, key):
    return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)


def plain(x):
    return x


@pytest.mark.parametrize(
    "beside",
    [
        "name",
        b"name",
        Mode.TRAIN,
        jnp.float32,
        np.dtype("int8"),
        np.exp,
        plain,
        jax.nn.relu,
        None,
        np.str_("a"),
        np.array(["a"]),
    ],
    ids=[
        "str",
        "bytes",
        "enum",
        "type",
        "dtype",
        "ufunc",
        "function",
        "relu",
        "None",
        "numpy",
        "texts",
    ],
)
def test_what_holds_no_array_is_left_out(beside):
    def fn(x, key):
        return {"noise": shared(x, key), "beside": beside, "count": 3}

    report = jaxrng_doctor.check(fn, (X, KEY))
    assert [finding.code for finding in report.findings] == ["RNG001"]
    (target,) = report.targets
    assert [leaf.path for leaf in target.comparison.leaves] == ["['count']", "['noise']"]


def closure(x, key):
    noise = shared(x, key)
    return lambda: noise


def default(x, key):
    def inner(noise=shared(x, key)):  # noqa: B008
        return noise

    return inner


def generator(x, key):
    yield shared(x, key)


async def coroutine(x, key):
    return shared(x, key)


HIDDEN = {
    "Result": lambda x, key: Result(shared(x, key)),
    "set": lambda x, key: {1},
    "map": lambda x, key: map(plain, [x]),
    "partial": lambda x, key: partial(plain, shared(x, key)),
    "function": closure,
    "function ": default,
    "generator": generator,
    "coroutine": coroutine,
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_may_hold_arrays_is_no_clean_verdict(kind):
    with pytest.raises(
        TypeError, match=f"returns an object of type {kind.strip()}, and what is in"
    ):
        jaxrng_doctor.check(HIDDEN[kind], (X, KEY))


def test_where_it_is_in_the_output():
    with pytest.raises(TypeError, match=r"of type Result in \[1\]\['r'\], and"):
        jaxrng_doctor.check(lambda x, key: (x, {"r": Result(shared(x, key))}), (X, KEY))


def test_what_the_users_own_vmap_refuses_is_refused():
    with pytest.raises(TypeError, match=r"type str in \[1\], which jax.vmap does not map"):
        jaxrng_doctor.check(lambda x: (x, "name"), (X,), in_axes=(0,))
