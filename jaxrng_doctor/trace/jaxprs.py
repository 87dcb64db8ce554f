"""The one file that touches `jax._src`: what differs between JAX versions, in one shape.

In comes JAX's own data, out comes the same under names that hold for every supported version. Each
function says on which versions its line was seen to work; for a new JAX see `docs/architecture.md`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jax._src import core as _core
from jax._src import distributed as _distributed
from jax._src import linear_util as _lu
from jax._src import pjit as _pjit
from jax._src import random as _random
from jax._src import source_info_util as _source_info
from jax._src import traceback_util as _traceback
from jax._src.interpreters import batching as _batching
from jax._src.interpreters import partial_eval as _pe
from jax._src.state import discharge as _discharge
from jax.extend.core import primitives as jex_primitives
from jax.interpreters import ad

from jaxrng_doctor.paths import OWN_DIR
from jaxrng_doctor.trace import equations
from jaxrng_doctor.trace.calldata import JitCall, VmapCall
from jaxrng_doctor.trace.files import is_sampler_file
from jaxrng_doctor.trace.patches import Patch, attribute, together
from jaxrng_doctor.tracebacks import unseen

# `pjit` up to 0.6, `jit` later; only the second is among JAX's public primitives.
pjit_p = next(p for p in _pe.custom_staging_rules if p.name in ("jit", "pjit"))

# Compiled code names the innermost frame that is not JAX's own; ours are no user's either.
hide_frames_of = _source_info.register_exclusion
hide_frames_of(OWN_DIR)
_traceback.register_exclusion(OWN_DIR)  # and errors show the user's lines only

# -- jaxprs -----------------------------------------------------------------------


def constants_as_inputs(jaxpr: Any) -> tuple[Any, list[Any]]:
    """An open jaxpr whose constants are its first inputs, and their values (0.6 to 0.12)."""
    inner, consts = equations.open_jaxpr(jaxpr)
    return _pe.convert_constvars_jaxpr(inner), list(consts)


dce_rules = _pe.dce_rules
batch_jaxpr = _batching.batch_jaxpr2  # (jaxpr, axis_data, in_axes) -> jaxpr, out_axes
batchers = _batching.fancy_primitive_batchers
"""primitive -> rule(axis_data, args, dims, **params), which knows the axis it batches over."""


def batched(eqn: Any, values: Sequence[Any], dims: Sequence[int | None]) -> Any:
    """The outputs of an equation for a whole batch, and their batch axes, both in a tuple.

    Rules that know nothing of the axis are in a table of their own up to 0.6.
    """
    rule = batchers.get(eqn.primitive)
    if rule is None:
        return _batching.primitive_batchers[eqn.primitive](values, dims, **eqn.params)
    return rule(None, values, dims, **eqn.params)


def without_dead_code(jaxpr: Any, used_outputs: Sequence[bool]) -> tuple[Any, list[bool]]:
    """The jaxpr (open) without what nothing uses, and which inputs are left (0.6 to 0.12).

    Splits stay: to split a key is to use it, whatever becomes of the children.
    """
    with _splits_stay:
        new, used_inputs = _pe.dce_jaxpr(equations.open_jaxpr(jaxpr)[0], list(used_outputs))
    return new, list(used_inputs)


def _installed_rule() -> Callable[[], None]:
    def stays(used_outputs: Sequence[bool], *rest: Any) -> Any:
        del used_outputs
        eqn = rest[-1]  # 0.12 passes which inputs are live before it
        return [True] * len(eqn.invars), eqn

    dce_rules[jex_primitives.random_split_p] = stays
    return lambda: dce_rules.pop(jex_primitives.random_split_p, None)


_splits_stay = Patch(_installed_rule)


# -- vmap ---------------------------------------------------------------------------

# `batch` returns the output axes beside the outputs since it takes `sum_match` (0.9).
_BATCH_RETURNS_AXES = "sum_match" in inspect.signature(_batching.batch).parameters

Take = Callable[[VmapCall, Callable[[], list[Any]]], list[Any]]


@functools.cache
def intercepting_vmap(take: Take) -> Patch:
    """While open, every call of a `vmap`ped function goes to `take(call, ordinary)`.

    `jax.vmap`, whenever and under whatever name it was imported, calls `jax._src.interpreters.
    batching.batch(fun, axis_data, in_axes, out_axes).call_wrapped(*args)` (0.6 to 0.12), and
    nothing else does. So that misses no vmap. `ordinary()` is what JAX would have done.
    """

    def replaced(original: Any) -> Callable[..., Any]:
        def batch(fun: Any, axis_data: Any, in_dims: Any, out_dims: Any, **options: Any) -> Any:
            ordinary = original(fun, axis_data, in_dims, out_dims, **options)
            return _Batched(ordinary, take, fun, axis_data, in_dims, out_dims)

        return batch

    return attribute(_batching, "batch", replaced)


@functools.cache
def samplers_not_inlined(wanted: Callable[[], bool]) -> Patch:
    """While open and `wanted()`, calls of jitted samplers stay calls.

    From 0.11 on some (`binomial`) are written into their caller's jaxpr as they are
    traced (`Inline.JAX_EARLY`), by the staging rule of the jit primitive.
    """

    def install() -> Callable[[], None]:
        rule = _pe.custom_staging_rules[pjit_p]

        def staged(*operands: Any, **params: Any) -> Any:
            inline = params.get("inline")
            if inline and wanted() and is_sampler_file(equations.function_of(params["jaxpr"])[1]):
                params["inline"] = False if isinstance(inline, bool) else type(inline).AUTO
            return rule(*operands, **params)

        _pe.custom_staging_rules[pjit_p] = staged
        return functools.partial(operator.setitem, _pe.custom_staging_rules, pjit_p, rule)

    return Patch(install)


@dataclass(frozen=True, slots=True)
class _Batched:
    """Stands in for the `WrappedFun` that `batch` returns; `vmap` only calls `call_wrapped`."""

    ordinary: Any
    take: Take
    fun: Any
    axis_data: Any
    in_dims: Any
    out_dim_dests: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ordinary, name)

    def call_wrapped(self, *args: Any) -> Any:
        def out_axes() -> tuple[Any, ...]:
            dests = self.out_dim_dests
            return tuple(dests() if callable(dests) else dests)

        def ordinary() -> list[Any]:
            outs = self.ordinary.call_wrapped(*args)
            return list(outs[0] if _BATCH_RETURNS_AXES else outs)

        in_axes = self.in_dims() if callable(self.in_dims) else self.in_dims
        call = VmapCall(
            self.fun.call_wrapped,
            self.fun.debug_info,
            self.axis_data,
            tuple(in_axes),
            out_axes,
            args,
        )
        outs = self.take(call, ordinary)
        return (outs, list(out_axes())) if _BATCH_RETURNS_AXES else outs


is_plain = _core.trace_state_clean
"""Nothing is being traced or transformed: ordinary Python calls JAX (0.6 to 0.12)."""


def key_words(key: Any) -> Any:
    """The uint32 words of a concrete key, without an operation of JAX's (0.6 to 0.12)."""
    return getattr(key, "_base_array", key)


