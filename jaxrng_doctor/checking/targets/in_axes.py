"""Parses `in_axes`, and checks it against the arguments before anything is traced.

Errors name the arguments and their shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxrng_doctor.checking.targets.arg_values import is_array, short
from jaxrng_doctor.checking.targets.reader import Reader
from jaxrng_doctor.model.errors import UsageError

VALID = (
    "valid examples: 0, None, 0,None and trees of these that match the arguments, such as "
    "({w: 0},),None"
)


def parse_in_axes(text: str, what: str = "--in-axes") -> Any:
    """Parse a pytree of integers and `None`, such as `0,None` or `(0, {w: None})`.

    `what` names the flag or setting in a `UsageError`.
    """
    reader = Reader(text, what, VALID)

    def leaf() -> int | None:
        reader.peek()
        start = reader.position
        if reader.match(r"None\b"):
            return None
        axis = reader.match(r"-?\d{1,9}(?![\w.])")
        if axis is None:
            found = reader.match(r"[^\s,()\[\]{}]+") or reader.peek()
            reader.fail(f"{found!r} is not an axis" if found else "missing axis", start)
        return int(axis)

    def top() -> Any:
        items, commas = reader.items("", leaf)
        if not items:
            reader.fail("missing axis")
        return items[0] if len(items) == 1 and not commas else tuple(items)

    return reader.whole(top)


def check_in_axes(
    in_axes: Any,
    axis_size: int | None,
    args: Sequence[tuple[str, Any]],
    kwargs: Mapping[str, Any],
    fn: str,
) -> None:
    """Raise `UsageError` unless `jax.vmap` accepts `in_axes` for these arguments.

    `args` are the positional arguments with their names; every array in `kwargs` is mapped over
    its axis 0. `fn` is the function's name.
    """
    sizes: list[tuple[str, int]] = []
    for name, value, axis in _mapped(in_axes, args, fn):
        sizes.append((f"{name} is {short(value)}", _size(name, value, axis, args)))
    for name, value in kwargs.items():
        for path, leaf in _with_paths(value, name):
            if is_array(leaf):
                if leaf.ndim == 0:
                    raise UsageError(
                        f"{path} is {short(leaf)} and keyword-only, but jax.vmap maps "
                        "every keyword argument over its axis 0",
                        f"pass a batch, such as --arg '{name}={_batch(leaf)}', or check a "
                        f"function that takes {name} as a positional parameter and passes it "
                        f"to {fn}",
                    )
                sizes.append((f"{path} is {short(leaf)}, keyword-only, axis 0", leaf.shape[0]))
    if not sizes and axis_size is None:
        raise UsageError(
            f"in_axes maps no argument of {fn}, so the batch size is unknown",
            "set it, such as --axis-size 32",
        )
    expected = {size for _, size in sizes} | ({axis_size} if axis_size is not None else set())
    if len(expected) > 1:
        lines = [f"{text}: {size} examples" for text, size in sizes]
        if axis_size is not None:
            lines.append(f"--axis-size is {axis_size}")
        raise UsageError(f"the mapped arguments of {fn} have different sizes", "\n".join(lines))


def _mapped(
    in_axes: Any, args: Sequence[tuple[str, Any]], fn: str
) -> Iterator[tuple[str, Any, int]]:
    """The path, value and axis of each mapped leaf."""
    if isinstance(in_axes, tuple | list):
        if len(in_axes) != len(args):
            names = ", ".join(name for name, _ in args)
            raise UsageError(
                f"in_axes has {len(in_axes)} entries, but {fn} is called with "
                f"{len(args)} positional arguments ({names})",
                "use one entry per argument: an axis, or None if it is not mapped",
            )
        axes = list(in_axes)
    elif in_axes is None or type(in_axes) is int:
        axes = [in_axes] * len(args)
    else:
        raise UsageError(f"in_axes must be an axis, None or a tuple, not {in_axes!r}", VALID)
    for (name, value), entry in zip(args, axes, strict=True):
        yield from _leaves(entry, value, name)


def _leaves(axes: Any, value: Any, path: str) -> Iterator[tuple[str, Any, int]]:
    import jax

    if axes is None:
        return
    if type(axes) is int:
        for leaf_path, leaf in _with_paths(value, path):
            yield leaf_path, leaf, axes
        return
    entries, shape = jax.tree_util.tree_flatten(axes, is_leaf=lambda node: node is not axes)
    value_shape: Any
    parts, value_shape = jax.tree_util.tree_flatten(value, is_leaf=lambda node: node is not value)
    if shape != value_shape or (len(parts) == 1 and parts[0] is value):
        raise UsageError(
            f"in_axes has {axes!r} for {path}, which is {_outline(value)}",
            "use one axis or None for all of it, or a tree with the same structure",
        )
    paths, _ = jax.tree_util.tree_flatten_with_path(value, is_leaf=lambda node: node is not value)
    for entry, (step, part) in zip(entries, paths, strict=True):
        yield from _leaves(entry, part, path + jax.tree_util.keystr(step))


def _size(path: str, value: Any, axis: int, args: Sequence[tuple[str, Any]]) -> int:
    if not is_array(value) or value.ndim == 0:
        entries = ["None" if has_no_axis(arg) else str(axis) for _, arg in args]
        hints = [f"do not map it: --in-axes {','.join(entries)}{',' * (len(entries) == 1)}"]
        if is_array(value) and path.isidentifier():
            hints.append(f"or pass a batch: --arg '{path}={_batch(value)}'")
        raise UsageError(
            f"{path} is {short(value)}, which has no axis {axis} to map", "\n".join(hints)
        )
    if not -value.ndim <= axis < value.ndim:
        raise UsageError(
            f"{path} is {short(value)}, which has no axis {axis} to map",
            f"its axes are 0 to {value.ndim - 1}",
        )
    return int(value.shape[axis])


def _with_paths(value: Any, path: str) -> list[tuple[str, Any]]:
    import jax

    leaves, _ = jax.tree_util.tree_flatten_with_path(value)
    return [(path + jax.tree_util.keystr(step), leaf) for step, leaf in leaves]


def has_no_axis(value: Any) -> bool:
    """Whether no leaf of the argument has an axis to map."""
    return all(not is_array(leaf) or leaf.ndim == 0 for _, leaf in _with_paths(value, ""))


def _batch(scalar: Any) -> str:
    """The spec of a batch of 32 such scalars."""
    if str(scalar.dtype).startswith("key<"):
        return "key[32]"
    return short(scalar).replace("[]", "[32]")


def _outline(value: Any) -> str:
    import jax

    return str(jax.tree_util.tree_map(lambda leaf: _Bare(short(leaf)), value))


class _Bare(str):
    """Text that prints without quotes in a tree."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
