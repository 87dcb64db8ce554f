"""Traces a target's call: the program with everything that was noticed meanwhile, a `Trace`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.jax_internals import equations, jaxprs
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Jaxpr
from jaxrng_doctor.jax_internals.settings import examining
from jaxrng_doctor.model.errors import AnalysisFault
from jaxrng_doctor.model.findings import Gap, Place
from jaxrng_doctor.tracing.array_call import ArrayCall
from jaxrng_doctor.tracing.discharge_refs import without_ends, without_refs
from jaxrng_doctor.tracing.draws import Draws, may_be_key
from jaxrng_doctor.tracing.host_rng import doubt, watching_host_rng
from jaxrng_doctor.tracing.open_hidden import expanded
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.slices import Slice
from jaxrng_doctor.tracing.subprograms import entered
from jaxrng_doctor.tracing.vmap_primitive import keeping_vmaps
from jaxrng_doctor.tracing.vmap_sites import recording_vmaps


@dataclass(frozen=True)
class Trace:
    """One jaxpr of the whole call, with every vmap visible and nothing dead in it.

    jaxpr: open, without constants; `inputs` has for each of its inputs the variable,
        its name, and whether it is an argument (else a captured constant).
    values: the concrete values of those inputs; a ref for one that is what the ref holds.
    refs: the mutable refs that the call was given or captured.
    out_paths: the tree path of each output leaf, `""` for a lone one; `out_avals`
        have their shapes and dtypes.
    argument: for each input, which of the call's arrays it is, `None` for a constant.
    key_outputs: which outputs are keys, or may be legacy ones.
    keys_left: the variables of the keys that are in refs at the end.
    lineage_slice: what the draws' keys and the key outputs are made of.
    slice: the same, and what decides which draws are reached: what must be run for them.
    place: the lines of the target's function, where it is written in Python.
    host_draws: draws from NumPy's or Python's generators while tracing: the library, the
        function (or the generator's name), and the place.
    donates: some jitted function in the program takes its arguments' memory.
    """

    jaxpr: Jaxpr
    inputs: tuple[tuple[Any, str, bool], ...]
    values: tuple[Any, ...]
    refs: tuple[Any, ...]
    out_paths: tuple[str, ...]
    out_avals: tuple[Any, ...]
    argument: tuple[int | None, ...]
    key_outputs: tuple[int, ...]
    keys_left: tuple[Any, ...]
    lineage_slice: Slice
    donates: bool
    place: Place | None
    host_draws: tuple[tuple[str, str, Place | None], ...]
    gaps: tuple[Gap, ...]

    def at(self, path: Sequence[tuple[int, int]]) -> At:
        """The equation to which a path leads: by which equations, and which of their jaxprs."""
        at: At | None = None
        jaxpr: Any = self.jaxpr
        for index, number in path:
            inner = equations.open_jaxpr(jaxpr)[0]
            at = At(at, inner.eqns[index], inner, index, 0)
            held = entered(at.eqn)
            jaxpr = held[number] if held else None
        assert at is not None
        return at

    @functools.cached_property
    def slice(self) -> Slice:
        draws = self.lineage_slice.draws
        return Slice(draws, self.jaxpr, self.key_outputs, self.keys_left, to_run=True)


def trace_program(call: ArrayCall, generators: Sequence[Any] | None = None) -> Trace:
    """Trace `call` with `jax.make_jaxpr`; raises whatever the user's function raises.

    Where the doctor itself fails, it raises `AnalysisFault`. `generators` are NumPy's, where
    somebody has looked for them already.
    """
    users: list[Exception] = []
    try:
        with examining():
            return _traced(call, generators, users)
    except Exception as error:
        if any(error is own for own in users):
            raise
        raise AnalysisFault(in_a_line(error)) from error


def _traced(call: ArrayCall, generators: Sequence[Any] | None, users: list[Exception]) -> Trace:
    """The trace. An error that came while the user's function was traced is added to `users`."""

    def program(*arrays: Any) -> Any:
        return call.call(*arrays)

    with recording_vmaps(), watching_host_rng(generators) as host, keeping_vmaps() as keeping:
        try:
            closed, shapes = jax.make_jaxpr(program, return_shape=True)(*call.arrays)
        except Exception as error:
            users.append(error)
            raise
        program_jaxpr, consts = jaxprs.constants_as_inputs(expanded(closed))
        count = len(program_jaxpr.outvars)
        program_jaxpr, made = without_refs(program_jaxpr)
    outputs, _ = jax.tree_util.tree_flatten_with_path(shapes)
    consts = [*made, *consts]
    # What the program leaves in its refs is used, too.
    live, used = jaxprs.without_dead_code(program_jaxpr, [True] * len(program_jaxpr.outvars))
    keys_left = tuple(
        v
        for v in live.outvars[count:]
        if not isinstance(v, equations.Literal) and may_be_key(v.aval)
    )
    live = without_ends(live, count)
    names = [*(_name(call, const) for const in consts), *call.names]
    values = [*consts, *call.arrays]
    key_outputs = tuple(i for i, v in enumerate(live.outvars) if may_be_key(v.aval))
    left = [i for i, is_used in enumerate(used) if is_used]
    return Trace(
        jaxpr=live,
        inputs=tuple(
            (var, names[i], i >= len(consts)) for var, i in zip(live.invars, left, strict=True)
        ),
        values=tuple(values[i] for i in left),
        refs=tuple(filter(equations.is_mutable, values)),
        out_paths=tuple(jax.tree_util.keystr(path) for path, _ in outputs),
        out_avals=tuple(shape for _, shape in outputs),
        argument=tuple(i - len(consts) if i >= len(consts) else None for i in left),
        key_outputs=key_outputs,
        keys_left=keys_left,
        lineage_slice=Slice(Draws(), live, key_outputs, keys_left, to_run=False),
        donates=_donates(program_jaxpr),
        place=call.place,
        host_draws=tuple(
            (draw.library, draw.function or call.name_of(draw.generator), draw.place)
            for draw in host.draws
        ),
        gaps=(*keeping.gaps, *(Gap(doubt(library)) for library in sorted(host.doubts))),
    )


def _name(call: ArrayCall, const: Any) -> str:
    return call.name_of(const) or ("what a ref holds" if equations.is_mutable(const) else "")


def _donates(jaxpr: AnyJaxpr) -> bool:
    """Some jitted function in the jaxpr, at any depth, takes the memory of its arguments."""
    return any(
        any(eqn.params.get("donated_invars", ())) or any(map(_donates, equations.subjaxprs(eqn)))
        for eqn in equations.open_jaxpr(jaxpr)[0].eqns
    )
