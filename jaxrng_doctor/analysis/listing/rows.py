"""Makes the rows of a listing: a line for each equation, a box for each that contains others.

Each equation is shown once for each path that leads to it, or is counted in a fold or a draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxrng_doctor.analysis.facts.draws import scope_of
from jaxrng_doctor.analysis.keys.tables import INPUTS, variable_path
from jaxrng_doctor.analysis.lineage.describe import index_of
from jaxrng_doctor.analysis.lineage.uses import Visit
from jaxrng_doctor.analysis.lineage.values import Value, of_any
from jaxrng_doctor.analysis.listing.bodies import Body, Counts, Held, contents_of
from jaxrng_doctor.analysis.listing.marks import Marks
from jaxrng_doctor.analysis.listing.names import Names
from jaxrng_doctor.analysis.listing.params import params_of
from jaxrng_doctor.jax_internals import equations, primitives
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Eqn, Jaxpr, Var
from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.model.listing import (
    Atom,
    Box,
    Entry,
    Fold,
    KeyMark,
    Line,
    LineKind,
    Over,
    Row,
    ScopeMark,
    Variable,
)
from jaxrng_doctor.tracing.derivatives import is_tangent
from jaxrng_doctor.tracing.draws import is_key, may_be_key, sampler_name
from jaxrng_doctor.tracing.loop_primitives import PREFIX
from jaxrng_doctor.tracing.places import At, locate
from jaxrng_doctor.tracing.program import Trace
from jaxrng_doctor.tracing.scopes import EqnPath

_KINDS: dict[str, LineKind] = {
    primitives.SPLIT: "split",
    primitives.FOLD_IN: "fold_in",
    primitives.SEED: "seed",
}

Scopes = tuple[ScopeMark, ...]


@dataclass(frozen=True, slots=True)
class ListedValue:
    """A variable of the listing with the data of its row, for the key tree."""

    variable: Variable
    scopes: Scopes
    place: Place | None
    findings: tuple[int, ...] = ()
    key: KeyMark | None = None


@dataclass(frozen=True, slots=True)
class _Here:
    """The context of one jaxpr's rows: its path, names and values, and the scopes around it.

    `in_draw`: it is inside a sampler, whose internal draws do not concern the user.
    """

    path: EqnPath
    names: dict[Any, Atom]
    visit: Visit | None
    scopes: Scopes
    parent: At | None
    in_draw: bool = False


class Rows:
    """Makes the rows.

    `made`: the variable that holds each value, by the value's `id`. `drawn`: the variable with the
    result of each draw, by the draw's path.
    """

    def __init__(
        self,
        trace: Trace,
        visits: Mapping[EqnPath, Visit],
        marks: Marks,
        findings: Sequence[Finding],
        drawn_at: Set[Place | None] = frozenset(),
        *,
        every: bool,
    ) -> None:
        self.made: dict[int, ListedValue] = {}
        self.drawn: dict[EqnPath, ListedValue] = {}
        self.counts = Counts(trace.lineage_slice.draws.inert)
        self._trace = trace
        self._visits = visits
        self._marks = marks
        self._every = every
        self._names = Names()
        self._scopes = 0
        # A cause has several parts, at several places and in several scopes.
        self._parts = [finding.each_part for finding in findings]
        # On one line of the user's, a library may create a key and also draw from it.
        self._drawn_at = drawn_at
        self._at_place: dict[Place | None, list[tuple[int, Finding]]] = {}
        for number, parts in enumerate(self._parts):
            for part in parts:
                self._at_place.setdefault(part.place, []).append((number, part))
        # The findings inside each box under construction, innermost last.
        self._inside: list[set[int]] = [set()]

    def program(self) -> tuple[tuple[Variable, ...], tuple[Row, ...], tuple[Atom, ...]]:
        """The inputs, rows and results of the whole program."""
        jaxpr = self._trace.jaxpr
        here = _Here((), {}, self._visits.get(()), (), None)
        labels = [name for _, name, _ in self._trace.inputs]
        inputs = self._inputs(jaxpr, labels, here)
        return inputs, self._rows(jaxpr, here), self._atoms(jaxpr.outvars, here)

    def _inputs(self, inner: Jaxpr, labels: Sequence[str], here: _Here) -> tuple[Variable, ...]:
        labels = [*labels, *("" for _ in inner.invars[len(labels) :])]
        return tuple(
            self._variable(var, variable_path(here.path, INPUTS, n), inner, here, label)
            for n, (var, label) in enumerate(zip(inner.invars, labels, strict=True))
        )

    # -- rows ----------------------------------------------------------------------------

    def _rows(self, jaxpr: AnyJaxpr, here: _Here) -> tuple[Row, ...]:
        inner = equations.open_jaxpr(jaxpr)[0]
        touched = self._touched(inner)
        rows: list[Row] = []
        waiting: list[At] = []
        for index, eqn in enumerate(inner.eqns):
            at = At(here.parent, eqn, inner, index, len(here.scopes))
            if index in touched:
                rows += self._folded(waiting, here)
                waiting = []
                rows.append(self._row(at, here))
            else:
                waiting.append(at)
        return (*rows, *self._folded(waiting, here))

    def _touched(self, inner: Jaxpr) -> set[int]:
        """The indices of the equations that take or return keys, or that keys depend on."""
        known = self._trace.lineage_slice
        followed = known.equations(inner) if known.reached(inner) else ()
        return {*followed, *(i for i, eqn in enumerate(inner.eqns) if _has_key(eqn))}

    def _folded(self, waiting: Sequence[At], here: _Here) -> tuple[Fold, ...]:
        if not waiting:
            return ()
        rows = tuple(self._row(at, here) for at in waiting) if self._every else ()
        total = sum(self.counts.of(at.eqn) for at in waiting)
        return (Fold(total, locate(waiting[0]), locate(waiting[-1]), rows),)

    def _row(self, at: At, here: _Here) -> Row:
        eqn = at.eqn
        draws = self._trace.lineage_slice.draws
        keys = () if here.in_draw else draws.key_operands(eqn)
        plain = eqn.primitive in draws.inert
        held = None if plain or keys or is_tangent(eqn) else contents_of(at)
        if held is not None:
            return self._box(at, held, here)
        operands = self._atoms(eqn.invars, here)
        outputs = self._outputs(at, here)
        if keys:
            outputs = self._drawn(outputs, [eqn.invars[i] for i in keys], here)
        path = (*here.path, (at.index, 0))
        kind, what = _what(eqn, bool(keys), outputs)
        place = locate(at)
        found = self._found(place, kind, here.scopes)
        self._inside[-1].update(found)
        mark = self._marks.use(path) if kind in ("draw", "split") else None
        line = Line(
            kind,
            what,
            params_of(eqn),
            outputs,
            operands,
            place,
            mark,
            found,
            self.counts.of(eqn),
            self._within(at, here, operands) if self._every and not plain else (),
        )
        if kind == "draw":
            self.drawn[path] = ListedValue(outputs[0], here.scopes, place, found, mark)
        self._note(eqn.outvars, outputs, here, place, found)
        return line

    def _within(self, at: At, here: _Here, operands: Sequence[Atom]) -> tuple[Row, ...]:
        """The rows inside a sampler or a derivative, whose inputs have the operands' names."""
        rows: list[Row] = []
        for number, body in enumerate(equations.subjaxprs(at.eqn)):
            inner = equations.open_jaxpr(body)[0]
            names = dict(zip(inner.invars, operands, strict=False))
            path = (*here.path, (at.index, number))
            rows += self._rows(body, _Here(path, names, None, here.scopes, at, True))
        return tuple(rows)

    # -- boxes ---------------------------------------------------------------------------

    def _box(self, at: At, held: Held, here: _Here) -> Box:
        self._inside.append(set())
        opened = self._opened(at, held, here)
        place = (opened[0].scope.place if opened else locate(at)) or self._trace.place
        scopes = (*here.scopes, *opened)
        first, *others = held.bodies
        if not others and not first.title:
            entries, rows, results = self._body(at, first, here, scopes)
        else:
            chooses = None if held.index is None else self._atoms([held.index], here)[0]
            entries = () if chooses is None else (Entry(None, chooses, "chooses the branch"),)
            rows = tuple(self._part(at, body, here, scopes) for body in held.bodies)
            results = ()
        outputs = self._outputs(at, here)
        inside = self._inside.pop()
        self._inside[-1] |= inside
        self._note(at.eqn.outvars, outputs, here, place)
        name = opened[0].scope.name if opened else at.eqn.params.get("name")
        return Box(
            held.title,
            str(name or ""),
            opened,
            entries,
            rows,
            results,
            outputs,
            place,
            self.counts.of(at.eqn),
            tuple(n for n in sorted(inside) if self._is_about(n, opened)),
        )

    def _part(self, at: At, body: Body, here: _Here, scopes: Scopes) -> Box:
        """The box of one of several jaxprs, such as a branch. It is not counted as an equation."""
        entries, rows, results = self._body(at, body, here, scopes)
        total = self.counts.inside(body.jaxpr)
        return Box(body.title, "", (), entries, rows, results, (), None, total)

    def _body(
        self, at: At, body: Body, here: _Here, scopes: Scopes
    ) -> tuple[tuple[Entry, ...], tuple[Row, ...], tuple[Atom, ...]]:
        inner = equations.open_jaxpr(body.jaxpr)[0]
        path = (*here.path, (at.index, body.number))
        inside = _Here(path, {}, self._visits.get(path), scopes, at, here.in_draw)
        variables = self._inputs(inner, body.labels, inside)
        given = body.given or ((None, ""),) * len(variables)
        entries = tuple(
            Entry(variable, None if outer is None else self._atoms([outer], here)[0], how)
            for variable, (outer, how) in zip(variables, given, strict=True)
        )
        return entries, self._rows(inner, inside), self._atoms(inner.outvars, inside)

    def _opened(self, at: At, held: Held, here: _Here) -> Scopes:
        paths = ((*here.path, (at.index, body.number)) for body in held.bodies)
        visit = next((v for p in paths if (v := self._visits.get(p)) is not None), None)
        refs = () if visit is None else visit.scopes[len(here.scopes) :]
        marks: list[ScopeMark] = []
        for ref in refs:
            depth = len(here.scopes) + len(marks)
            marks.append(ScopeMark(self._scopes, index_of(depth), scope_of(ref), held.title))
            self._scopes += 1
        return tuple(marks)

    # -- variables -----------------------------------------------------------------------

    def _outputs(self, at: At, here: _Here) -> tuple[Variable, ...]:
        return tuple(
            self._variable(var, variable_path(here.path, at.index, n), at.jaxpr, here)
            for n, var in enumerate(at.eqn.outvars)
        )

    def _drawn(
        self, outputs: Sequence[Variable], keys: Sequence[Any], here: _Here
    ) -> tuple[Variable, ...]:
        """The outputs of a draw: the same over a scope if all its keys are, otherwise unknown."""
        values = [self._value(key, here) for key in keys if not isinstance(key, equations.Literal)]
        known = [value for value in values if value is not None]
        over = tuple(of_any(v.along(d) for v in known) for d in range(len(here.scopes)))
        return tuple(replace(v, over=v.over or over) if known else v for v in outputs)

    def _variable(
        self, var: Var, path: EqnPath, inner: Jaxpr, here: _Here, label: str = ""
    ) -> Variable:
        if _is_dropped(var):
            return Variable("_", _type(var.aval))
        if var not in here.names:
            here.names[var] = Atom(self._names.new(label), True)
        value = self._value(var, here)
        key = None
        if self._holds_key(var, inner):
            key = self._marks.variable(path, value, len(here.scopes))
        variable = Variable(
            here.names[var].text, _type(var.aval), _over(value, here.scopes), key, label
        )
        if value is not None and path[-1][0] < 0:
            self.made.setdefault(id(value), ListedValue(variable, here.scopes, None))
        return variable

    def _holds_key(self, var: Var, inner: Jaxpr) -> bool:
        """Whether `var` is a key, or has the shape of a legacy key and keys depend on it."""
        if not hasattr(var.aval, "dtype") or not may_be_key(var.aval):
            return False
        known = self._trace.lineage_slice
        return is_key(var.aval) or (known.reached(inner) and known.needed(inner, var))

    def _value(self, var: Var, here: _Here) -> Value | None:
        return None if here.visit is None else here.visit.values.get(var)

    def _note(
        self,
        variables: Sequence[Any],
        outputs: Sequence[Variable],
        here: _Here,
        place: Place | None,
        found: tuple[int, ...] = (),
    ) -> None:
        for var, output in zip(variables, outputs, strict=True):
            value = self._value(var, here)
            if value is not None:
                self.made.setdefault(id(value), ListedValue(output, here.scopes, place, found))

    def _atoms(self, atoms: Sequence[Any], here: _Here) -> tuple[Atom, ...]:
        found = []
        for atom in atoms:
            if isinstance(atom, equations.Literal):
                found.append(Atom(_literal(atom), False))
                continue
            if atom not in here.names:
                here.names[atom] = Atom(self._names.new(), True)
            found.append(here.names[atom])
        return tuple(found)

    # -- findings ------------------------------------------------------------------------

    def _found(self, place: Place | None, kind: LineKind, scopes: Scopes) -> tuple[int, ...]:
        if place is None or kind in ("key", "other"):
            return ()
        if kind != "draw" and place in self._drawn_at:
            return ()
        around = [(mark.scope.kind, mark.scope.place) for mark in scopes]
        found = (
            number
            for number, part in self._at_place.get(place, ())
            # A helper may draw in several vmaps; the finding is about one of them.
            if kind != "draw"
            or not part.scopes
            or [(s.kind, s.place) for s in part.scopes] == around
        )
        return tuple(dict.fromkeys(found))

    def _is_about(self, number: int, opened: Scopes) -> bool:
        """Whether the finding is about one of these scopes: the key does not vary over it."""
        scopes = (scope for part in self._parts[number] for scope in part.scopes)
        guilty = {(s.kind, s.place) for s in scopes if s.varies is not True}
        return any((mark.scope.kind, mark.scope.place) in guilty for mark in opened)


