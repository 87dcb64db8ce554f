"""Traces the call of a target: a `Trace` is its program, with everything noticed meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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
from jaxrng_doctor.tracing.scopes import entered
from jaxrng_doctor.tracing.slices import Slice
from jaxrng_doctor.tracing.vmap_primitive import keeping_vmaps
from jaxrng_doctor.tracing.vmap_sites import recording_vmaps


@dataclass(frozen=True)
class Trace:
    """One jaxpr of the whole call, with every vmap visible and without dead code.

    jaxpr: open, without constants.
    inputs: for each input of the jaxpr, the variable, its name, and whether it is an argument
        (otherwise it is a captured constant).
    values: the concrete values of those inputs; for the content of a ref, the ref.
    refs: the mutable refs that the call was given or captured.
    out_paths: the tree path of each output leaf, `""` for a lone one.
    out_avals: the shape and dtype of each output leaf.
    argument: for each input, its index in the arrays of the call, `None` for a constant.
    key_outputs: the indices of the outputs that are keys, or may be legacy keys.
    keys_left: the variables of the keys that are in refs at the end.
    lineage_slice: what the keys of draws, the key outputs and `keys_left` are made of.
    slice: the same, with what decides which draws are reached, so that it can be run.
    donates: whether a jitted function in the program donates arguments, so that their memory is
        reused.
    name_of: the name of a captured value, `""` if it has none.
    place: the lines of the target's function, `None` if its source is not found.
    host_draws: the draws from NumPy's or Python's generators while tracing: the library, the
        function (or the generator's name), and the place.
    gaps: the vmaps that could not be kept, the hooks that failed, and the draws from NumPy's or
        Python's generators that may be another thread's.
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
    name_of: Callable[[Any], str]
    place: Place | None
    host_draws: tuple[tuple[str, str, Place | None], ...]
    gaps: tuple[Gap, ...]

    def at(self, path: Sequence[tuple[int, int]]) -> At:
        """The equation at `path`, an `EqnPath`."""
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
    """Trace `call` with `jax.make_jaxpr`.

    `generators` is the result of `host_rng.generators()`, if the caller already has it. Raises
    whatever the user's function raises, and `AnalysisFault` for an error in jaxrng-doctor.
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
    """The trace. Exceptions from tracing the user's function are also added to `users`."""

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
    # The final contents of refs count as used, too.
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
        name_of=functools.partial(_name, call),
        place=call.place,
        host_draws=tuple(
            (draw.library, draw.function or call.name_of(draw.generator), draw.place)
            for draw in host.draws
        ),
        gaps=(*keeping.gaps, *(Gap(doubt(library)) for library in sorted(host.doubts))),
    )


def _name(call: ArrayCall, const: Any) -> str:
    if equations.is_mutable(const):
        return call.name_of(const) or "the content of a ref"
    return call.name_of(const, inside=may_be_key(jaxprs.aval_of(const)))


def _donates(jaxpr: AnyJaxpr) -> bool:
    """Whether a jitted function in the jaxpr, at any depth, donates arguments."""
    return any(
        any(eqn.params.get("donated_invars", ())) or any(map(_donates, equations.subjaxprs(eqn)))
        for eqn in equations.open_jaxpr(jaxpr)[0].eqns
    )
