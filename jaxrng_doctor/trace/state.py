"""A program without mutable refs: what it keeps in them becomes values that come in and go out.

In comes a traced jaxpr in which refs are made, read and written, out comes one of pure
equations that computes the same. JAX "discharges" the state in this way before it compiles;
here is the rule for the vmaps that are kept. Kept loops have JAX's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from jaxrng_doctor.trace import equations, jaxprs
from jaxrng_doctor.trace.kept import Site, kept_vmap


def without_refs(jaxpr: Any) -> tuple[Any, list[Any]]:
    """An open jaxpr without constants, made pure, and the values of inputs that come before its own.

    The inputs that were refs are what is in them at the beginning; what is in them at the end
    is dropped. Where JAX has no way to do without its refs, the jaxpr stays as it is.
    """
    if not jaxprs.has_state(jaxpr):
        return jaxpr, []
    try:
        pure, consts = jaxprs.discharged(equations.closed(jaxpr))
    except Exception:  # an equation without a rule: the keys in its refs are a gap
        return jaxpr, []
    outs = pure.outvars[: len(jaxpr.outvars)]
    return equations.open_jaxpr(equations.part(pure, pure.invars, outs, pure.eqns))[0], consts


@contextmanager
def unchanged(values: Sequence[Any]) -> Iterator[None]:
    """Those of the values that are refs hold afterwards what they held before."""
    refs = [value for value in values if equations.is_mutable(value)]
    before = [ref[...] for ref in refs]
    try:
        yield
    finally:
        for ref, value in zip(refs, before, strict=True):
            ref[...] = value


def _discharge_vmap(
    args: Sequence[Any], *, jaxpr: Any, in_axes: Any, out_axes: Any, axis: Any, site: Site
) -> tuple[list[Any], list[Any]]:
    """What each operand is afterwards (`None`: what it was), and the outputs."""
    pure, consts = jaxprs.discharged(jaxpr, axis)
    own = pure.invars[len(consts) :]
    refs = [i for i, v in enumerate(equations.open_jaxpr(jaxpr)[0].invars) if equations.is_ref(v.aval)]
    ends = zip(refs, pure.outvars[len(out_axes) :], strict=True)
    written = {i: end for i, end in ends if end is not own[i]}
    outs = [*pure.outvars[: len(out_axes)], *written.values()]
    found = kept_vmap.bind(
        *consts,
        *args,
        jaxpr=equations.part(pure, pure.invars, outs, pure.eqns),
        in_axes=((None,) * len(consts) + tuple(in_axes)),
        out_axes=(*out_axes, *(in_axes[i] for i in written)),
        axis=axis,
        site=replace(site, operands=((None,) * len(consts) + site.operands)),
    )
    after = dict(zip(written, found[len(out_axes) :], strict=True))
    return [after.get(i) for i in range(len(args))], found[: len(out_axes)]


jaxprs.register_discharge(kept_vmap, _discharge_vmap)
