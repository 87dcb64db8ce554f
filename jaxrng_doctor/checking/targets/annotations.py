"""Argument specs from type annotations.

jaxtyping annotations are recognised by their attributes, so jaxtyping need not be installed.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

_PREFERRED = {
    "float32": "f32",
    "int32": "i32",
    "bool": "bool",
    "prng_key": "key",
    "uint32": "u32",
    "complex64": "c64",
    "bfloat16": "bf16",
    "float16": "f16",
    "float64": "f64",
    "int8": "i8",
    "int16": "i16",
    "int64": "i64",
    "uint8": "u8",
    "uint16": "u16",
    "uint64": "u64",
    "complex128": "c128",
}
"""The dtypes of annotations and their short names, most likely first."""

_PYTHON = {"bool": "True", "int": "10", "float": "0.5", "str": '"text"'}
"""Example values by the name of their type."""


def spec_of(annotation: Any) -> str | None:
    """The spec for an annotation, `None` if it leaves a size or a dtype open."""
    return next((spec for spec, open_axes in _arrays(annotation) if not open_axes), None)


def suggestion(annotation: Any) -> tuple[str | None, str]:
    """A spec that the annotation allows, and the axes whose sizes it leaves open, or `""`.

    The spec is `None` if nothing is known from the annotation.
    """
    for spec, open_axes in _arrays(annotation):
        return spec, ", ".join(open_axes)
    for arm in _arms(annotation):
        name = arm if isinstance(arm, str) else getattr(arm, "__name__", "")
        if name in _PYTHON and (isinstance(arm, type | str)):
            return _PYTHON[name], ""
    return None, ""


def _arrays(annotation: Any) -> Iterator[tuple[str, list[str]]]:
    """Specs for the jaxtyping members of the annotation, and their open axes (32 or 10 long)."""
    for arm in _arms(annotation):
        dims, allowed = getattr(arm, "dim_str", None), getattr(arm, "dtypes", None)
        if not isinstance(dims, str):
            continue
        names = allowed if isinstance(allowed, tuple | list) else ("float32",)
        dtype = next((short for long, short in _PREFERRED.items() if long in names), None)
        if dtype is None:
            continue
        sizes, open_axes = _sizes(dims)
        shape = f"[{','.join(sizes)}]"
        yield (dtype if dtype == "key" and not sizes else dtype + shape), open_axes


def _sizes(dims: str) -> tuple[list[str], list[str]]:
    sizes: list[str] = []
    open_axes: list[str] = []
    for token in dims.split():
        size = token.rpartition("=")[2].lstrip("#?_")
        if size.isdecimal():
            sizes.append(size)
            continue
        open_axes.append(token)
        # An ellipsis or a starred name stands for any number of axes: use none.
        if "..." not in token and "*" not in token:
            sizes.append("32" if len(open_axes) == 1 else "10")
    return sizes, open_axes


def _arms(annotation: Any) -> Iterator[Any]:
    """The annotation, or its members if it is a union."""
    annotation = getattr(annotation, "__value__", annotation)  # `type Name = ...`
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _arms(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for arm in typing.get_args(annotation):
            yield from _arms(arm)
    else:
        yield annotation
