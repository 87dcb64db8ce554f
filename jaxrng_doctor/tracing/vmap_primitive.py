"""Keeps vmaps: each becomes one equation that contains the jaxpr of one example.

JAX transforms a `vmap` away while it traces: the batched equations that are left do not show what
was mapped. While `keeping_vmaps()` is open, each call of a mapped function is staged instead as
one equation of the primitive below. Whatever JAX does to that equation (run, compile,
differentiate, batch it) is done to the ordinary vmap of the same jaxpr.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend import core as jex_core
from jax.interpreters import ad, mlir

from jaxrng_doctor.jax_internals import call_hooks, equations, jaxprs, vmaps
from jaxrng_doctor.jax_internals.calldata import VmapCall
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Jaxpr
from jaxrng_doctor.model.findings import Gap, Place
from jaxrng_doctor.tracing import (
    checkpoints,
    custom_rules,
    custom_vmap,
    derivatives,
    thread_state,
    vmap_sites,
)
from jaxrng_doctor.tracing.loop_primitives import keeping_loops
from jaxrng_doctor.tracing.thread_state import Keeping

kept_vmap = jex_core.Primitive("kept_vmap")
kept_vmap.multiple_results = True


@dataclass(frozen=True, slots=True)
class Site:
    """A vmap in the user's code, as far as it is known.

    `function` is the name of the mapped function. `operands` has an entry for each input of the
    kept equation: the name of the argument (`"params['w']"`), or `None` for a captured value.
    `in_axes` has the name and the mapped axis of each argument. `basis`: the vmap is inside
    `jacfwd`, `jacrev` or `hessian`, so its axis runs over basis vectors, not over examples. `via`
    is the module of the library that called `jax.vmap` for the user, `""` if none did.
    `declares`: the user gave the outputs with axis `None` this axis. A part of a vmap that is
    staged in pieces has other such outputs.
    """

    place: Place | None
    function: str
    operands: tuple[str | None, ...]
    in_axes: tuple[tuple[str, int | None], ...]
    basis: bool
    via: str
    declares: bool = True


@contextlib.contextmanager
def keeping_vmaps() -> Iterator[Keeping]:
    """Stage every vmap and every loop with draws of this thread whole; yield the gaps.

    JAX caches traces that are made inside separately from ordinary ones, because
    `set_xla_metadata` is part of the cache key. So neither kind is used in place of the other.
    """
    with (
        vmaps.intercepting_vmap(_take),
        vmaps.samplers_not_inlined(_is_keeping),
        keeping_loops(),
        checkpoints.numbering(),
        custom_rules.keeping_rules(),
        set_xla_metadata(jaxrng_doctor="keeps_vmaps"),
        thread_state.noting() as notes,
    ):
        yield notes


def _is_keeping() -> bool:
    return thread_state.current() is not None


def _take(call: VmapCall, ordinary: Callable[[], list[Any]]) -> list[Any]:
    made = vmap_sites.pop()
    notes = thread_state.current()
    if notes is None or not call_hooks.is_staging():
        return ordinary()
    if not all(map(_is_plain_axis, call.in_axes)):
        notes.gaps.append(Gap("a vmap over a special axis type was not followed", made.place))
        return ordinary()
    try:
        return _stage(call, made)
    except _SpecialOutput:  # a vmap of JAX's own; its name stack makes a draw in it a gap
        return ordinary()


class _SpecialOutput(Exception):
    """The axis of an output is not one that a user can give, such as an axis to sum over."""


def _stage(
    call: VmapCall, made: vmap_sites.VmapSite, by_user: tuple[bool, ...] | None = None
) -> list[Any]:
    """Stage a call. `by_user`: whether the user gave the axis of each output; by default all."""
    size = call.axis_data.size
    avals = {i: jaxprs.aval_of(call.args[i]) for i, d in enumerate(call.in_axes) if d is not None}
    in_axes = [None if d is None else d % avals[i].ndim for i, d in enumerate(call.in_axes)]
    mapped = list(avals)
    names = made.names or call.debug_info.arg_names or ()
    names = list(names) if len(names) == len(call.args) else [""] * len(call.args)

    def one_example(*examples: Any) -> list[Any]:
        # Unmapped values are passed unchanged. A Python number stays a Python number: code that
        # branches on it works under the ordinary vmap, so it must work here.
        values = list(call.args)
        for i, example in zip(mapped, examples, strict=True):
            values[i] = example
        return list(call.fun(*values))

    jaxpr, captured = vmaps.trace_in_axis(
        call,
        one_example,
        [jaxprs.per_example_aval(avals[i], in_axes[i], size) for i in mapped],
        [names[i] for i in mapped],
    )
    operands = (*captured, *(call.args[i] for i in mapped))
    out_axes = _plain_out_axes(call, jaxpr)
    if custom_vmap.has_rules(jaxpr):

        def staged(fun: Any, args: Any, axes: Any, out_axes: Any, by_user: Any) -> list[Any]:
            part = replace(call, fun=fun, in_axes=axes, out_axes=lambda: out_axes, args=args)
            return _stage(part, made, by_user)

        axes = (*(None for _ in captured), *(in_axes[i] for i in mapped))
        return custom_vmap.stage(jaxpr, operands, axes, out_axes, by_user, size, staged)
    given = {id(x): name for x, name, d in zip(call.args, names, in_axes, strict=True) if d is None}
    site = Site(
        place=made.place,
        function=made.function or equations.function_of(jaxpr)[0],
        operands=(*(given.get(id(x)) for x in captured), *(names[i] for i in mapped)),
        in_axes=tuple(zip(names, in_axes, strict=True)),
        basis=vmap_sites.called_by_jacobian(),
        via=made.via,
        declares=by_user is None
        or all(a is not None or u for a, u in zip(out_axes, by_user, strict=True)),
    )
    params = {
        "jaxpr": equations.closed(jaxpr),
        "in_axes": (None,) * len(captured) + tuple(in_axes[i] for i in mapped),
        "out_axes": out_axes,
        "axis": call.axis_data,
        "site": site,
    }
    if None in out_axes:
        # Only the ordinary vmap can check that such an output is really not batched.
        jax.eval_shape(lambda *xs: _run(*xs, **params), *operands)
    return list(kept_vmap.bind(*operands, **params))


def _plain_out_axes(call: VmapCall, jaxpr: Jaxpr) -> tuple[int | None, ...]:
    axes: list[int | None] = []
    for axis, var in zip(call.out_axes(), jaxpr.outvars, strict=True):
        if not _is_plain_axis(axis):
            raise _SpecialOutput
        rank = var.aval.ndim + 1
        if axis is not None and not -rank <= axis < rank:
            # The same message as from JAX's check, which would be made too late here.
            raise ValueError(f"axis {axis} is out of bounds for array of dimension {rank}")
        axes.append(None if axis is None else axis % rank)
    return tuple(axes)


@dataclass(frozen=True, slots=True)
class Axis:
    """A mapped axis, with the fields of JAX's `AxisData` that `as_ordinary` needs."""

    size: int
    name: Any = None
    spmd_name: Any = None


