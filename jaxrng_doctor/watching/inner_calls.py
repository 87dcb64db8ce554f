"""The values of a jitted call inside an eager vmap or derivative.

The vmap or derivative passes tracers to the call, which hold the values of all examples.
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
    """A call for all examples.

    `example`: the call for the first example. `leaves`: the leaves of the call, each with a leading
    axis for each of its `vmaps`, see `vmaps_of`. `way`: the stack of the call. `around`: the number
    and the title of the transformed call around it. `in_full`: see `RecordedCall`.
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
    """The call with its values; `None` if only the compiled code has these."""
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
