"""Abstract interpretation of a traced program: how the key of every draw is derived.

The results are the draws and splits of a `Trace`, each with the scopes around it and the abstract
values of its keys, and the gaps. Only the slice that draws depend on is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from operator import itemgetter
from typing import Any, assert_never

import numpy as np

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.analysis.lineage.boundaries import assembled, block, chosen, element, stacked
from jaxrng_doctor.analysis.lineage.loops import after_loop, fixed_point
from jaxrng_doctor.analysis.lineage.transfers import TRANSFERS
from jaxrng_doctor.analysis.lineage.uses import Guard, ScopeRef, Use, Visit
from jaxrng_doctor.analysis.lineage.values import (
    DISTINCT,
    EQUAL,
    SEPARATE,
    UNKNOWN,
    Value,
    Values,
    over_all,
)
from jaxrng_doctor.jax_internals import equations, primitives
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Atom, Eqn, Jaxpr
from jaxrng_doctor.model.findings import Gap
from jaxrng_doctor.tracing.custom_vmap import has_rule
from jaxrng_doctor.tracing.derivatives import is_tangent
from jaxrng_doctor.tracing.draws import is_key
from jaxrng_doctor.tracing.opaque_equations import taking_keys
from jaxrng_doctor.tracing.places import At, innermost, locate
from jaxrng_doctor.tracing.program import Trace
from jaxrng_doctor.tracing.scopes import (
    Along,
    Block,
    Body,
    Carry,
    Entered,
    EqnPath,
    How,
    Map,
    Opaque,
    Scan,
    Test,
    While,
    Whole,
    control,
    differs,
    scopes,
)
from jaxrng_doctor.tracing.slices import Everything
from jaxrng_doctor.tracing.walk import Here, Walk

Scopes = tuple[ScopeRef, ...]

# They may return different results on each device, even if their operand is the same on all.
_VARYING = frozenset({"all_to_all", "ppermute", "reduce_scatter"})
# Their results are the same at every index of the axes that they name, or within each group.
_ACROSS_AXES = frozenset({"all_gather", "pmax", "pmin", "psum", "psum_invariant"})
_UNDOING = {"random_wrap": "random_unwrap", "random_unwrap": "random_wrap"}


class Engine(Walk[Value | None, ScopeRef]):
    """Follows what the keys of a program depend on; with `everything`, the whole program.

    The attributes are complete after `run()`.

    draws: the draws, in program order. splits: the splits of keys, in the same order.
    returned: the values of the program's key outputs, by the index of the output.
    gaps: what could not be followed.
    visits: the values of variables, by the path of their jaxpr; empty unless `noting`.

    With `deciding`, it also follows what decides which draws are reached. The value of a variable
    outside the slice is `None`.
    """

    nothing = None

    def __init__(
        self,
        trace: Trace,
        *,
        noting: bool = False,
        everything: bool = False,
        deciding: bool = False,
    ) -> None:
        super().__init__()
        self.trace = trace
        kept = trace.slice if deciding else trace.lineage_slice
        self.slice = Everything(kept.draws) if everything else kept
        self.visits: dict[EqnPath, Visit] = {}
        self._noting = noting
        self.values = Values()
        self.draws: list[Use] = []
        self.splits: list[Use] = []
        self.returned: dict[int, Value] = {}
        self.gaps: list[Gap] = []
        self.recording = True
        self._guards: tuple[Guard, ...] = ()

    def run(self) -> None:
        inputs: list[Value | None] = []
        for var, name, is_argument in self.trace.inputs:
            axes = (UNKNOWN,) * var.aval.ndim
            if is_argument:
                inputs.append(self.values.make("input", name, (), over={}, axes=axes, birth=None))
            else:
                inputs.append(self.values.fresh("const", axes=axes, name=name))
        outs = self.jaxpr(self.trace.jaxpr, inputs, Here())
        self.returned = {i: v for i in self.trace.key_outputs if (v := outs[i]) is not None}
        self._note_unfollowed()

    def _note_unfollowed(self) -> None:
        """Add gaps for keyless draws, keys in opaque equations, and draws in derivatives alone."""
        draws = self.slice.draws
        for eqn, jaxpr in draws.keyless:
            self.gap("lax.rng_uniform draws without a key", At(None, eqn, jaxpr, 0, 0))
        for eqn, jaxpr in taking_keys(draws, self.trace.jaxpr):
            if any(map(draws.inside, equations.subjaxprs(eqn))):
                continue  # that is already a gap
            name = eqn.primitive.name
            self.gap(f"a key goes into `{name}`, which is not followed", At(None, eqn, jaxpr, 0, 0))
        if not draws.tangents:
            return
        # The copy in a derivative has the same stack as its original, but nothing else in common.
        followed = {innermost(equations.frames(use.at.eqn)) for use in self.draws}
        for eqn, jaxpr in draws.in_derivatives():
            if innermost(equations.frames(eqn)) not in followed:
                at = At(None, eqn, jaxpr, 0, 0)
                self.gap("a draw that only a derivative makes is not followed", at)

    # -- one jaxpr ---------------------------------------------------------------------

    def uses_cache(self) -> bool:
        """Whether known results are reused: only in the passes of a loop that record nothing.

        The last passes of a loop have the same values. A jaxpr returns the same results for the
        same values, so with reuse nested loops cost no more.
        """
        return not self.recording

    def key_of(
        self, jaxpr: AnyJaxpr, args: Sequence[Value | None], here: Here[ScopeRef]
    ) -> Hashable:
        names = tuple(scope.axis_name for scope in here.scopes)
        return id(jaxpr), tuple(map(id, args)), names

    def equations(self, jaxpr: Jaxpr) -> Iterable[int]:
        return self.slice.equations(jaxpr)

    def left(self, jaxpr: Jaxpr, env: Mapping[Any, Value | None], here: Here[ScopeRef]) -> None:
        if self._noting and self.recording:
            followed = {var: value for var, value in env.items() if value is not None}
            self.visits[here.path] = Visit(followed, here.scopes)

    def constant(self, atom: Atom, value: Any) -> Value:
        aval = atom.aval
        if aval.ndim == 0 and not is_key(aval):
            literal = (str(aval.dtype), np.asarray(value).item())
            return self.values.make("literal", literal, (), over={}, axes=(), birth=None)
        # The `id` is unique, because the trace keeps its constants alive.
        named = (id(value), self.trace.name_of(value))
        axes = (UNKNOWN,) * aval.ndim
        return self.values.make("const", named, (), over={}, axes=axes, birth=None)

    # -- one equation ------------------------------------------------------------------

    def equation(
        self, at: At, ins: Sequence[Value | None], here: Here[ScopeRef]
    ) -> Sequence[Value | None]:
        eqn = at.eqn
        keys = self.slice.draws.key_operands(eqn)
        if keys:
            self._draw(at, [ins[i] for i in keys], here)
        elif not is_tangent(eqn):
            if eqn.primitive.name == primitives.SPLIT:
                self._use(self.splits, at, ins, here)
            inside = None if eqn.primitive in self.slice.draws.inert else control(eqn)
            if has_rule(eqn) and any(scope.kind == "vmap" for scope in here.scopes):
                self.gap("a function's own vmap rule is not followed inside of a loop or jit", at)
            elif isinstance(inside, Opaque):
                if any(map(self.slice.draws.inside, inside.bodies)):
                    self.gap(f"draws inside `{eqn.primitive.name}` are not followed", at)
            elif inside is not None:
                return self.enter(at, inside, ins, here)
        return self.transfer(at, ins, here)

    def transfer(
        self, at: At, ins: Sequence[Value | None], here: Here[ScopeRef]
    ) -> Sequence[Value | None]:
        if equations.is_stateful(at.eqn):
            return self._read_state(at, ins, here)
        args = tuple(v for v in ins if v is not None)
        if len(args) < len(ins):
            return [None] * len(at.eqn.outvars)  # a draw whose result no key depends on
        return self._pure(at, args, here.scopes)

    # -- scopes ------------------------------------------------------------------------

    def opened(
        self, at: At, inside: Entered, every: Sequence[Body], ins: Sequence[Value | None]
    ) -> tuple[ScopeRef, ...]:
        opened = scopes(inside)
        if not opened:
            return ()
        site = at.eqn.params.get("site") if isinstance(inside, Map) else None
        names = site.operands if site else (None,) * len(ins)
        given = sorted(dict(pair for body in every for pair in body.ins).items(), key=itemgetter(0))

        def same(axis: Any) -> tuple[tuple[Value, str | None], ...]:
            return tuple(
                (value, names[operand])
                for operand, how in given
                if (value := ins[operand]) is not None and not differs(how, axis)
            )

        return tuple(
            ScopeRef(scope.kind, scope.size, at, scope.axis_name, same(scope.axis_name))
            for scope in opened
        )

    def into(self, at: At, inside: Entered, how: How, value: Value | None) -> Value | None:
        if value is None:
            return None
        match how:
            case Along(axis):
                return element(self.values, value, axis, at.depth, at)
            case Block(dims):
                return block(self.values, value, dims, _depths(at, inside), at)
            case Whole() | Carry() | Test():
                return value
            case _:
                assert_never(how)

    def out_of(self, at: At, inside: Entered, how: How, value: Value | None) -> Value | None:
        if value is None:
            return None
        match how:
            case Along(axis):
                return stacked(self.values, value, axis, at.depth, at)
            case Block(dims):
                return assembled(self.values, value, dims, _depths(at, inside), at)
            case Whole() | Carry() | Test():
                return value
            case _:
                assert_never(how)

    def chosen(self, at: At, index: Value | None, outs: Sequence[Value | None]) -> Value | None:
        return chosen(self.values, at, index, outs)

    @contextmanager
    def branch(self, index: Value | None, number: int, count: int) -> Iterator[None]:
        outside = self._guards
        self._guards = (*outside, (index, number, count))
        try:
            yield
        finally:
            self._guards = outside

    def fixed_point(
        self,
        at: At,
        inside: Scan | While,
        ins: Sequence[Value | None],
        init: Sequence[Value | None],
        step: Callable[[Sequence[Value | None]], list[Value | None]],
    ) -> tuple[Sequence[Value | None], list[Value | None]]:
        if all(start is None for start in init):
            return init, step(init)
        entering = tuple(v for v in ins if v is not None)
        recording, self.recording = self.recording, False
        try:
            carry, outs = fixed_point(self.values, at, inside.body, init, step, entering)
        finally:
            self.recording = recording
        return carry, step(carry) if recording else outs

    def after_loop(
        self,
        at: At,
        inside: Scan | While,
        start: Value | None,
        carried: Value | None,
        out: Value | None,
        test: Value | None,
    ) -> Value | None:
        turns: Value | str | None
        match inside:
            case Scan():
                turns = f"{'reversed ' * inside.reverse}{inside.length}"
            case While():
                turns = test
            case _:
                assert_never(inside)
        return after_loop(self.values, at, start, carried, out, turns)

    # -- equations that compute --------------------------------------------------------

    def _pure(self, at: At, args: tuple[Value, ...], scopes: Scopes) -> list[Value]:
        """The outputs of an equation that is treated as a pure function of its operands."""
        eqn, name = at.eqn, at.eqn.primitive.name
        if name in _UNDOING and args[0].op == _UNDOING[name]:
            return [args[0].args[0]]
        if name == "axis_index":
            return [self._axis_index(at, scopes)]
        params: Any = tuple(sorted(eqn.params.items()))
        transfer = TRANSFERS.get(name)
        across = _named_depths(eqn, scopes) if name in _ACROSS_AXES else ()
        apart = _depths_apart(eqn, scopes) if name in _VARYING else ()
        along = EQUAL if eqn.params.get("axis_index_groups") is None else UNKNOWN
        outs = []
        for number, var in enumerate(eqn.outvars):
            try:
                shape = None if transfer is None else transfer(eqn, args)
            except Exception as error:
                self.gap(f"`{name}` could not be followed: {in_a_line(error)}", at)
                shape = None
            # An unknown pure function of the operands is always a safe assumption.
            over, axes = shape or (over_all(args), (UNKNOWN,) * getattr(var.aval, "ndim", 0))
            if across:
                over = {depth: along if depth in across else v for depth, v in over.items()}
            if apart:
                over = {**over, **dict.fromkeys(apart, UNKNOWN)}
            outs.append(
                self.values.make(
                    name,
                    (number, params, *across),
                    args,
                    over=over,
                    axes=axes,
                    birth=at,
                    place=id(eqn) if name in SEPARATE else None,
                )
            )
        return outs

    def _read_state(self, at: At, ins: Sequence[Value | None], here: Here[ScopeRef]) -> list[Value]:
        """Unknown values, separate for each equation: a ref has what was last written to it."""
        if not all(equations.is_ref(var.aval) for var in at.eqn.outvars):
            self.gap("a key is derived from a mutable ref, which is not followed", at)
        return [
            self.values.make(
                "ref",
                (here.path, at.index, number),
                tuple(v for v in ins if v is not None),
                over=dict.fromkeys(range(len(here.scopes)), UNKNOWN),
                axes=(UNKNOWN,) * getattr(var.aval, "ndim", 0),
                birth=at,
            )
            for number, var in enumerate(at.eqn.outvars)
        ]

    def _axis_index(self, at: At, scopes: Scopes) -> Value:
        depths = _named_depths(at.eqn, scopes)
        return self.values.make(
            "axis_index", depths, (), over=dict.fromkeys(depths, DISTINCT), axes=(), birth=at
        )

    # -- draws, splits and gaps --------------------------------------------------------

    def _draw(self, at: At, keys: Sequence[Value | None], here: Here[ScopeRef]) -> None:
        if 0 in at.eqn.outvars[-1].aval.shape:
            return  # it draws no numbers, so none can be shared
        self._use(self.draws, at, keys, here)
        above: At | None = at
        while above is not None:
            if equations.vmaps_on_name_stack(above.eqn):
                self.gap("a vmap around this draw was dissolved before it could be followed", at)
                break
            above = above.parent

    def _use(
        self,
        uses: list[Use],
        at: At,
        keys: Sequence[Value | None],
        here: Here[ScopeRef],
    ) -> None:
        known = tuple(key for key in keys if key is not None)
        if self.recording and known:
            path = (*here.path, (at.index, 0))
            uses.append(Use(path, at, here.scopes, known, self._guards))

    def gap(self, message: str, at: At) -> None:
        found = Gap(message, locate(at))
        if self.recording and found not in self.gaps:
            self.gaps.append(found)


def _depths(at: At, inside: Entered) -> dict[object, int]:
    """The depth of each mesh axis of a device map."""
    return {scope.axis_name: at.depth + i for i, scope in enumerate(scopes(inside))}


def _depths_apart(eqn: Eqn, scopes: Scopes) -> tuple[int, ...]:
    """The depths over which an equation in `_VARYING` may return different results."""
    depths = _named_depths(eqn, scopes)
    devices = prod(scopes[depth].size or 0 for depth in depths)
    # Devices that a permutation leaves out get zeros.
    return () if len(eqn.params.get("perm", ())) == devices else depths


def _named_depths(eqn: Eqn, scopes: Scopes) -> tuple[int, ...]:
    """The depths of the scopes whose axes an equation names; of equal names, the innermost."""
    names = eqn.params.get("axes", eqn.params.get("axis_name", ()))
    names = names if isinstance(names, tuple) else (names,)
    innermost = {scope.axis_name: depth for depth, scope in enumerate(scopes)}
    return tuple(innermost[name] for name in names if name in innermost)