def _what(eqn: Eqn, is_draw: bool, outputs: Sequence[Variable]) -> tuple[LineKind, str]:
    name = eqn.primitive.name.removeprefix(PREFIX)
    if is_draw:
        return "draw", sampler_name(eqn)
    if is_tangent(eqn):
        return "other", "derivative"
    if name in _KINDS:
        return _KINDS[name], name
    return ("key" if any(v.key for v in outputs) else "other"), name


def _over(value: Value | None, scopes: Scopes) -> Over:
    return () if value is None else tuple(value.along(depth) for depth in range(len(scopes)))


def _has_key(eqn: Eqn) -> bool:
    return any(
        is_key(atom.aval) for atom in (*eqn.invars, *eqn.outvars) if hasattr(atom.aval, "dtype")
    )


def _is_dropped(var: Var) -> bool:
    """Whether JAX marked the output as unused (0.6 to 0.12)."""
    return type(var).__name__ == "DropVar"


def _literal(atom: Any) -> str:
    """A number as text; for an array or a key, its type."""
    if atom.aval.shape or is_key(atom.aval):
        return _type(atom.aval)
    return str(np.asarray(atom.val))  # JAX 0.10 shows a 1 as `TypedInt(1, dtype=int32)`


def _type(aval: Any) -> str:
    short = getattr(aval, "str_short", None)
    return str(aval) if short is None else str(short(short_dtypes=True))
