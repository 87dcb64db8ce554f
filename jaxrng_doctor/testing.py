"""`jaxrng_doctor.testing`: assertions about random numbers, for any test framework.

Each raises `AssertionError`, with the report or the draws in question as its message. What cannot
be followed is a gap, and fails too unless `gaps=True`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from jaxrng_doctor._util import paths
from jaxrng_doctor._util.text import counted
from jaxrng_doctor.checking.drawn_keys import DrawnKeys, Numbers, drawn_keys
from jaxrng_doctor.frontends.api import check
from jaxrng_doctor.model.errors import TargetError
from jaxrng_doctor.model.findings import Draw, Gap, Place
from jaxrng_doctor.model.target import AS_IS, Target

__all__ = ["assert_independent", "assert_same_randomness", "assert_shared"]

_MOST = 8
"""At most this many draws are listed on each side of a difference."""


def assert_independent(
    fn: Callable[..., Any],
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    in_axes: Any = AS_IS,
    axis_size: int | None = None,
    gaps: bool = False,
) -> None:
    """Assert that `jaxrng_doctor.check` finds no error and no warning.

    With `in_axes` (and `axis_size`), as in `jax.vmap`, `fn` is checked under that vmap; without
    `in_axes`, `fn` is called directly. `gaps=True` accepts gaps. A function that draws nothing
    passes.

    Raises `AssertionError` with the report, `UsageError` if `in_axes` does not match the
    arguments, and what `fn` raises while it is traced.
    """
    report = check(fn, args, kwargs, in_axes=in_axes, axis_size=axis_size)
    if not report.ok or (report.gaps and not gaps):
        raise AssertionError(str(report))


def assert_shared(
    fn: Callable[..., Any],
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    in_axes: Any = 0,
    axis_size: int | None = None,
    gaps: bool = False,
) -> None:
    """Assert that under `jax.vmap(fn, in_axes)` all examples draw the same numbers.

    For noise that is shared on purpose. Other findings, such as a key that is used twice, do not
    fail. A function that draws nothing fails. `gaps=True` accepts gaps.

    Raises `AssertionError` with the draws that are not shared, or with the report if there are
    gaps or failures, `UsageError` if `in_axes` does not match the arguments, and what `fn` raises
    while it is traced.
    """
    report = check(fn, args, kwargs, in_axes=in_axes, axis_size=axis_size, expect="same")
    separate = [draw for draw in report.draws if not _is_shared(draw)]
    if separate or not report.draws:
        lines = [_separate(draw) for draw in separate] or ["nothing is drawn"]
        raise AssertionError("\n".join(lines))
    if report.failures or (report.gaps and not gaps):
        raise AssertionError(str(report))


def assert_same_randomness(
    old: Callable[..., Any],
    new: Callable[..., Any],
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    in_axes: Any = AS_IS,
    axis_size: int | None = None,
) -> None:
    """Assert that two functions draw the same random numbers, for a refactoring.

    Compares the sampler, shape, dtype and computed key of each draw, in any order; a draw in a
    loop or a vmap counts once for each step or example. Other arguments of a sampler, such as
    `minval`, are not compared. `in_axes` and `axis_size` are as in `assert_independent`.

    Raises `AssertionError` with the draws that only one of the two makes, or if a key cannot be
    computed, and what a function raises while it is traced.
    """
    found = []
    for fn in (old, new):
        name = getattr(fn, "__qualname__", None) or type(fn).__name__
        target = Target(name, fn, tuple(args), dict(kwargs or {}), in_axes, axis_size)
        try:
            found.append(drawn_keys(target))
        except TargetError as error:
            raise (error.__cause__ or error) from None
    before, after = found
    unknown = dict.fromkeys((*before.gaps, *after.gaps))
    if unknown:
        lines = ["the random numbers cannot be compared:", *map(_gap, unknown)]
        raise AssertionError("\n".join(lines))
    lines = [
        *_only("old", before, before.counts - after.counts),
        *_only("new", after, after.counts - before.counts),
    ]
    if lines:
        raise AssertionError("\n".join(["the random numbers differ:", *lines]))


def _is_shared(draw: Draw) -> bool:
    """Whether the outermost scope of a draw, the vmap of `in_axes`, has one key."""
    return bool(draw.scopes) and (draw.scopes[0].distinct == 1 or draw.scopes[0].size == 1)


def _separate(draw: Draw) -> str:
    scope = draw.scopes[0] if draw.scopes else None
    if scope is None or scope.distinct is None:
        return f"{draw.sampler}{_at(draw.place)} is not known to be shared"
    keys = f"{counted(scope.distinct, 'key')} for {counted(scope.size or 0, 'example')}"
    return f"{draw.sampler}{_at(draw.place)} draws with {keys}"


def _only(which: str, keys: DrawnKeys, counts: Counter[Numbers]) -> list[str]:
    lines = []
    for numbers in list(counts)[:_MOST]:
        sampler, shape, words = numbers
        place, origin = keys.places[numbers]
        times = f"{counts[numbers]} times " if counts[numbers] > 1 else ""
        key = " ".join(f"{word:08x}" for word in words)
        what = f"{times}{sampler} {shape} from `{origin}` ({key})"
        lines.append(f"  {which} only: {what}{_at(place)}")
    more = len(counts) - len(lines)
    return [*lines, f"  {which} only: {counted(more, 'more draw')}"] if more else lines


def _gap(gap: Gap) -> str:
    return f"  {gap.message}{_at(gap.place)}"


def _at(place: Place | None) -> str:
    return "" if place is None else f" at {paths.shown(place.path, os.getcwd())}:{place.line}"