def is_staging() -> bool:
    """Operations are being recorded, not computed at once (0.6 to 0.12)."""
    return not isinstance(_core.trace_ctx.trace, _core.EvalTrace)


def is_eager() -> bool:
    """Operations are computed at once, for a vmap or derivative too (0.6 to 0.12)."""
    trace = _core.trace_ctx.trace
    while hasattr(trace, "parent_trace") and not isinstance(trace, _pe.DynamicJaxprTrace):
        trace = trace.parent_trace
    return isinstance(trace, _core.EvalTrace)


def aval_of(value: Any) -> Any:
    """The abstract value, with its weak type (0.6 to 0.12)."""
    return _core.typeof(value)


def zero_tangent(primal: Any) -> Any:
    """The symbolic zero for an output that has no derivative, such as an integer (0.6 to 0.12)."""
    return ad.Zero(_core.typeof(primal).to_tangent_aval())


def per_example_aval(aval: Any, axis: int | None, size: int) -> Any:
    return _core.mapped_aval(size, axis, aval)


def batched_aval(aval: Any, axis: int | None, axis_data: Any) -> Any:
    return _core.unmapped_aval(axis_data.size, axis, aval, axis_data.explicit_mesh_axis)


def trace_in_axis(
    call: VmapCall, fun: Callable[..., list[Any]], avals: Sequence[Any], arg_names: Sequence[str]
) -> tuple[Any, list[Any]]:
    """`fun` as a jaxpr of one example, in the scope of the vmap's axis name, and what it captured.

    Outer tracers and arrays that `fun` closes over become leading inputs of the
    jaxpr, and are returned in that order (0.6 to 0.12).
    """
    debug_info = call.debug_info._replace(arg_names=tuple(arg_names), result_paths=None)
    wrapped = _lu.wrap_init(fun, debug_info=debug_info)
    with _in_axis(call.axis_data):
        jaxpr, _, consts, *_ = _pe.trace_to_jaxpr_dynamic(wrapped, list(avals))
    return _pe.convert_constvars_jaxpr(jaxpr), list(consts)


