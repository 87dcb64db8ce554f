"""Parses argument specs, such as `f32[32,10]`, into trees of `Leaf`s.

Evaluates nothing; `arg_values` makes arrays from the parsed specs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor._util.suggest import nearest
from jaxrng_doctor.checking.targets.reader import Reader

SHORT_DTYPES = {
    "bool": "bool",
    "bf16": "bfloat16",
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"s{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "c64": "complex64",
    "c128": "complex128",
    **{
        f"f8_{form}": f"float8_{form}"
        for form in ("e4m3b11fnuz", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")
    },
}
"""NumPy's dtype names by JAX's short names."""

DTYPES = {**SHORT_DTYPES, **{long: long for long in SHORT_DTYPES.values()}}

_SHORT_IMPLS = {
    "fry": "threefry2x32",
    "fry4": "threefry4x32",
    "phx2": "philox2x32",
    "phx4": "philox4x32",
    "rbg": "rbg",
    "urbg": "unsafe_rbg",
}
KEY_IMPLS = {**_SHORT_IMPLS, **{long: long for long in _SHORT_IMPLS.values()}}
"""The names for `jax.random.key`, by the short and long names between `key<` and `>`."""

VALID = (
    "valid examples: f32[32,10], i32[8], bool[3], bf16[4], key, key[32], key<rbg>[4,32], prngkey, "
    '0.5, True, "relu", None, {w: f32[3]}, (f32[3], key), npy:file.npy, npz:file.npz, '
    "module:factory"
)


@dataclass(frozen=True)
class Array:
    """An array of numbers. `dtype` is a NumPy dtype name."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Key:
    """Distinct keys: a typed key array of `shape`, or raw `uint32[*shape, words]` if `legacy`.

    `impl` is the argument of `jax.random.key`; `None` is JAX's default.
    """

    impl: str | None
    shape: tuple[int, ...]
    legacy: bool = False


@dataclass(frozen=True)
class Literal:
    """A plain Python value."""

    value: bool | int | float | complex | str | None


@dataclass(frozen=True)
class File:
    """An array in an `.npy`, or the array `member` of an `.npz`; all of its arrays if `None`."""

    kind: str
    path: str
    member: str | None = None


@dataclass(frozen=True)
class Factory:
    """`module:factory` or `path.py:factory`: the argument is the factory's return value."""

    target: str


Leaf = Array | Key | Literal | File | Factory
Spec = Any
"""A `Leaf`, or a dict, tuple or list of specs."""


def parse(text: str, name: str) -> Spec:
    """Parse the spec of the parameter `name`. Errors raise `UsageError` and point at the text."""
    reader = Reader(text, f"argument {name}", VALID)
    return reader.whole(lambda: reader.tree(lambda: _leaf(reader)))


def _leaf(reader: Reader) -> Leaf:
    next_character = reader.peek()
    start = reader.position
    if not next_character:
        reader.fail("missing value")
    if next_character in "'\"":
        return Literal(reader.string())
    if ":" in (re.compile(r"[^\s,()\[\]{}<>'\"]*").match(reader.text, start) or "")[0]:
        return _reference(reader)
    if next_character in "+-." or next_character.isdigit():
        return Literal(reader.number())
    word = reader.match(r"[A-Za-z_]\w*")
    if word is None:
        reader.fail(f"unexpected {next_character!r}")
    if word in ("True", "False", "None"):
        return Literal({"True": True, "False": False, "None": None}[word])
    if word in ("key", "prngkey"):
        return _key(reader, legacy=word == "prngkey")
    if word not in DTYPES:
        meant = nearest(word, [*DTYPES, "key", "prngkey", "True", "False", "None"])
        if reader.peek() not in ("[", "<"):
            meant.append(f'"{word}" (strings need quotes, escaped for the shell)')
        reader.fail(f"unknown dtype {word!r}", start, meant)
    if reader.peek() != "[":
        reader.fail(f"missing shape: {word}[] is a scalar, {word}[32,10] an array")
    return Array(DTYPES[word], _shape(reader))


def _key(reader: Reader, *, legacy: bool) -> Key:
    impl = None
    if reader.take("<"):
        reader.peek()
        start = reader.position
        name = reader.match(r"\w+") or ""
        if name not in KEY_IMPLS:
            meant = nearest(name, KEY_IMPLS) or [" or ".join(_SHORT_IMPLS)]
            reader.fail(f"unknown key implementation {name!r}", start, meant)
        impl = KEY_IMPLS[name]
        if not reader.take(">"):
            reader.fail("missing '>'")
    return Key(impl, _shape(reader) if reader.peek() == "[" else (), legacy)


def _shape(reader: Reader) -> tuple[int, ...]:
    reader.take("[")
    sizes: list[int] = []
    comma = True
    while not (reader.take("]") if not sizes or not comma else False):
        if not comma:
            reader.expected("a comma or ']'")
        reader.peek()
        start = reader.position
        size = reader.match(r"\d{1,18}(?![\w.])")
        if size is None:
            found = reader.match(r"[^\s,\]]+") or reader.peek()
            if not found:
                reader.fail("missing ']'")
            reader.fail(f"invalid size {found!r}: a size is an integer, such as 32", start)
        sizes.append(int(size))
        comma = reader.take(",")
    return tuple(sizes)


def _reference(reader: Reader) -> File | Factory:
    start = reader.position
    # At the top level a path may contain any character; in a tree, brackets and commas end it.
    pattern = r".+" if reader.depth == 1 else r"[^\s,()\[\]{}<>'\"]+"
    text = (reader.match(f"(?s:{pattern})") or "").strip()
    kind, _, path = text.partition(":")
    if kind in ("npy", "npz"):
        if not path:
            reader.fail(f"missing file name after {kind}:")
        named = re.fullmatch(r"(?s)(.+?\.npz):(.+)", path) if kind == "npz" else None
        return File(kind, named[1], named[2]) if named else File(kind, path)
    module, _, attribute = text.rpartition(":")
    if not module or not all(part.isidentifier() for part in attribute.split(".")):
        reader.fail(f"{text!r} is not of the form module:factory", start)
    return Factory(text)
