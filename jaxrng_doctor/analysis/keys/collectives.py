"""Computes what a collective returns on one device, if vmap does not support the collective.

JAX's rules for vmap support no groups within an axis, no permutation that leaves out devices and,
for some collectives, no more than one axis. Here each device reads the values of all devices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrng_doctor.jax_internals.equations import Eqn
from jaxrng_doctor.tracing.draws import is_key

_OVER_ONE_AXIS = frozenset({"all_gather", "all_gather_invariant", "ppermute", "reduce_scatter"})


def needs_all(eqn: Eqn) -> bool:
    """Whether the equation is a collective that ordinary vmap does not support (0.6 to 0.12)."""
    name, names = eqn.primitive.name, _names(eqn)
    if name not in _OF_ALL or not names or any(isinstance(n, int) for n in names):
        return False
    if eqn.params.get("axis_index_groups") is not None or name == "pbroadcast":
        return name != "pbroadcast" or "source" in eqn.params
    if name == "ppermute" and len(eqn.params["perm"]) < _size(names):
        return True
    return name in _OVER_ONE_AXIS and len(names) > 1


def on_one_device(eqn: Eqn, values: Sequence[Any]) -> list[Any]:
    """The outputs of a collective on the current device, inside vmaps with the axes' names."""
    return [_on_one(eqn, value) for value in values]


def _on_one(eqn: Eqn, value: Any) -> Any:
    if is_key(jax.typeof(value) if hasattr(jax, "typeof") else value.aval):
        words = _on_one(eqn, jax.random.key_data(value))
        return jax.random.wrap_key_data(words, impl=jax.random.key_impl(value))
    names = _names(eqn)
    everyone = value
    for name in reversed(names):
        everyone = lax.all_gather(everyone, name)
    size = _size(names)
    everyone = everyone.reshape((size, *jnp.shape(value)))
    groups = np.array(eqn.params.get("axis_index_groups") or [range(size)])
    members, place = np.zeros((size, groups.shape[1]), int), np.zeros(size, int)
    for group in groups:
        members[group], place[group] = group, range(len(group))
    me = lax.axis_index(names)
    return _OF_ALL[eqn.primitive.name](
        eqn.params,
        everyone if eqn.primitive.name in _BY_NUMBER else everyone[jnp.asarray(members)[me]],
        me if eqn.primitive.name in _BY_NUMBER else jnp.asarray(place)[me],
    )


def _names(eqn: Eqn) -> tuple[Any, ...]:
    names = eqn.params.get("axes", eqn.params.get("axis_name", ()))
    return names if isinstance(names, tuple) else (names,)


def _size(names: tuple[Any, ...]) -> int:
    return int(lax.psum(1, names))


def _permuted(params: Any, everyone: Any, me: Any) -> Any:
    """A device that receives nothing gets zeros."""
    source = np.full(len(everyone), -1)
    for sender, receiver in params["perm"]:
        source[receiver] = sender
    sent_by = jnp.asarray(source)[me]
    return jnp.where(sent_by >= 0, everyone[sent_by], jnp.zeros_like(everyone[0]))


def _broadcast(params: Any, everyone: Any, me: Any) -> Any:
    del me
    return everyone[params["source"]]


def _gathered(params: Any, group: Any, place: Any) -> Any:
    del place
    return _joined(group, params["all_gather_dimension"], params["tiled"])


def _exchanged(params: Any, group: Any, place: Any) -> Any:
    # The operand has both axes even if the equation is not tiled (0.6 to 0.12).
    parts = [_part(one, place, len(group), params["split_axis"], True) for one in group]
    return _joined(parts, params["concat_axis"], True)


def _scattered(params: Any, group: Any, place: Any) -> Any:
    total = group.sum(0, dtype=group.dtype)
    return _part(total, place, len(group), params["scatter_dimension"], params["tiled"])


def _joined(parts: Any, axis: int, tiled: bool) -> Any:
    return jnp.concatenate(list(parts), axis) if tiled else jnp.moveaxis(parts, 0, axis)


def _part(value: Any, place: Any, count: int, axis: int, tiled: bool) -> Any:
    parts = jnp.stack(jnp.split(value, count, axis))[place]
    return parts if tiled else parts.squeeze(axis)


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda params, group, place: function(group, 0).astype(group.dtype)


_OF_ALL: dict[str, Callable[[Any, Any, Any], Any]] = {
    "all_gather": _gathered,
    "all_gather_invariant": _gathered,
    "all_to_all": _exchanged,
    "pbroadcast": _broadcast,
    "pmax": _reduced(jnp.max),
    "pmin": _reduced(jnp.min),
    "ppermute": _permuted,
    "psum": _reduced(jnp.sum),
    "psum_invariant": _reduced(jnp.sum),
    "reduce_scatter": _scattered,
}
_BY_NUMBER = frozenset({"pbroadcast", "ppermute"})
"""These index all devices by number; the others see only the devices of one group."""
