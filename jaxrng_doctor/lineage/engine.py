"""Abstract interpretation of a traced program: what every draw's key is made of.

In comes a `Trace`, out come its draws, each with the scopes around it and the
abstract value of its key. Only the slice that draws depend on is followed.

Loops are run on abstract values until what they carry no longer changes. A carried
value starts as "the same as before the loop" and can only move away from that, over
a handful of `Variation`s, so the iteration ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.facts import Variation
from jaxrng_doctor.findings import Gap, ScopeKind
from jaxrng_doctor.lineage.transfers import TRANSFERS
from jaxrng_doctor.lineage.values import (
    CONSTANT,
    DISTINCT,
    EQUAL,
    UNKNOWN,
    Value,
    Values,
    of_either,
    over_all,
)
from jaxrng_doctor.trace import jaxprs
from jaxrng_doctor.trace.control import Call, Cond, Opaque, Scan, Vmap, While, control
from jaxrng_doctor.trace.draws import is_key
from jaxrng_doctor.trace.kept import is_tangent
from jaxrng_doctor.trace.places import At, locate
from jaxrng_doctor.trace.program import Trace

Path = tuple[tuple[int, int], ...]
"""Which equation of the program: at each level the equation's index, and which of its jaxprs."""


@dataclass(frozen=True, slots=True, eq=False)
class ScopeRef:
    """One scope as it is entered: a kept vmap, a scan or a while equation.

    `operands` are the values that go in unchanged for every example or step, each
    with the name of the argument that it is, or `None` for a captured one.
    """

    kind: ScopeKind
    size: int | None
    at: At
    axis_name: Any
    operands: tuple[tuple[Value, str | None], ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw: where, in which scopes (outermost first), and from which key."""

    path: Path
    at: At
    scopes: tuple[ScopeRef, ...]
    keys: tuple[Value, ...]


class Engine:
    """Follows one program. `draws` and `gaps` are complete after `run()`."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.slice = trace.slice
        self.values = Values()
        self.draws: list[Drawn] = []
        self.gaps: list[Gap] = []
        self._recording = True

    def run(self) -> None:
        inputs = []
        for var, name, is_argument in self.trace.inputs:
            axes = (UNKNOWN,) * var.aval.ndim
            if is_argument:
                inputs.append(self.values.make("input", name, (), over={}, axes=axes, birth=None))
            else:
                inputs.append(self.values.fresh("const", axes=axes, name=name))
        self._jaxpr(self.trace.jaxpr, inputs, None, (), ())

    # -- one jaxpr ---------------------------------------------------------------------

    def _jaxpr(
        self,
        jaxpr: Any,
        args: Sequence[Value | None],
        parent: At | None,
        scopes: tuple[ScopeRef, ...],
        path: Path,
    ) -> list[Value | None]:
        inner, consts = jaxprs.open_jaxpr(jaxpr)
        env: dict[Any, Value] = {}
        for var, const in zip(inner.constvars, consts, strict=False):
            env[var] = self._constant(var, const)
        env.update((v, x) for v, x in zip(inner.invars, args, strict=True) if x is not None)
        for index in self.slice.equations(inner):
            eqn = inner.eqns[index]
            at = At(parent, eqn, inner, index, len(scopes))
            ins = [self._read(env, atom) for atom in eqn.invars]
            outs = self._equation(at, ins, scopes, path)
            env.update(
                (v, out) for v, out in zip(eqn.outvars, outs, strict=True) if out is not None
            )
        return [self._read(env, atom) for atom in inner.outvars]

    def _read(self, env: Mapping[Any, Value], atom: Any) -> Value | None:
        if isinstance(atom, jaxprs.Literal):
            return self._constant(atom, atom.val)
        return env.get(atom)

    def _constant(self, atom: Any, value: Any) -> Value:
        aval = atom.aval
        if aval.ndim == 0 and not is_key(aval):
            params = (str(aval.dtype), value.item() if hasattr(value, "item") else value)
            return self.values.make("literal", params, (), over={}, axes=(), birth=None)
        number = id(value)  # the trace keeps its constants alive
        return self.values.make(
            "const", number, (), over={}, axes=(UNKNOWN,) * aval.ndim, birth=None
        )

    # -- one equation ------------------------------------------------------------------

    def _equation(
        self, at: At, ins: list[Value | None], scopes: tuple[ScopeRef, ...], path: Path
    ) -> Sequence[Value | None]:
        eqn = at.eqn
        keys = self.slice.draws.key_operands(eqn)
        if keys:
            self._draw(at, tuple(ins[i] for i in keys), scopes, path)
        elif not is_tangent(eqn):
            match control(eqn):
                case Call(body):
                    return self._jaxpr(body, ins, at, scopes, (*path, (at.index, 0)))
                case Vmap(body):
                    return self._vmap(at, body, ins, scopes, path)
                case Scan() as scan:
                    return self._scan(at, scan, ins, scopes, path)
                case While() as loop:
                    return self._while(at, loop, ins, scopes, path)
                case Cond(branches):
                    return self._cond(at, branches, ins, scopes, path)
                case Opaque(bodies):
                    self._opaque(at, bodies, ins)
        if any(value is None for value in ins):
            return [None] * len(eqn.outvars)  # a draw whose result no key depends on
        return self._pure(at, tuple(v for v in ins if v is not None), scopes)

    def _pure(self, at: At, args: tuple[Value, ...], scopes: tuple[ScopeRef, ...]) -> list[Value]:
        """The outputs of an equation that computes something from its operands, and that is all."""
        eqn, name = at.eqn, at.eqn.primitive.name
        inverse = {"random_wrap": "random_unwrap", "random_unwrap": "random_wrap"}.get(name)
        if inverse and args[0].op == inverse:
            return [args[0].args[0]]
        if name == "axis_index":
            return [self._axis_index(at, scopes)]
        params: Any = tuple(sorted(eqn.params.items()))
        transfer = TRANSFERS.get(name)
        outs = []
        for number, var in enumerate(eqn.outvars):
            if transfer is not None:
                over, axes = transfer(eqn, args)
            else:
                over, axes = over_all(args), (UNKNOWN,) * getattr(var.aval, "ndim", 0)
            if name in _ACROSS_AXES:
                over = {
                    d: v if scopes[d].axis_name not in _axis_names(eqn) else EQUAL
                    for d, v in over.items()
                }
            outs.append(
                self.values.make(name, (number, params), args, over=over, axes=axes, birth=at)
            )
        return outs

    def _axis_index(self, at: At, scopes: tuple[ScopeRef, ...]) -> Value:
        name = at.eqn.params["axis_name"]
        over = {d: DISTINCT for d, s in enumerate(scopes) if s.axis_name == name}
        depth = max(over, default=-1)
        return self.values.make(
            "axis_index",
            (name, depth),
            (),
            over={depth: DISTINCT} if over else {},
            axes=(),
            birth=at,
        )

    def _draw(
        self, at: At, keys: tuple[Value | None, ...], scopes: tuple[ScopeRef, ...], path: Path
    ) -> None:
        if not self._recording:
            return
        self.draws.append(
            Drawn((*path, (at.index, 0)), at, scopes, tuple(key for key in keys if key is not None))
        )
        above: At | None = at
        while above is not None:
            if jaxprs.vmaps_on_name_stack(above.eqn):
                self._gap("a vmap around this draw was dissolved before it could be followed", at)
                break
            above = above.parent

    def _opaque(self, at: At, bodies: tuple[Any, ...], ins: Sequence[Value | None]) -> None:
        if any(self.slice.draws.inside(body) for body in bodies):
            self._gap(f"draws inside `{at.eqn.primitive.name}` are not followed", at)
        elif any(v is not None and is_key(a.aval) for v, a in zip(ins, at.eqn.invars, strict=True)):
            self._gap(f"a key goes into `{at.eqn.primitive.name}`, which is not followed", at)

    def _gap(self, message: str, at: At) -> None:
        gap = Gap(message, locate(at))
        if self._recording and gap not in self.gaps:
            self.gaps.append(gap)

    # -- scopes ------------------------------------------------------------------------

    def _element(self, array: Value, axis: int, depth: int, at: At) -> Value:
        """What one example or step sees of an array that is mapped along `axis`."""
        if array.op == "stack of results" and array.params == (axis, depth):
            return array.args[0]
        axes = (*array.axes[:axis], *array.axes[axis + 1 :])
        over = {**array.over, depth: array.axes[axis]}
        return self.values.make("element", (axis, depth), (array,), over=over, axes=axes, birth=at)

    def _stacked(self, value: Value, axis: int, depth: int, at: At) -> Value:
        """All examples' or steps' results, along a new `axis`."""
        along = max(value.along(depth), EQUAL)
        over = {d: v for d, v in value.over.items() if d != depth}
        axes = (*value.axes[:axis], along, *value.axes[axis:])
        return self.values.make(
            "stack of results", (axis, depth), (value,), over=over, axes=axes, birth=at
        )

    def _vmap(
        self,
        at: At,
        body: Any,
        ins: Sequence[Value | None],
        scopes: tuple[ScopeRef, ...],
        path: Path,
    ) -> list[Value | None]:
        params, depth = at.eqn.params, len(scopes)
        axis = params["axis"]
        args = [
            v if v is None or d is None else self._element(v, d, depth, at)
            for v, d in zip(ins, params["in_axes"], strict=True)
        ]
        unmapped = tuple(
            (v, name)
            for v, d, name in zip(ins, params["in_axes"], params["site"].operands, strict=True)
            if v is not None and d is None
        )
        scope = ScopeRef("vmap", axis.size, at, axis.name, unmapped)
        outs = self._jaxpr(body, args, at, (*scopes, scope), (*path, (at.index, 0)))
        return [
            v if v is None or d is None else self._stacked(v, d, depth, at)
            for v, d in zip(outs, params["out_axes"], strict=True)
        ]

    def _scan(
        self,
        at: At,
        scan: Scan,
        ins: Sequence[Value | None],
        scopes: tuple[ScopeRef, ...],
        path: Path,
    ) -> list[Value | None]:
        depth = len(scopes)
        consts, init = ins[: scan.consts], ins[scan.consts : scan.consts + scan.carry]
        xs = [v and self._element(v, 0, depth, at) for v in ins[scan.consts + scan.carry :]]
        scope = ScopeRef("scan", scan.length, at, None, _unchanging(consts, init))

        def step(carry: Sequence[Value | None]) -> list[Value | None]:
            return self._jaxpr(
                scan.body, [*consts, *carry, *xs], at, (*scopes, scope), (*path, (at.index, 0))
            )

        carry, outs = self._fixed_point(at, init, step, scan.carry, depth, (*consts, *xs))
        ys = [v and self._stacked(v, 0, depth, at) for v in outs[scan.carry :]]
        return [*self._after(at, init, carry, outs), *ys]

    def _while(
        self,
        at: At,
        loop: While,
        ins: Sequence[Value | None],
        scopes: tuple[ScopeRef, ...],
        path: Path,
    ) -> list[Value | None]:
        depth, first = len(scopes), loop.condition_consts + loop.body_consts
        tests, consts, init = (
            ins[: loop.condition_consts],
            ins[loop.condition_consts : first],
            ins[first:],
        )
        scope = ScopeRef("while", None, at, None, _unchanging((*tests, *consts), init))

        def step(carry: Sequence[Value | None]) -> list[Value | None]:
            inside = (*scopes, scope)
            self._jaxpr(loop.condition, [*tests, *carry], at, inside, (*path, (at.index, 0)))
            return self._jaxpr(loop.body, [*consts, *carry], at, inside, (*path, (at.index, 1)))

        carry, outs = self._fixed_point(at, init, step, len(init), depth, (*tests, *consts))
        return self._after(at, init, carry, outs)

    def _fixed_point(
        self,
        at: At,
        init: Sequence[Value | None],
        step: Any,
        carried: int,
        depth: int,
        others: Sequence[Value | None],
    ) -> tuple[list[Value | None], list[Value | None]]:
        """The carried values as every step sees them, and what the last pass returned.

        A value that comes back as it went in is the value from before the loop, by
        induction. The others get a symbol of their own, whose variation grows until
        it covers what the body makes of it.
        """
        carry: list[Value | None] = list(init)
        grown: dict[int, tuple[dict[int, Variation], tuple[Variation, ...]]] = {}
        recording, self._recording = self._recording, False
        try:
            while True:
                outs = step(carry)
                changed = False
                for i in range(carried):
                    before, after, start = carry[i], outs[i], init[i]
                    if before is None or after is None or start is None or after is before:
                        continue
                    over, axes = grown.get(i, (dict(start.over), start.axes))
                    over = _either(over, after.over)
                    axes = tuple(of_either(pair) for pair in zip(axes, after.axes, strict=True))
                    stuck = i in grown and grown[i][0][depth] is UNKNOWN
                    over[depth] = UNKNOWN if stuck or not _advances(after, before) else DISTINCT
                    if grown.get(i) != (over, axes):
                        grown[i] = (over, axes)
                        changed = True
                        carry[i] = self.values.fresh(
                            "carry", (start,), over=over, axes=axes, birth=at
                        )
                if not changed:
                    break
        finally:
            self._recording = recording
        return carry, step(carry) if recording else outs

    def _after(
        self,
        at: At,
        init: Sequence[Value | None],
        carry: Sequence[Value | None],
        outs: Sequence[Value | None],
    ) -> list[Value | None]:
        """The carried values after the loop: as they were, or whatever the last step left."""
        left: list[Value | None] = []
        for start, symbol, out in zip(init, carry, outs, strict=False):
            if start is None or symbol is None or out is None or symbol is start:
                left.append(start)
                continue
            over = {d: v for d, v in symbol.over.items() if d < at.depth}
            left.append(
                self.values.make(
                    "after loop", None, (symbol, out), over=over, axes=symbol.axes, birth=at
                )
            )
        return left

    def _cond(
        self,
        at: At,
        branches: tuple[Any, ...],
        ins: Sequence[Value | None],
        scopes: tuple[ScopeRef, ...],
        path: Path,
    ) -> list[Value | None]:
        results = [
            self._jaxpr(branch, ins[1:], at, scopes, (*path, (at.index, i)))
            for i, branch in enumerate(branches)
        ]
        return [self._chosen(at, ins[0], outs) for outs in zip(*results, strict=True)]

    def _chosen(self, at: At, index: Value | None, outs: Sequence[Value | None]) -> Value | None:
        first = outs[0]
        present = tuple(v for v in outs if v is not None)
        if first is None or len(present) < len(outs) or index is None:
            return None
        if all(v is first for v in present):
            return first
        over: dict[int, Variation] = dict(first.over)
        axes = first.axes
        for other in present[1:]:
            over = _either(over, other.over)
            axes = tuple(of_either(pair) for pair in zip(axes, other.axes, strict=True))
        # Where the choice itself varies, two examples may sit in different branches.
        over |= {d: UNKNOWN for d, v in index.over.items() if not v.is_same}
        over |= {
            d: EQUAL
            for d, v in index.over.items()
            if v is EQUAL and over.get(d, CONSTANT) is CONSTANT
        }
        return self.values.make("chosen", None, (index, *present), over=over, axes=axes, birth=at)


_ACROSS_AXES = frozenset({"psum", "pmax", "pmin", "all_gather", "psum_invariant", "pbroadcast"})


def _axis_names(eqn: Any) -> tuple[Any, ...]:
    names = eqn.params.get("axes", eqn.params.get("axis_name", ()))
    return names if isinstance(names, tuple) else (names,)


def _unchanging(
    consts: Sequence[Value | None],
    init: Sequence[Value | None],
) -> tuple[tuple[Value, str | None], ...]:
    return tuple((v, None) for v in (*consts, *init) if v is not None)


def _either(a: Mapping[int, Variation], b: Mapping[int, Variation]) -> dict[int, Variation]:
    return {d: of_either((a.get(d, CONSTANT), b.get(d, CONSTANT))) for d in {*a, *b}}


_CHAIN = frozenset(
    {
        "random_split",
        "random_fold_in",
        "random_wrap",
        "random_unwrap",
        "random_clone",
        "reshape",
        "slice",
        "squeeze",
        "unstack",
    }
)


def _advances(after: Value, before: Value) -> bool:
    """Each step's value is split or folded from the step before, or counts on: all differ."""
    if after.op in ("add", "sub") and after.args[0] is before:
        step = after.args[1]
        return step.op == "literal" and step.params[1] != 0
    hashed = False
    while after is not before:
        if after.op not in _CHAIN:
            return False
        hashed |= after.op in ("random_split", "random_fold_in")
        after = after.args[0]
    return hashed
