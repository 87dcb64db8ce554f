"""Reads and makes jaxprs through JAX's private API, with one interface for all JAX versions.

Docstrings name the JAX versions that a function was tested on.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jax._src import core as _core
from jax._src.interpreters import batching as _batching
from jax._src.interpreters import partial_eval as _pe
from jax._src.state import discharge as _discharge
from jax._src.state import types as _state_types
from jax.extend.core import primitives as jex_primitives
from jax.interpreters import ad

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Eqn, Jaxpr, Primitive
from jaxrng_doctor.jax_internals.patches import item

# Named `pjit` up to 0.6, `jit` later; only the latter is among JAX's public primitives.
pjit_p = next(p for p in _pe.custom_staging_rules if p.name in ("jit", "pjit"))

# -- jaxprs -----------------------------------------------------------------------


def constants_as_inputs(jaxpr: AnyJaxpr) -> tuple[Any, list[Any]]:
    """The jaxpr, open, with its constants as first inputs, and their values (0.6 to 0.12)."""
    inner, consts = equations.open_jaxpr(jaxpr)
    return _pe.convert_constvars_jaxpr(inner), list(consts)


dce_rules = _pe.dce_rules
batch_jaxpr = _batching.batch_jaxpr2  # (jaxpr, axis_data, in_axes) -> jaxpr, out_axes
batchers = _batching.fancy_primitive_batchers
"""Batching rules that take the axis: primitive -> rule(axis_data, args, dims, **params)."""


def batched(eqn: Eqn, values: Sequence[Any], dims: Sequence[int | None]) -> Any:
    """The outputs of an equation for a whole batch and their batch axes, as a pair.

    Up to 0.6, rules that do not take the axis are in a separate table.
    """
    rule = batchers.get(eqn.primitive)
    if rule is None:
        return _batching.primitive_batchers[eqn.primitive](values, dims, **eqn.params)
    return rule(None, values, dims, **eqn.params)


def is_elementwise(primitive: Primitive) -> bool:
    """Whether JAX batches the primitive as an elementwise one, along any axis (0.6 to 0.12).

    Some elementwise primitives, such as `select_n`, have a special rule: `False` for them.
    """
    older = getattr(_batching.primitive_batchers, "get", batchers.get)
    rule = getattr(batchers.get(primitive) or older(primitive), "func", None)
    return rule in (_batching.vectorized_batcher, _batching.broadcast_batcher)


def without_dead_code(jaxpr: AnyJaxpr, used_outputs: Sequence[bool]) -> tuple[Any, list[bool]]:
    """The jaxpr, open, without dead code, and whether it kept each input (0.6 to 0.12).

    Splits are kept, because a split uses its key even if nothing uses the children.
    """
    before, _state.splits_stay = getattr(_state, "splits_stay", False), True
    try:
        with _SPLITS_STAY:
            new, used_inputs = _pe.dce_jaxpr(equations.open_jaxpr(jaxpr)[0], list(used_outputs))
    finally:
        _state.splits_stay = before
    return new, list(used_inputs)


_state = threading.local()


def _staying(original: Any) -> Callable[..., Any]:
    def stays(used_outputs: Sequence[bool], *rest: Any) -> Any:
        if not getattr(_state, "splits_stay", False):  # a trace of another thread
            return (original or _pe._default_dce_rule)(used_outputs, *rest)
        eqn = rest[-1]  # 0.12 also passes which inputs are live, before the equation
        return [True] * len(eqn.invars), eqn

    return stays


_SPLITS_STAY = item(dce_rules, jex_primitives.random_split_p, _staying)


def key_words(key: Any) -> Any:
    """The uint32 words of a concrete key, without running a JAX operation (0.6 to 0.12)."""
    return getattr(key, "_base_array", key)


def aval_of(value: Any) -> Any:
    """The abstract value of `value`, with its weak type (0.6 to 0.12)."""
    return _core.typeof(value)


def zero_tangent(primal: Any) -> Any:
    """The symbolic zero tangent of a value without a derivative, such as an int (0.6 to 0.12)."""
    return ad.Zero(_core.typeof(primal).to_tangent_aval())


def per_example_aval(aval: Any, axis: int | None, size: int) -> Any:
    return _core.mapped_aval(size, axis, aval)


def batched_aval(aval: Any, axis: int | None, axis_data: Any) -> Any:
    return _core.unmapped_aval(axis_data.size, axis, aval, axis_data.explicit_mesh_axis)


@contextlib.contextmanager
def in_axis(data: Any) -> Iterator[None]:
    """While open, a vmap's axis name is bound; `data` is JAX's `AxisData` (0.6 to 0.12)."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_core.extend_axis_env_nd([(data.name, data.size)]))
        stack.enter_context(_core.add_spmd_axis_names(data.spmd_name))
        if hasattr(_core, "add_explicit_mesh_axis_names"):
            stack.enter_context(_core.add_explicit_mesh_axis_names(data.explicit_mesh_axis))
        yield


