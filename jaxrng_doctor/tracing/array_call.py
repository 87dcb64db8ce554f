"""Turns a target into a function of arrays only, which is traced, run and compared.

The array leaves of the arguments become inputs, each with a name such as `params['w']`. Every
other leaf (`0.5`, `True`, `"relu"`) and each static parameter is passed as the given Python
value, as in the user's own call.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.model.target import AS_IS, Target
from jaxrng_doctor.tracing import vmap_sites
from jaxrng_doctor.tracing.returned_values import is_array, require_mappable, without_non_arrays


@dataclass(frozen=True)
class ArrayCall:
    """`call(*arrays)` calls the target with `arrays`, the given arrays; `names` are their names.

    If the target is called under vmap, `in_axes` has the mapped axis of each array, `axis_size` is
    the size of the batch, and `unmapped(indices)` is the same call, but with the first example of
    each mapped array at `indices`, which is then not mapped. Otherwise these are `None`.
    `surroundings` has the variables that the target's function sees besides its arguments.
    `place` has the lines of that function, `None` if its source is not found.
    """

    call: Callable[..., Any]
    arrays: tuple[Any, ...]
    names: tuple[str, ...]
    in_axes: tuple[int | None, ...] | None = None
    axis_size: int | None = None
    unmapped: Callable[[Collection[int]], Callable[..., Any]] | None = None
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None

    def name_of(self, captured: Any, *, inside: bool = False) -> str:
        """The name of a captured value in the function's closure or module, or `""`.

        With `inside`, also of an attribute or an element of a variable: `self.key` or `keys[0]`.
        """
        plain = (name for name, value in self.surroundings.items() if value is captured)
        elements = (
            name
            for variable, holder in self.surroundings.items()
            for name, value in _inside(variable, holder)
            if inside and value is captured
        )
        return next(itertools.chain(plain, elements), "")


def array_call(target: Target, is_traced: Callable[[Any], bool] | None = None) -> ArrayCall:
    """Split the arguments of `target` into traced leaves, the arrays, and the rest.

    `is_traced` selects the traced leaves; by default, those that already are arrays. Parameters
    in `target.static` are never traced.
    """
    is_traced = is_traced or is_array
    names = parameter_names(target)
    parts: list[tuple[str, Any]] = [*zip(names, target.args, strict=True), *target.kwargs.items()]
    leaves, tree = jax.tree_util.tree_flatten_with_path([value for _, value in parts])
    traced = [
        i
        for i, (path, leaf) in enumerate(leaves)
        if parts[path[0].idx][0] not in target.static and is_traced(leaf)
    ]
    positional = len(target.args)

    def per_example(*arrays: Any) -> Any:
        values = [leaf for _, leaf in leaves]
        for i, array in zip(traced, arrays, strict=True):
            values[i] = array
        filled = jax.tree_util.tree_unflatten(tree, values)
        kwargs = dict(zip(target.kwargs, filled[positional:], strict=True))
        return target.fn(*filled[:positional], **kwargs)

    array_names = tuple(
        parts[path[0].idx][0] + jax.tree_util.keystr(path[1:])
        for path, _ in (leaves[i] for i in traced)
    )
    arrays = tuple(leaves[i][1] for i in traced)
    if target.in_axes is AS_IS:

        def without_vmap(*arrays: Any) -> Any:
            return without_non_arrays(per_example(*arrays), target.name)

        return ArrayCall(
            without_vmap,
            arrays,
            array_names,
            surroundings=_surroundings(target.fn),
            place=_lines(target.fn),
        )
    axes = _leaf_axes(target)
    in_axes = tuple(axes[i] for i in traced)
    sizes = [a.shape[d] for a, d in zip(arrays, in_axes, strict=True) if d is not None]
    size = sizes[0] if sizes else target.axis_size
    name = getattr(target.fn, "__name__", type(target.fn).__name__)

    def mapped(in_axes: tuple[int | None, ...], axis_size: int | None) -> Callable[..., Any]:
        def checked(*arrays: Any) -> Any:
            return require_mappable(per_example(*arrays), target.name)

        vmapped = jax.vmap(checked, in_axes=in_axes, axis_size=axis_size)

        def under_vmap(*arrays: Any) -> Any:
            with vmap_sites.described(name, array_names):
                return vmapped(*arrays)

        return under_vmap

    def unmapped(indices: Collection[int]) -> Callable[..., Any]:
        call = mapped(tuple(None if i in indices else d for i, d in enumerate(in_axes)), size)

        def first_example(*arrays: Any) -> Any:
            return call(
                *(
                    # Not `take`, which does not support typed keys on JAX 0.6.
                    lax.index_in_dim(jnp.asarray(a), 0, in_axes[i], keepdims=False)
                    if i in indices
                    else a
                    for i, a in enumerate(arrays)
                )
            )

        return first_example

    return ArrayCall(
        mapped(in_axes, target.axis_size),
        arrays,
        array_names,
        in_axes,
        size,
        unmapped,
        _surroundings(target.fn),
        _lines(target.fn),
    )


def _surroundings(fn: Callable[..., Any]) -> dict[str, Any]:
    """The variables that a function sees besides its arguments: its closure's and its module's."""
    plain = inspect.unwrap(fn.func if isinstance(fn, functools.partial) else fn)
    try:
        seen = inspect.getclosurevars(plain)
    except (TypeError, ValueError):
        return {}
    # Of several names of one value, the first is reported.
    module = getattr(plain, "__globals__", {})
    hidden = {name: value for name, value in module.items() if name not in seen.nonlocals}
    return {**seen.nonlocals, **hidden}


_MOST_ELEMENTS = 64
"""The names of elements are looked up in containers of at most this size."""


def _inside(name: str, holder: Any) -> Iterator[tuple[str, Any]]:
    """The attributes or elements of a variable, with their names."""
    if isinstance(holder, Mapping) and len(holder) <= _MOST_ELEMENTS:
        yield from ((f"{name}[{key!r}]", value) for key, value in holder.items())
    elif type(holder) in (list, tuple) and len(holder) <= _MOST_ELEMENTS:
        yield from ((f"{name}[{number}]", value) for number, value in enumerate(holder))
    elif not isinstance(holder, ModuleType):
        fields = getattr(holder, "__dict__", None)
        if isinstance(fields, dict) and len(fields) <= _MOST_ELEMENTS:
            yield from ((f"{name}.{field}", value) for field, value in fields.items())


def _lines(fn: Callable[..., Any]) -> Place | None:
    plain = inspect.unwrap(fn.func if isinstance(fn, functools.partial) else fn)
    try:
        lines, first = inspect.getsourcelines(plain)
        path = inspect.getsourcefile(plain)
    except (TypeError, OSError):
        return None
    last = first + len(lines) - 1
    return None if path is None else Place(path, first, end_line=last, function=plain.__qualname__)


def _leaf_axes(target: Target) -> list[int | None]:
    """The mapped axis of each leaf of `args` and `kwargs`; `in_axes` may be a tree prefix."""
    in_axes = target.in_axes
    if isinstance(in_axes, Sequence):
        in_axes = tuple(in_axes)
    spread = jax.tree_util.tree_map(
        lambda axis, part: [axis] * len(jax.tree_util.tree_leaves(part)),
        in_axes,
        target.args,
        is_leaf=lambda node: node is None,
    )
    axes = jax.tree_util.tree_leaves(spread, is_leaf=lambda node: node is None)
    return [*axes, *(0 for _ in jax.tree_util.tree_leaves(dict(target.kwargs)))]


def parameter_names(target: Target) -> list[str]:
    """The name of each positional argument: its parameter's, or one such as `args[2]`."""
    try:
        parameters = inspect.signature(target.fn).parameters.values()
    except (TypeError, ValueError):
        parameters = ()  # type: ignore[assignment]
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    count = len(target.args)
    return [*named[:count], *(f"args[{i}]" for i in range(len(named), count))]
