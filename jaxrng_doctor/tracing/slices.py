"""Finds what the draws of a program depend on: a backward slice, through every nested jaxpr.

Most equations have nothing to do with a key. The lineage analysis and the ledger only follow the
slice: the draws, the scopes around them, and what their keys are made of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Eqn, Var
from jaxrng_doctor.tracing.derivatives import is_tangent
from jaxrng_doctor.tracing.draws import Draws
from jaxrng_doctor.tracing.scopes import Opaque, control
from jaxrng_doctor.tracing.walk import demanded

Literal = equations.Literal


class Everything:
    """Stands in for a slice, and contains all equations of each jaxpr."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws

    def equations(self, jaxpr: AnyJaxpr) -> range:
        return range(len(equations.open_jaxpr(jaxpr)[0].eqns))


class Slice:
    """The relevant equations of each jaxpr, and its relevant inputs.

    `wanted` are the outputs of the program that matter besides its draws, and `left` the variables
    that do, such as what the program leaves in refs. With `to_run`, the slice also contains what
    decides whether and how often a draw is reached. That is needed to run the slice, but not to
    find what the keys are made of.

    A jaxpr that occurs several times has one slice, for the union of what its callers need: a
    superset costs time, but does not change any result.
    """

    def __init__(
        self,
        draws: Draws,
        program: AnyJaxpr,
        wanted: Iterable[int] = (),
        left: Iterable[Any] = (),
        *,
        to_run: bool,
    ) -> None:
        self.draws = draws
        self.to_run = to_run
        self._left = frozenset(left)
        self._visited: set[int] = set()
        self._grew = True
        self._asked: dict[int, frozenset[int]] = {}
        self._inputs: dict[int, frozenset[int]] = {}
        self._equations: dict[int, tuple[int, ...]] = {}
        self._vars: dict[int, set[Any]] = {}
        # If a later caller needs more outputs of a jaxpr, an earlier caller may have to provide
        # more inputs. So passes are repeated until nothing grows; nothing ever shrinks.
        while self._grew:
            self._grew = False
            self._visited.clear()
            self._visit(program, wanted)

    def equations(self, jaxpr: AnyJaxpr) -> tuple[int, ...]:
        """The indices of the relevant equations, in program order."""
        return self._equations[id(equations.open_jaxpr(jaxpr)[0])]

    def inputs(self, jaxpr: AnyJaxpr) -> frozenset[int]:
        """The indices of the inputs on which anything relevant depends."""
        return self._inputs[id(equations.open_jaxpr(jaxpr)[0])]

    def outputs(self, jaxpr: AnyJaxpr) -> frozenset[int]:
        """The indices of the outputs that something relevant uses."""
        return self._asked[id(equations.open_jaxpr(jaxpr)[0])]

    def reached(self, jaxpr: AnyJaxpr) -> bool:
        """Whether this jaxpr was sliced, too: it is not inside a draw or an opaque equation."""
        return id(equations.open_jaxpr(jaxpr)[0]) in self._equations

    def needed(self, jaxpr: AnyJaxpr, var: Var) -> bool:
        return var in self._vars[id(equations.open_jaxpr(jaxpr)[0])]

    def _visit(self, jaxpr: AnyJaxpr, wanted: Iterable[int]) -> frozenset[int]:
        """Slice `jaxpr` for its draws and the outputs `wanted`; return the inputs they need."""
        inner = equations.open_jaxpr(jaxpr)[0]
        before = self._asked.get(id(inner), frozenset())
        asked = before | frozenset(wanted)
        if asked == before and id(inner) in self._visited:
            return self._inputs[id(inner)]
        # An earlier caller in this pass has used a smaller result.
        self._grew |= id(inner) in self._visited
        self._visited.add(id(inner))
        needed = {v for i in asked if not isinstance(v := inner.outvars[i], Literal)}
        needed |= self._left  # no variable is in two jaxprs
        relevant = []
        using = self.draws.using(inner)
        eqns = inner.eqns
        for index in range(len(eqns) - 1, -1, -1):
            eqn = eqns[index]
            if index not in using and needed.isdisjoint(eqn.outvars):
                continue
            outs = [i for i, v in enumerate(eqn.outvars) if v in needed]
            relevant.append(index)
            needed.update(
                v for i in self._operands(eqn, outs) if not isinstance(v := eqn.invars[i], Literal)
            )
        relevant.reverse()
        self._asked[id(inner)] = asked
        self._equations[id(inner)] = tuple(relevant)
        self._vars[id(inner)] = needed
        self._inputs[id(inner)] = frozenset(i for i, v in enumerate(inner.invars) if v in needed)
        return self._inputs[id(inner)]

    def _operands(self, eqn: Eqn, outs: list[int]) -> Iterable[int]:
        """The indices of the operands that the draws in `eqn` and its outputs `outs` need."""
        every = range(len(eqn.invars))
        if eqn.primitive in self.draws.inert:
            return every
        keys = self.draws.key_operands(eqn)
        if keys:
            return every if outs else keys
        if is_tangent(eqn):
            return every
        inside = control(eqn)
        if inside is None or isinstance(inside, Opaque):
            return every
        return demanded(inside, outs, self._visit, decides=self.to_run)
