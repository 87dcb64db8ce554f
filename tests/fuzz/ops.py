"""The operations of random programs: as Python text, and in NumPy for the oracle.

For the oracle, keys are uint32 arrays of shape (*logical shape, 2), whether they are typed or
legacy in the program; integers are int64 arrays. Operations act on the logical shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.fuzz import threefry

Array = np.ndarray
Params = dict[str, Any]


@dataclass(frozen=True)
class Op:
    """`text(args, params)` is a JAX expression, `value(arrays, params)` computes it in NumPy.

    `params["legacy"]` is true if its keys are legacy keys, which are uint32 arrays.
    """

    text: Callable[[list[str], Params], str]
    value: Callable[[list[Array], Params], Array]


def words(rows: Any, shape: tuple[int, ...]) -> Array:
    """An array of keys of this logical shape, made from pairs of words."""
    return np.array(rows, np.uint32).reshape(*shape, 2)


def pairs(keys: Array) -> list[threefry.Key]:
    return [(int(a), int(b)) for a, b in keys.reshape(-1, 2)]


def _shape(p: Params) -> tuple[int, ...]:
    return (*p["shape"], 2) if p["legacy"] else tuple(p["shape"])


def _make(p: Params) -> str:
    return "jax.random.PRNGKey" if p["legacy"] else "jax.random.key"


def _mask(p: Params) -> str:
    return f"jnp.array({p['mask']})" + ("[:, None]" if p["legacy"] else "")


def _fold(keys: Array, numbers: Array, shape: tuple[int, ...]) -> Array:
    both = zip(pairs(keys), numbers.reshape(-1).tolist(), strict=True)
    return words([threefry.fold_in(k, n) for k, n in both], shape)


def _split(keys: Array, shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    return words([threefry.split(k, count) for k in pairs(keys)], (*keys.shape[:-1], *shape))


def _on_words(a: list[str], p: Params, other: str, sign: str) -> str:
    if p["legacy"]:
        return f"{a[0]} {sign} {other}"
    return f"jax.random.wrap_key_data(jax.random.key_data({a[0]}) {sign} {other})"


def _data(key: str, p: Params) -> str:
    return key if p["legacy"] else f"jax.random.key_data({key})"


def _each(a: list[str], fn: str, axes: str = "") -> str:
    return f"jax.vmap({fn}{axes})({', '.join(a)})"


def _start(number: Array, size: int, length: int) -> int:
    return min(max(int(number), 0), size - length)


KEY_OPS: dict[str, Op] = {
    "key": Op(
        lambda a, p: f"{_make(p)}({p['seed']})", lambda v, p: words(threefry.seed(p["seed"]), ())
    ),
    "key_of": Op(
        lambda a, p: f"{_make(p)}({a[0]})", lambda v, p: words(threefry.seed(int(v[0])), ())
    ),
    "keys_of": Op(
        lambda a, p: _each(a, _make(p)),
        lambda v, p: words([threefry.seed(int(n)) for n in v[0]], v[0].shape),
    ),
    "split": Op(
        lambda a, p: f"jax.random.split({a[0]}, {p['shape']})",
        lambda v, p: _split(v[0], p["shape"]),
    ),
    "split_each": Op(
        lambda a, p: _each(a, f"lambda k: jax.random.split(k, {p['count']})"),
        lambda v, p: _split(v[0], (p["count"],)),
    ),
    "child": Op(
        lambda a, p: f"jax.random.split({a[0]}, {p['count']})[{p['index']}]",
        lambda v, p: _split(v[0], (p["count"],))[p["index"]],
    ),
    "fold_const": Op(
        lambda a, p: f"jax.random.fold_in({a[0]}, {p['number']})",
        lambda v, p: _fold(v[0], np.array(p["number"]), ()),
    ),
    "fold": Op(
        lambda a, p: f"jax.random.fold_in({a[0]}, {a[1]})", lambda v, p: _fold(v[0], v[1], ())
    ),
    "fold_word": Op(
        lambda a, p: f"jax.random.fold_in({a[0]}, {_data(a[1], p)}[{p['index']}])",
        lambda v, p: _fold(v[0], v[1][p["index"]].astype(np.int64), ()),
    ),
    "fold_many": Op(
        lambda a, p: _each(a, "jax.random.fold_in", ", in_axes=(None, 0)"),
        lambda v, p: _fold(np.broadcast_to(v[0], (*v[1].shape, 2)), v[1], v[1].shape),
    ),
    "fold_pairs": Op(
        lambda a, p: _each(a, "jax.random.fold_in"), lambda v, p: _fold(v[0], v[1], v[1].shape)
    ),
    "fold_each": Op(
        lambda a, p: _each(a, "jax.random.fold_in", ", in_axes=(0, None)"),
        lambda v, p: _fold(v[0], np.full(v[0].shape[:-1], v[1]), v[0].shape[:-1]),
    ),
    "same": Op(lambda a, p: a[0], lambda v, p: v[0]),
    "clone": Op(lambda a, p: f"jax.random.clone({a[0]})", lambda v, p: v[0]),
    "to_legacy": Op(lambda a, p: f"jax.random.key_data({a[0]})", lambda v, p: v[0]),
    "to_typed": Op(lambda a, p: f"jax.random.wrap_key_data({a[0]})", lambda v, p: v[0]),
    "round_trip": Op(
        lambda a, p: (
            f"jax.random.key_data(jax.random.wrap_key_data({a[0]}))"
            if p["legacy"]
            else f"jax.random.wrap_key_data(jax.random.key_data({a[0]}))"
        ),
        lambda v, p: v[0],
    ),
    "words_plus": Op(
        lambda a, p: _on_words(a, p, f"jnp.uint32({p['number']})", "+"),
        lambda v, p: v[0] + np.uint32(p["number"]),
    ),
    "words_plus_int": Op(
        lambda a, p: _on_words(a, p, f"{a[1]}.astype(jnp.uint32)", "+"),
        lambda v, p: v[0] + v[1].astype(np.uint32),
    ),
    "words_mixed": Op(
        lambda a, p: _on_words(a, p, a[1] if p["legacy"] else f"jax.random.key_data({a[1]})", "^"),
        lambda v, p: v[0] ^ v[1],
    ),
    "words_of_ints": Op(
        lambda a, p: (
            f"jnp.stack([{a[0]}, {a[1]}]).astype(jnp.uint32)"
            if p["legacy"]
            else f"jax.random.wrap_key_data(jnp.stack([{a[0]}, {a[1]}]).astype(jnp.uint32))"
        ),
        lambda v, p: np.stack([v[0], v[1]]).astype(np.uint32),
    ),
    "item": Op(lambda a, p: f"{a[0]}[{p['index']}]", lambda v, p: v[0][p["index"]]),
    "item_at": Op(
        lambda a, p: f"{a[0]}[{a[1]} % {p['size']}]", lambda v, p: v[0][int(v[1]) % p["size"]]
    ),
    "dynamic_item": Op(
        lambda a, p: f"jax.lax.dynamic_index_in_dim({a[0]}, {a[1]}, keepdims=False)",
        lambda v, p: v[0][_start(v[1], v[0].shape[0], 1)],
    ),
    "window": Op(
        lambda a, p: f"jax.lax.dynamic_slice_in_dim({a[0]}, {a[1]}, {p['count']})",
        lambda v, p: v[0][(s := _start(v[1], v[0].shape[0], p["count"])) : s + p["count"]],
    ),
    "part": Op(lambda a, p: f"{a[0]}[{p['slice']}]", lambda v, p: v[0][_slice(p["slice"])]),
    "gather": Op(
        lambda a, p: f"{a[0]}[jnp.array({p['indices']})]", lambda v, p: v[0][p["indices"]]
    ),
    "gather_at": Op(
        lambda a, p: f"{a[0]}[{a[1]} % {p['size']}]", lambda v, p: v[0][v[1] % p["size"]]
    ),
    "broadcast": Op(
        lambda a, p: f"jnp.broadcast_to({a[0]}, {_shape(p)})",
        lambda v, p: np.broadcast_to(v[0], (*p["shape"], 2)),
    ),
    "broadcast_inner": Op(
        lambda a, p: f"jnp.broadcast_to({a[0]}[:, None], {_shape(p)})",
        lambda v, p: np.broadcast_to(v[0][:, None], (*p["shape"], 2)),
    ),
    "stack": Op(
        lambda a, p: f"jnp.stack([{', '.join(a)}])",
        lambda v, p: np.stack(v),
    ),
    "stack_inner": Op(
        lambda a, p: f"jnp.stack([{', '.join(a)}], axis=1)",
        lambda v, p: np.stack(v, axis=1),
    ),
    "concatenate": Op(
        lambda a, p: f"jnp.concatenate([{', '.join(a)}])", lambda v, p: np.concatenate(v)
    ),
    "repeat": Op(
        lambda a, p: f"jnp.repeat({a[0]}, {p['count']}, axis=0)",
        lambda v, p: np.repeat(v[0], p["count"], axis=0),
    ),
    "roll": Op(
        lambda a, p: f"jnp.roll({a[0]}, {p['count']}, axis=0)",
        lambda v, p: np.roll(v[0], p["count"], axis=0),
    ),
    "reshape": Op(
        lambda a, p: f"{a[0]}.reshape{_shape(p)}", lambda v, p: v[0].reshape(*p["shape"], 2)
    ),
    "swap": Op(lambda a, p: f"jnp.swapaxes({a[0]}, 0, 1)", lambda v, p: np.swapaxes(v[0], 0, 1)),
    "where": Op(
        lambda a, p: f"jnp.where({a[0]} % {p['modulus']} == 0, {a[1]}, {a[2]})",
        lambda v, p: v[1] if int(v[0]) % p["modulus"] == 0 else v[2],
    ),
    "where_mask": Op(
        lambda a, p: f"jnp.where({_mask(p)}, {a[0]}, {a[1]})",
        lambda v, p: np.where(np.array(p["mask"])[:, None], v[0], v[1]),
    ),
    "set": Op(
        lambda a, p: f"{a[0]}.at[{p['index']}].set({a[1]})",
        lambda v, p: _with(v[0], p["index"], v[1]),
    ),
}

INT_OPS: dict[str, Op] = {
    "int": Op(lambda a, p: f"jnp.int32({p['number']})", lambda v, p: np.array(p["number"])),
    "plus": Op(lambda a, p: f"{a[0]} + {p['number']}", lambda v, p: v[0] + p["number"]),
    "times": Op(lambda a, p: f"{a[0]} * {p['number']}", lambda v, p: v[0] * p["number"]),
    "half": Op(lambda a, p: f"{a[0]} // {p['number']}", lambda v, p: v[0] // p["number"]),
    "rest": Op(lambda a, p: f"{a[0]} % {p['number']}", lambda v, p: v[0] % p["number"]),
    "sum": Op(lambda a, p: f"{a[0]} + {a[1]}", lambda v, p: v[0] + v[1]),
    "join": Op(
        lambda a, p: f"{a[0]} * {p['number']} + {a[1]}", lambda v, p: v[0] * p["number"] + v[1]
    ),
    "difference": Op(lambda a, p: f"jnp.abs({a[0]} - {a[1]})", lambda v, p: abs(v[0] - v[1])),
    "larger": Op(lambda a, p: f"jnp.maximum({a[0]}, {a[1]})", lambda v, p: np.maximum(v[0], v[1])),
    "choose": Op(
        lambda a, p: f"jnp.where({a[0]} % 2 == 0, {a[1]}, {a[2]})",
        lambda v, p: v[1] if int(v[0]) % 2 == 0 else v[2],
    ),
    "narrow": Op(lambda a, p: f"{a[0]}.astype(jnp.float32).astype(jnp.int32)", lambda v, p: v[0]),
    "byte": Op(
        lambda a, p: f"({a[0]} * 100).astype(jnp.int8).astype(jnp.int32) + 128",
        lambda v, p: (v[0] * 100).astype(np.int8).astype(np.int64) + 128,
    ),
    "word": Op(
        lambda a, p: (
            (a[0] if p["legacy"] else f"jax.random.key_data({a[0]})")
            + f"[{p['index']}].astype(jnp.int32) & 1023"
        ),
        lambda v, p: v[0][p["index"]].astype(np.int64) & 1023,
    ),
    "int_item": Op(lambda a, p: f"{a[0]}[{p['index']}]", lambda v, p: v[0][p["index"]]),
    "int_item_at": Op(
        lambda a, p: f"{a[0]}[{a[1]} % {p['size']}]", lambda v, p: v[0][int(v[1]) % p["size"]]
    ),
    "total": Op(lambda a, p: f"jnp.sum({a[0]})", lambda v, p: v[0].sum()),
    "arange": Op(
        lambda a, p: f"jnp.arange({p['count']}, dtype=jnp.int32)",
        lambda v, p: np.arange(p["count"]),
    ),
    "array": Op(
        lambda a, p: f"jnp.array({p['numbers']}, dtype=jnp.int32)",
        lambda v, p: np.array(p["numbers"], np.int64),
    ),
    "spread": Op(
        lambda a, p: f"jnp.full(({p['count']},), {a[0]})", lambda v, p: np.full(p["count"], v[0])
    ),
}

OPS = KEY_OPS | INT_OPS


def _slice(text: str) -> slice:
    return slice(*(int(part) if part else None for part in text.split(":")))


def _with(array: Array, index: int, value: Array) -> Array:
    changed = array.copy()
    changed[index] = value
    return changed
