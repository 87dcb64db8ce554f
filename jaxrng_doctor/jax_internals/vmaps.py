"""Intercepts `vmap` while a function is traced, and traces the mapped function for one example.

Docstrings name the JAX versions that a function was tested on.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jax._src import core as _core
from jax._src import linear_util as _lu
from jax._src.interpreters import batching as _batching
from jax._src.interpreters import partial_eval as _pe

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.calldata import VmapCall
from jaxrng_doctor.jax_internals.files import is_sampler_file
from jaxrng_doctor.jax_internals.jaxprs import in_axis, pjit_p
from jaxrng_doctor.jax_internals.patches import Handler, Patch, attribute, item

# Since `batch` takes `sum_match` (0.9), it returns the output axes with the outputs.
_BATCH_RETURNS_AXES = "sum_match" in inspect.signature(_batching.batch).parameters

Take = Callable[[VmapCall, Callable[[], list[Any]]], list[Any]]


@functools.cache
def intercepting_vmap(take: Take) -> Patch:
    """While open, every call of a `vmap`ped function goes to `take(call, ordinary)`.

    `jax.vmap`, whenever and under whatever name it was imported, calls `jax._src.interpreters.
    batching.batch(fun, axis_data, in_axes, out_axes).call_wrapped(*args)` (0.6 to 0.12), and
    nothing else does. So no vmap is missed. `ordinary()` does what JAX would have done.
    """

    def replaced(original: Any) -> Callable[..., Any]:
        def batch(fun: Any, axis_data: Any, in_dims: Any, out_dims: Any, **options: Any) -> Any:
            ordinary = original(fun, axis_data, in_dims, out_dims, **options)
            return _Batched(ordinary, take, fun, axis_data, in_dims, out_dims)

        return batch

    return attribute(_batching, "batch", replaced)


@functools.cache
def samplers_not_inlined(wanted: Callable[[], bool]) -> Patch:
    """While open and `wanted()`, calls of jitted samplers are not inlined.

    From 0.11 on, the staging rule of the jit primitive inlines some of them (`binomial`)
    into the caller's jaxpr while they are traced (`Inline.JAX_EARLY`).
    """

    def replaced(rule: Any) -> Callable[..., Any]:
        def staged(*operands: Any, **params: Any) -> Any:
            inline = params.get("inline")
            if inline and wanted() and is_sampler_file(equations.function_of(params["jaxpr"])[1]):
                params["inline"] = False if isinstance(inline, bool) else type(inline).AUTO
            return rule(*operands, **params)

        return staged

    return item(_pe.custom_staging_rules, pjit_p, replaced)


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

        inferred: list[Any] = []

        def ordinary() -> list[Any]:
            for store in self.fun.stores:
                if store is not None:
                    store.reset()  # a failed call may have left a value
            outs = self.ordinary.call_wrapped(*args)
            if _BATCH_RETURNS_AXES:
                outs, axes = outs
                inferred[:] = axes
            return list(outs)

        in_axes = self.in_dims() if callable(self.in_dims) else self.in_dims

        def taking(below: Callable[[], list[Any]]) -> Callable[[], list[Any]]:
            return lambda: self.take(call, below)

        handler = Handler(taking, ordinary, "the call of a vmap")
        call = VmapCall(
            handler.theirs(self.fun.call_wrapped),
            self.fun.debug_info,
            self.axis_data,
            tuple(in_axes),
            out_axes,
            args,
        )
        outs = handler()
        # JAX's own callers may let `batch` infer an axis, and need the result.
        return (outs, inferred or list(out_axes())) if _BATCH_RETURNS_AXES else outs


def trace_in_axis(
    call: VmapCall, fun: Callable[..., list[Any]], avals: Sequence[Any], arg_names: Sequence[str]
) -> tuple[Any, list[Any]]:
    """The jaxpr of `fun` for one example, with the vmap's axis name bound, and the captured values.

    Outer tracers and arrays that `fun` closes over become the leading inputs of the
    jaxpr, and are returned in that order (0.6 to 0.12).
    """
    debug_info = call.debug_info._replace(arg_names=tuple(arg_names), result_paths=None)
    wrapped = _lu.wrap_init(fun, debug_info=debug_info)
    with in_axis(call.axis_data):
        jaxpr, _, consts, *_ = _pe.trace_to_jaxpr_dynamic(wrapped, list(avals))
    return _pe.convert_constvars_jaxpr(jaxpr), list(consts)


def no_axis_name(name: Any) -> bool:
    return name is None or name is _core.no_axis_name
