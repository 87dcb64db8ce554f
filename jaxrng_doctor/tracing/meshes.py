"""Finds the mesh axes over which a `shard_map` splits each of its operands and outputs."""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.jax_internals.equations import Eqn

MeshDims = dict[int, tuple[Any, ...]]
"""The mesh axes over which an array is split, for each of its dimensions that is."""


def shard_map_dims(eqn: Eqn) -> tuple[dict[Any, int], list[MeshDims], list[MeshDims]]:
    """A shard_map's manual mesh axes with their sizes, and how they split its inputs and outputs.

    The parameters are `in_names`, dictionaries, up to 0.6, and `in_specs`, partition specs, later.
    """
    params = eqn.params
    sizes = dict(params["mesh"].shape)
    if "in_names" in params:
        manual = [name for name in sizes if name not in params["auto"]]
        ins, outs = params["in_names"], params["out_names"]
        dims = [[dict(names) for names in side] for side in (ins, outs)]
    else:
        manual = params.get("manual_axes", params.get("newly_manual_axes", frozenset(sizes)))
        dims = [
            [_cut_dims(spec) for spec in side] for side in (params["in_specs"], params["out_specs"])
        ]
    return {name: size for name, size in sizes.items() if name in manual}, dims[0], dims[1]


def _cut_dims(spec: Any) -> MeshDims:
    return {
        dim: names if isinstance(names, tuple) else (names,)
        for dim, names in enumerate(spec)
        if names is not None
    }