# -- JAX's rules for the equation, by means of the ordinary vmap -----------------------


def as_ordinary(
    body: Callable[..., Any],
    in_axes: Sequence[int | None],
    out_axes: Any,
    axis_data: Any,
) -> Callable[..., Any]:
    """The ordinary `jax.vmap` of `body`, with a kept equation's parameters."""
    options: dict[str, Any] = {"axis_size": axis_data.size}
    if not vmaps.no_axis_name(axis_data.name):
        options["axis_name"] = axis_data.name
    if axis_data.spmd_name is not None:
        options["spmd_axis_name"] = axis_data.spmd_name

    def run(*args: Any) -> Any:
        with thread_state.ordinary():
            if args and any(d is not None for d in in_axes):
                return jax.vmap(body, tuple(in_axes), out_axes, **options)(*args)
            # `jax.vmap` requires a mapped argument, even if nothing is mapped.
            axes = (0, *in_axes)
            every = jax.numpy.arange(axis_data.size, dtype="int32")
            return jax.vmap(lambda _, *rest: body(*rest), axes, out_axes, **options)(every, *args)

    return run


def _run(*args: Any, jaxpr: AnyJaxpr, in_axes: Any, out_axes: Any, axis: Any, site: Site) -> Any:
    del site
    body = jex_core.jaxpr_as_fun(jaxpr)
    return as_ordinary(lambda *xs: tuple(body(*xs)), in_axes, tuple(out_axes), axis)(*args)


def _abstract_eval(*_: Any, jaxpr: AnyJaxpr, out_axes: Any, axis: Any, **__: Any) -> Any:
    inner = equations.open_jaxpr(jaxpr)[0]
    avals = [
        jaxprs.batched_aval(var.aval, out_axis, axis)
        for var, out_axis in zip(inner.outvars, out_axes, strict=True)
    ]
    return avals, jaxprs.effects_outside(inner, axis.name)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    # As a jit: JAX 0.6.0 cannot batch a custom_vjp while it is being differentiated, but it can
    # batch a jit that contains one.
    example = jax.jit(jex_core.jaxpr_as_fun(params["jaxpr"]))

    def run(*args: Any) -> Any:
        axes = params["in_axes"], list(params["out_axes"])
        return as_ordinary(lambda *xs: list(example(*xs)), *axes, params["axis"])(*args)

    bind = functools.partial(kept_vmap.bind, **params)
    return derivatives.derived(bind, run, [params["jaxpr"]], primals, tangents)