@contextlib.contextmanager
def _in_axis(data: Any) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(_core.extend_axis_env_nd([(data.name, data.size)]))
        stack.enter_context(_core.add_spmd_axis_names(data.spmd_name))
        if hasattr(_core, "add_explicit_mesh_axis_names"):
            stack.enter_context(_core.add_explicit_mesh_axis_names(data.explicit_mesh_axis))
        yield


def effects_outside(jaxpr: Any, axis_name: Any, invars: Sequence[Any] | None = None) -> Any:
    """The effects that a kept vmap of `jaxpr` has: all but those of its own axis name.

    Those on mutable refs name an operand by its position, or from 0.10 on in a finished
    equation, whose `invars` are then given, by its variable.
    """
    effects = jaxpr.effects
    if hasattr(_core, "positional_effects"):
        effects = _core.positional_effects(jaxpr)
        if invars is not None:
            effects = _core.resolve_input_effects(effects, invars)
    return _core.filter_named_axis_effects(effects, {axis_name})


def no_axis_name(name: Any) -> bool:
    return name is None or name is _core.no_axis_name


# -- mutable refs ---------------------------------------------------------------------


def has_state(jaxpr: Any) -> bool:
    """An open jaxpr reads, writes or makes a mutable ref, at any depth (0.6 to 0.12)."""
    refs = any(equations.is_ref(var.aval) for var in jaxpr.invars)
    return refs or _core.internal_mutable_array_effect in jaxpr.effects


def discharged(jaxpr: Any, axis_data: Any = None) -> tuple[Any, list[Any]]:
    """A closed jaxpr with values in place of refs, open; and the values of its first inputs.

    Behind its outputs are those of the refs among its inputs at the end, in their order. A body
    of a vmap is in the scope of its axis (0.6 to 0.12).
    """
    with contextlib.nullcontext() if axis_data is None else _in_axis(axis_data):
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


def discharge_like(primitive: Any, original: Any) -> None:
    """State is discharged by the rule of `original`, which makes that of it (0.6 to 0.12)."""
    for rules in _RULES:
        if original in rules:
            rules[primitive] = rules[original]


def register_discharge(primitive: Any, rule: Callable[..., tuple[list[Any], list[Any]]]) -> None:
    """State is discharged by `rule(values, **params)`, as `DischargeRule` of JAX's says.

    Rules get two lists of types before the values, or one context from 0.12 on.
    """
    first = 1 if hasattr(_discharge, "DischargeContext") else 2
    _RULES[0][primitive] = lambda *args, **params: rule(args[first:], **params)


# -- a running program ----------------------------------------------------------------


def distributed() -> tuple[Any, int, int] | None:
    """The client of `jax.distributed`, the number of this process, and how many there are.

    `None` in a program of one process. No client is left after `jax.distributed.shutdown`
    (0.6 to 0.12).
    """
    state = _distributed.global_state
    count = state.num_processes
    return (state.client, state.process_id, count) if count > 1 else None


@functools.cache
def each_jit_call(note: Callable[[JitCall, bool], None]) -> Patch:
    """While open, `note(call, plain)` for each jitted call that C++ cannot serve alone.

    It is `plain` where no vmap and no derivative is around it. One function stands in the way of
    every such call, and of `lower` (0.6 to 0.12).
    """

    def replaced(original: Any) -> Callable[..., Any]:
        def infer_params(fun: Any, info: Any, args: Any, kwargs: Any) -> Any:
            params, flat = original(fun, info, args, kwargs)
            if is_eager():
                jaxpr, donated = params.params["jaxpr"], params.params.get("donated_invars", ())
                note(JitCall(fun, info, args, kwargs, tuple(donated), jaxpr, flat), is_plain())
            return params, flat

        return infer_params

    return attribute(_pjit, _INFER, replaced)


@functools.cache
def each_trace(begin: Callable[[str], Any], end: Callable[[Any], None]) -> Patch:
    """While open, `end(begin(source))` around each trace that ordinary Python starts.

    `source` is `"name at file:line"` of the traced function. Every jaxpr is made in a new frame
    of a new `DynamicJaxprTrace`, by `to_jaxpr` of the frame (0.6 to 0.12).
    """

    def install() -> Callable[[], None]:
        started: dict[int, Any] = {}
        make, finish = _pe.DynamicJaxprTrace.__init__, _pe.JaxprStackFrame.to_jaxpr

        def made(self: Any, debug_info: Any, *args: Any, **kwargs: Any) -> None:
            make(self, debug_info, *args, **kwargs)
            if debug_info is not None and is_plain():
                started[id(self.frame)] = begin(debug_info.func_src_info or "")

        def finished(self: Any, *args: Any, **kwargs: Any) -> Any:
            if id(self) in started:
                end(started.pop(id(self)))
            return finish(self, *args, **kwargs)

        _pe.DynamicJaxprTrace.__init__, _pe.JaxprStackFrame.to_jaxpr = made, finished

        def remove() -> None:
            _pe.DynamicJaxprTrace.__init__, _pe.JaxprStackFrame.to_jaxpr = make, finish

        return remove

    return Patch(install)


