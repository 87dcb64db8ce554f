"""The notation of arguments: in comes text such as `f32[32,10]`, out comes a tree of `Leaf`s.

Nothing of it is evaluated. `argvalues` makes arrays of what is parsed here.
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
"""JAX's short names of dtypes, and NumPy's long ones."""

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
"""The names between `key<` and `>`, short and long, and those that `jax.random.key` takes."""

VALID = (
    "valid are f32[32,10], i32[8], bool[3], bf16[4], key, key[32], key<rbg>[4,32], prngkey, 0.5, "
    'True, "relu", None, {w: f32[3]}, (f32[3], key), npy:file.npy, npz:file.npz, module:factory'
)


@dataclass(frozen=True)
class Array:
    """An array of numbers. `dtype` is NumPy's name for it."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Key:
    """Distinct keys: a typed key array of `shape`, or raw `uint32[*shape, words]` if `legacy`.

    `impl` is as `jax.random.key` takes it; `None` is JAX's default.
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
    """An array in an `.npy`, or in an `.npz` by its `member`'s name; all of them if `None`."""

    kind: str
    path: str
    member: str | None = None


@dataclass(frozen=True)
class Factory:
    """`module:factory` or `path.py:factory`: the argument is what the factory returns."""

    target: str


Leaf = Array | Key | Literal | File | Factory
Spec = Any
"""A `Leaf`, or a dict, tuple or list of specs."""


def parse(text: str, name: str) -> Spec:
    """Parse the spec of the parameter `name`; raise `UsageError`, with a caret, on a typo."""
    reader = Reader(text, f"the argument {name}", VALID)
    return reader.whole(lambda: reader.tree(lambda: _leaf(reader)))


def _leaf(reader: Reader) -> Leaf:
    next_character = reader.peek()
    start = reader.position
    if not next_character:
        reader.fail("no value")
    if next_character in "'\"":
        return Literal(reader.string())
    if ":" in (re.compile(r"[^\s,()\[\]{}<>'\"]*").match(reader.text, start) or "")[0]:
        return _reference(reader)
    if next_character in "+-." or next_character.isdigit():
        return Literal(reader.number())
    word = reader.match(r"[A-Za-z_]\w*")
    if word is None:
        reader.fail(f"an unexpected {next_character!r}")
    if word in ("True", "False", "None"):
        return Literal({"True": True, "False": False, "None": None}[word])
    if word in ("key", "prngkey"):
        return _key(reader, legacy=word == "prngkey")
    if word not in DTYPES:
        meant = nearest(word, [*DTYPES, "key", "prngkey", "True", "False", "None"])
        if reader.peek() not in ("[", "<"):
            meant.append(f'"{word}" (with the quotes, which the shell takes away from {word!r})')
        reader.fail(f"an unknown dtype {word!r}", start, meant)
    if reader.peek() != "[":
        reader.fail(f"a dtype without a shape: {word}[] is a scalar, {word}[32,10] an array")
    return Array(DTYPES[word], _shape(reader))


def _key(reader: Reader, *, legacy: bool) -> Key:
    impl = None
    if reader.take("<"):
        reader.peek()
        start = reader.position
        name = reader.match(r"\w+") or ""
        if name not in KEY_IMPLS:
            meant = nearest(name, KEY_IMPLS) or [" or ".join(_SHORT_IMPLS)]
            reader.fail(f"an unknown kind of key {name!r}", start, meant)
        impl = KEY_IMPLS[name]
        if not reader.take(">"):
            reader.fail("no closing '>'")
    return Key(impl, _shape(reader) if reader.peek() == "[" else (), legacy)


def _shape(reader: Reader) -> tuple[int, ...]:
    reader.take("[")
    sizes: list[int] = []
    comma = True
    while not (reader.take("]") if not sizes or not comma else False):
        if not comma:
            reader.fail(f"{reader.peek() or 'its end'!r} where a comma or ']' should be")
        reader.peek()
        start = reader.position
        size = reader.match(r"\d{1,18}(?![\w.])")
        if size is None:
            found = reader.match(r"[^\s,\]]+") or reader.peek()
            if not found:
                reader.fail("no closing ']'")
            reader.fail(f"the size {found!r}: a size is a whole number, such as 32", start)
        sizes.append(int(size))
        comma = reader.take(",")
    return tuple(sizes)


def _reference(reader: Reader) -> File | Factory:
    start = reader.position
    # At the top a path may have any character; inside of a tree, brackets and commas end it.
    pattern = r".+" if reader.depth == 1 else r"[^\s,()\[\]{}<>'\"]+"
    text = (reader.match(f"(?s:{pattern})") or "").strip()
    kind, _, path = text.partition(":")
    if kind in ("npy", "npz"):
        if not path:
            reader.fail(f"no file after {kind}:")
        named = re.fullmatch(r"(?s)(.+?\.npz):(.+)", path) if kind == "npz" else None
        return File(kind, named[1], named[2]) if named else File(kind, path)
    module, _, attribute = text.rpartition(":")
    if not module or not all(part.isidentifier() for part in attribute.split(".")):
        reader.fail(f"{text!r}, which is no module:factory", start)
    return Factory(text)