def effects_outside(jaxpr: Jaxpr, axis_name: Any, invars: Sequence[Any] | None = None) -> Any:
    """The effects of a kept vmap of `jaxpr`: all except those on its axis name.

    Effects on mutable refs name an operand by its position. From 0.10 on, those of a finished
    equation name it by its variable: then `invars` are the variables of the equation.
    """
    effects = jaxpr.effects
    if hasattr(_core, "positional_effects"):
        effects = _core.positional_effects(jaxpr)
        if invars is not None:
            effects = _core.resolve_input_effects(effects, invars)
    return _core.filter_named_axis_effects(effects, {axis_name})


# -- mutable refs ---------------------------------------------------------------------


def has_state(jaxpr: Jaxpr) -> bool:
    """Whether an open jaxpr creates, reads or writes a mutable ref, at any depth (0.6 to 0.12)."""
    refs = any(equations.is_ref(var.aval) for var in jaxpr.invars)
    return refs or _core.internal_mutable_array_effect in jaxpr.effects


def written_refs(jaxpr: AnyJaxpr) -> set[int]:
    """The positions of the inputs of a closed jaxpr without constants that it writes to.

    The inputs are refs, and the writes are at any depth. An effect names its ref by its position,
    or from 0.10 on by its variable (0.6 to 0.12).
    """
    inner, _ = equations.open_jaxpr(jaxpr)
    at = {var: index for index, var in enumerate(inner.invars)}
    kinds = (_state_types.WriteEffect, _state_types.AccumEffect)
    named = [getattr(e, "input", None) or e.input_index for e in inner.effects if type(e) in kinds]
    return {name if isinstance(name, int) else at[name] for name in named}


def discharged(jaxpr: AnyJaxpr, axis_data: Any = None) -> tuple[Any, list[Any]]:
    """A closed jaxpr with values in place of refs, now open, and the values of its first inputs.

    After its outputs come the final values of the refs among its inputs, in the order of the
    inputs. For the body of a vmap, `axis_data` is needed to bind its axis name (0.6 to 0.12).
    """
    with contextlib.nullcontext() if axis_data is None else in_axis(axis_data):
        if "consts" in inspect.signature(_discharge.discharge_state).parameters:  # up to 0.6
            inner, consts = equations.open_jaxpr(jaxpr)
            pure = _core.ClosedJaxpr(*_discharge.discharge_state(inner, consts))
        else:
            pure = _discharge.discharge_state(jaxpr)
    return constants_as_inputs(pure)


_RULES: list[dict[Any, Any]] = [
    getattr(_discharge, name)
    for name in ("_discharge_rules", "_partial_discharge_rules")  # one table from 0.12 on
    if hasattr(_discharge, name)
]


def discharge_like(primitive: Primitive, original: Any) -> None:
    """Discharge state with the rule of `original`, which binds `original` (0.6 to 0.12)."""
    for rules in _RULES:
        if original in rules:
            rules[primitive] = rules[original]


def register_lowering(primitive: Any, run: Callable[..., list[Any]]) -> None:
    """Register `run` for equations whose jaxpr contains `HiPrim` equations (0.10 to 0.12)."""
    primitive.to_lojax = run


def register_discharge(
    primitive: Primitive, rule: Callable[..., tuple[list[Any], list[Any]]]
) -> None:
    """Discharge state with `rule(values, **params)`, which returns what JAX's `DischargeRule` does.

    JAX passes two lists of avals before the values, or one context from 0.12 on.
    """
    first = 1 if hasattr(_discharge, "DischargeContext") else 2
    _RULES[0][primitive] = lambda *args, **params: rule(args[first:], **params)