_INFER = "_infer_params" if hasattr(_pjit, "_infer_params") else "_trace_for_jit"  # 0.9.0, 0.9.1

Serve = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], tuple[Any] | None]


@functools.cache
def serving_jit_calls(serve: Serve) -> Patch:
    """While open, calls that JAX's C++ cache cannot serve alone may be made by `serve`.

    `serve(fun, info, args, kwargs)` returns the outputs in a tuple of one, or `None` to leave
    the call to JAX. Both functions in its way are replaced: the first alone is slow (0.6 to 0.12).
    """
    fields = 8  # of what JAX returns: the jaxpr is the fifth, and the rest matters to C++ only

    def calling(original: Any) -> Callable[..., Any]:
        def call(fun: Any, *rest: Any, **kwargs: Any) -> Any:
            nonlocal fields
            if takes_inferred:
                served = fun.outs if isinstance(fun, _Served) else None
            else:
                served = serve(fun, rest[0], rest[1:], kwargs)
            if served is not None:
                return (*served, None, None, None, _NO_JAXPR, *[None] * (fields - 5))
            found = original(fun, *rest, **kwargs)
            fields = len(found)
            return found

        return call

    def inferring(original: Any) -> Callable[..., Any]:
        def infer_params(fun: Any, info: Any, args: Any, kwargs: Any) -> Any:
            # Not `lower` nor `eval_shape`, which make no call.
            if sys._getframe(1).f_code.co_name == "cache_miss":
                served = serve(fun, info, args, kwargs)
                if served is not None:
                    return _Served(served), ()
            return original(fun, info, args, kwargs)

        return infer_params

    takes_inferred = hasattr(_pjit, "_run_python_pjit")  # from 0.9 on
    if not takes_inferred:
        return attribute(_pjit, "_python_pjit_helper", calling)
    return together(
        attribute(_pjit, "_run_python_pjit", calling), attribute(_pjit, _INFER, inferring)
    )


@dataclass(frozen=True, slots=True)
class _Served:
    outs: tuple[Any]


_NO_JAXPR = types.SimpleNamespace(effects=(), consts=())


def second_jit(call: JitCall) -> Any:
    """The function of `call` jitted again, not compiled, with its own C++ cache (0.6 to 0.12)."""
    own = type(_pjit._cpp_pjit_cache_fun_only)(capacity=64)
    with attribute(_pjit, "_get_cpp_global_cache", lambda original: lambda explicit: own):
        return _pjit._cpp_pjit(call.fun, call.info)


def generation() -> object:
    """Another object as soon as JAX's traces are forgotten: `clear_caches`, `f.clear_cache`.

    It is an entry of the cache of traces itself (0.6 to 0.12; without it in 0.9.0, each is new).
    """
    cached = getattr(_pjit, "_infer_params_cached", None)
    return object() if cached is None else cached(generation, None, None, (), None)


@functools.cache
def slow_path_where(wanted: Callable[[], bool]) -> Patch:
    """While open, C++ does not keep a call that was just made, if `wanted()` (0.6 to 0.12)."""

    def replaced(original: Any) -> Callable[..., Any]:
        def fastpath_data(*args: Any, **kwargs: Any) -> Any:
            is_slow = _core.trace_state_clean() and wanted()
            # Without an executable there is nothing for C++ to keep.
            return None if is_slow or args[0] is None else original(*args, **kwargs)

        return fastpath_data

    return attribute(_pjit, "_get_fastpath_data", replaced)


def forget_fast_paths() -> None:
    """The next call of each jitted function is noted too; nothing is traced or compiled again.

    `jax.clear_caches` empties these two of its caches in the same way (0.6 to 0.12).
    """
    _pjit._cpp_pjit_cache_fun_only.clear()
    _pjit._cpp_pjit_cache_explicit_attributes.clear()


@functools.cache
def each_eager_use(note: Callable[[str, Any, bool], None]) -> Patch:
    """While open, `note(function, key, plain)` for each `jax.random` function that is not staged.

    It is `plain` where no vmap and no derivative is around it. Each of these functions
    asks `_check_prng_key` first (0.6 to 0.12).
    """

    def replaced(original: Any) -> Callable[..., Any]:
        def check(name: str, key: Any, **options: Any) -> Any:
            with unseen:
                checked = original(name, key, **options)
                if is_eager():
                    note(name, key, is_plain())
                return checked

        return check

    home = _random if hasattr(_random, "_check_prng_key") else _random.core
    return attribute(home, "_check_prng_key", replaced)
