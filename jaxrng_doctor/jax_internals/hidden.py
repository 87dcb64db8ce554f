"""Converts equations that hold an object in place of jaxprs to equations that hold jaxprs.

JAX calls such an object a `HiPrim` (0.10 to 0.12). `lax.custom_root` makes one in 0.12; with
`jax_scan3`, `jax_remat3`, `jax_custom_vjp3`, `scan`, `checkpoint` and `custom_vjp` do too.
"""

from __future__ import annotations

import contextlib
from typing import Any

import jax
from jax._src import ad_checkpoint as _ad_checkpoint
from jax._src import core as _core
from jax.extend.core.primitives import scan_p as _scan_p

from jaxrng_doctor.jax_internals.equations import HIDDEN, Eqn, Jaxpr, frames, scope_names
from jaxrng_doctor.jax_internals.files import JAX_DIR

checkpoint_p = _ad_checkpoint.remat_p
"""The primitive of `jax.checkpoint`, which has no public name in 0.6 (0.6 to 0.12)."""

HI_CALL = "call_hi_primitive"

_CHECKPOINT = "RematTraced"  # the object's class, with `jax_remat3` (0.12)
_SCAN = "Scan3"  # the object's class, with `jax_scan3` (0.12)
_SCAN_BODY = "body_no_carry"  # JAX's wrapper of the user's function, which is traced as the body
RECOMPUTED = "rematted_computation"
"""The name scope of what is recomputed for the backward pass (0.6 to 0.12)."""


# JAX's function that a user's call of a checkpoint runs, and the number of frames that it is above
# the caller of `bind` (0.6 to 0.12; the second with `jax_remat3`).
CHECKPOINT_CALLERS = {checkpoint_p: ("fun_remat", 0)}
with contextlib.suppress(ImportError):
    from jax._src.hijax import call_hi_primitive_p as _hidden_p  # from 0.10 on

    CHECKPOINT_CALLERS[_hidden_p] = ("decorator", 1)


def is_checkpoint(params: dict[str, Any]) -> bool:
    """Whether the parameters are those of a call of a `checkpoint` (0.12)."""
    return type(params.get(HIDDEN)).__name__ == _CHECKPOINT


def shown(eqn: Eqn) -> Any:
    """The equation as one that holds jaxprs: a checkpoint, a scan or, by tracing it, a jit.

    Raises whatever error occurs if it cannot be converted.
    """
    holder = eqn.params[HIDDEN]
    made = {_CHECKPOINT: _as_checkpoint, _SCAN: _as_scan}.get(type(holder).__name__, _as_jit)
    return made(eqn, holder)


def _as_checkpoint(eqn: Eqn, holder: Any) -> Any:
    params = {
        "jaxpr": holder.jaxpr,
        "prevent_cse": holder.prevent_cse,
        "differentiated": RECOMPUTED in scope_names([eqn]),
        "policy": holder.policy,
    }
    return eqn.replace(primitive=checkpoint_p, params=params)


def _as_scan(eqn: Eqn, holder: Any) -> Any:
    """The equation as a scan. Its carry is in refs, which are among its consts.

    In a derivative, consts and scanned-over operands are mixed, so the consts are moved first.
    """
    from jax._src import flattree as _flattree

    order = sorted(range(len(eqn.invars)), key=lambda i: bool(holder.extensives[i]))
    invars = [eqn.invars[i] for i in order]
    jaxpr = holder.jaxpr
    info = jaxpr.debug_info.with_unknown_names()
    info = info._replace(func_src_info=_scanned_function(jaxpr) or info.func_src_info)
    jaxpr = jaxpr.replace(invars=[jaxpr.invars[i] for i in order], debug_info=info)
    scanned = sum(map(bool, holder.extensives))
    nones = _flattree.nones
    params = {
        "jaxpr": jaxpr,
        "length": holder.length,
        "reverse": holder.reverse,
        "unroll": holder.unroll,
        "ft_in": _flattree.pack((nones(len(order) - scanned), nones(0), nones(scanned))),
        "ft_out": _flattree.pack((nones(0), nones(len(eqn.outvars)))),
    }
    _, effects = _scan_p.abstract_eval(*(v.aval for v in invars), **params)
    effects = _core.resolve_input_effects(effects, invars)
    return eqn.replace(primitive=_scan_p, invars=invars, params=params, effects=effects)


def _scanned_function(jaxpr: Jaxpr) -> str:
    """The user's or library's function in a scan's body, as `"name at file:line"`, or `""`."""
    for eqn in jaxpr.eqns:
        outermost = None
        for frame in frames(eqn):
            code = frame.code
            if code.co_name == _SCAN_BODY and code.co_filename.startswith(JAX_DIR):
                if outermost is not None:
                    name, file = outermost.co_name, outermost.co_filename
                    return f"{name} at {file}:{outermost.co_firstlineno}"
                break
            if not code.co_filename.startswith(JAX_DIR):
                outermost = code
    return ""


def _as_jit(eqn: Eqn, holder: Any) -> Any:
    del holder
    primitive: Any = eqn.primitive

    def does(*operands: Any) -> Any:
        return primitive.to_lojax(*operands, **eqn.params)

    avals = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in eqn.invars]
    (jit,) = jax.make_jaxpr(jax.jit(does))(*avals).eqns
    if len(jit.invars) != len(eqn.invars):
        raise NotImplementedError("it captures arrays")
    return eqn.replace(primitive=jit.primitive, params=jit.params)
