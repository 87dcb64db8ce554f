"""The values of a jitted call inside of an eager vmap or derivative.

The vmap or derivative hands tracers to it, which hold the values of all examples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax

from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import Frame
from jaxrng_doctor.jax_internals.tracers import concrete, vmaps_of


@dataclass(frozen=True)
class InnerCall:
    """The leaves of the call, with an axis in front for each of `vmaps`, as `vmaps_of` says.

    `example` is the call for the first example; `around` is the number and the title of the
    transformed call that it is in. `in_full` is that of `RecordedCall`.
    """

    example: JitCall
    leaves: tuple[Any, ...]
    vmaps: tuple[tuple[Any, ...], ...]
    way: tuple[Frame, ...]
    around: tuple[int, str] | None
    in_full: bool


def inner_call(
    call: JitCall, way: tuple[Frame, ...], around: tuple[int, str] | None, in_full: bool
) -> InnerCall | None:
    """`None` where only compiled code knows the values."""
    leaves = tuple(map(concrete, call.flat))
    if any(leaf is None for leaf in leaves):
        return None
    args, kwargs = jax.tree_util.tree_map(_of_first, (call.args, call.kwargs))
    example = replace(
        call, args=args, kwargs=kwargs, flat=[_of_first(leaf) for leaf in call.flat], donated=()
    )
    return InnerCall(example, leaves, tuple(map(vmaps_of, call.flat)), way, around, in_full)


def _of_first(leaf: Any) -> Any:
    value, axes = concrete(leaf), len(vmaps_of(leaf))
    return value[(0,) * axes] if axes else value