def _batch(axis_data: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
    if all(d is None for d in dims) and vmaps.no_axis_name(axis_data.name):
        return kept_vmap.bind(*args, **params), [None] * len(params["out_axes"])

    def one_example(*examples: Any) -> list[Any]:
        return list(_run(*examples, **params))

    # As a jaxpr: JAX then knows which outputs do not depend on a batched operand.
    debug_info = equations.open_jaxpr(params["jaxpr"])[0].debug_info
    call = VmapCall(one_example, debug_info, axis_data, tuple(dims), tuple, tuple(args))
    avals = [
        jaxprs.per_example_aval(jaxprs.aval_of(x), d, axis_data.size)
        for x, d in zip(args, dims, strict=True)
    ]
    jaxpr, captured = vmaps.trace_in_axis(call, one_example, avals, [""] * len(args))
    axes = (*(None for _ in captured), *dims)
    whole, out_axes = jaxprs.batch_jaxpr(equations.closed(jaxpr), axis_data, axes)
    return jex_core.jaxpr_as_fun(whole)(*captured, *args), list(out_axes)


def _transpose(cotangents: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
    linear = [i for i, x in enumerate(args) if ad.is_undefined_primal(x)]

    def of_linear(*values: Any) -> Any:
        full = list(args)
        for i, value in zip(linear, values, strict=True):
            full[i] = value
        return tuple(_run(*full, **params))

    avals = [jax.ShapeDtypeStruct(args[i].aval.shape, args[i].aval.dtype) for i in linear]
    back = jax.linear_transpose(of_linear, *avals)
    given = back(tuple(map(ad.instantiate_zeros, cotangents)))
    found: list[Any] = [None] * len(args)
    for i, value in zip(linear, given, strict=True):
        found[i] = value
    return found


def _discharge(
    args: Sequence[Any], *, jaxpr: AnyJaxpr, in_axes: Any, out_axes: Any, axis: Any, site: Site
) -> tuple[list[Any], list[Any]]:
    """The final content of each operand that is a written ref, else `None`; and the outputs."""
    pure, consts = jaxprs.discharged(jaxpr, axis)
    own = pure.invars[len(consts) :]
    invars = equations.open_jaxpr(jaxpr)[0].invars
    refs = [i for i, var in enumerate(invars) if equations.is_ref(var.aval)]
    ends = zip(refs, pure.outvars[len(out_axes) :], strict=True)
    # A loop returns each ref, also one that it only reads, as a new value.
    writes = jaxprs.written_refs(jaxpr)
    written = {i: end for i, end in ends if end is not own[i] and i in writes}
    if any(in_axes[i] is None for i in written):
        raise NotImplementedError("every example writes one ref, which JAX refuses when it runs")
    nothing = (None,) * len(consts)
    outs = [*pure.outvars[: len(out_axes)], *written.values()]
    found = kept_vmap.bind(
        *consts,
        *args,
        jaxpr=equations.part(pure, pure.invars, outs, pure.eqns),
        in_axes=(*nothing, *in_axes),
        out_axes=(*out_axes, *(in_axes[i] for i in written)),
        axis=axis,
        site=replace(site, operands=(*nothing, *site.operands)),
    )
    after = dict(zip(written, found[len(out_axes) :], strict=True))
    return [after.get(i) for i in range(len(args))], found[: len(out_axes)]


def _dce(used_outputs: Sequence[bool], *rest: Any) -> tuple[list[bool], Any]:
    eqn = rest[-1]  # 0.12 also passes, before it, which inputs are live
    params = eqn.params
    jaxpr, used_inputs = jaxprs.without_dead_code(params["jaxpr"], used_outputs)
    if not any(used_outputs) and not jaxpr.effects:
        return [False] * len(eqn.invars), None
    site = params["site"]

    def kept(values: Sequence[Any], used: Sequence[bool]) -> tuple[Any, ...]:
        return tuple(itertools.compress(values, used))

    invars = list(kept(eqn.invars, used_inputs))
    return used_inputs, eqn.replace(
        invars=invars,
        outvars=list(kept(eqn.outvars, used_outputs)),
        effects=jaxprs.effects_outside(jaxpr, params["axis"].name, invars),
        params={
            **params,
            "jaxpr": equations.closed(jaxpr),
            "in_axes": kept(params["in_axes"], used_inputs),
            "out_axes": kept(params["out_axes"], used_outputs),
            "site": replace(site, operands=kept(site.operands, used_inputs)),
        },
    )


jaxprs.dce_rules[kept_vmap] = _dce
jaxprs.register_discharge(kept_vmap, _discharge)
jaxprs.register_lowering(kept_vmap, lambda *args, **params: list(_run(*args, **params)))
kept_vmap.def_impl(lambda *args, **params: list(_run(*args, **params)))
kept_vmap.def_effectful_abstract_eval(_abstract_eval)
ad.primitive_jvps[kept_vmap] = _jvp
jaxprs.batchers[kept_vmap] = _batch
ad.primitive_transposes[kept_vmap] = _transpose
mlir.register_lowering(kept_vmap, mlir.lower_fun(_run, multiple_results=True))


def _is_plain_axis(axis: object) -> bool:
    """Whether it is an `int` or `None`, not one of the special axis specs (jumbles, hijax)."""
    return axis is None or type(axis) is int
