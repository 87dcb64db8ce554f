"""Walks through a program and the jaxprs that its equations contain.

Forward, `Walk` runs a program on abstract values. Subclasses define the values and what equations
do with them. How values enter and leave a vmap, a loop or a branch is defined here, from the
description in `scopes.py`. Loops are repeated until the carried values no longer change.
Backward, `demanded` finds the operands that the outputs of an equation need.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, assert_never

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Atom, Jaxpr
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.scopes import (
    Body,
    Call,
    Carry,
    Cond,
    Entered,
    EqnPath,
    How,
    Map,
    Opaque,
    Scan,
    ShardMap,
    Test,
    While,
    bodies,
    control,
)

V = TypeVar("V")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Here(Generic[S]):
    """Where a walk is: the path to the jaxpr, the equation that contains it, the scopes around it.

    In the program's own jaxpr, the path is empty and there is no equation.
    """

    path: EqnPath = ()
    parent: At | None = None
    scopes: tuple[S, ...] = ()


class Walk(ABC, Generic[V, S]):
    """One forward pass over a program. `V` is the type of abstract values, `S` that of scopes.

    By default, values do not change when they enter or leave a scope.
    """

    nothing: V
    """The value of what is not followed, and of literals and constants by default."""

    def __init__(self) -> None:
        self._results: dict[Hashable, list[V]] = {}

    # -- to be defined by subclasses ---------------------------------------------------

    @abstractmethod
    def transfer(self, at: At, ins: Sequence[V], here: Here[S]) -> Sequence[V]:
        """The outputs of an equation that is not entered."""

    @abstractmethod
    def chosen(self, at: At, index: V, outs: Sequence[V]) -> V:
        """One output of a `cond` with the given `index`; `outs` has its value in each branch."""

    @abstractmethod
    def fixed_point(
        self,
        at: At,
        inside: Scan | While,
        ins: Sequence[V],
        init: Sequence[V],
        step: Callable[[Sequence[V]], list[V]],
    ) -> tuple[Sequence[V], list[V]]:
        """The carried values that hold for every step, and the outputs of the body for them.

        `init` are the carried values before the loop. `step` runs the body on carried values and
        returns its outputs.
        """

    def constant(self, atom: Atom, value: Any) -> V:
        """The value of a literal or of a constant of a jaxpr."""
        del atom, value
        return self.nothing

    def equations(self, jaxpr: Jaxpr) -> Iterable[int]:
        """The indices of the equations to follow."""
        return range(len(jaxpr.eqns))

    def equation(self, at: At, ins: Sequence[V], here: Here[S]) -> Sequence[V]:
        """The outputs of any equation."""
        inside = control(at.eqn)
        if inside is None or isinstance(inside, Opaque):
            return self.transfer(at, ins, here)
        return self.enter(at, inside, ins, here)

    def key_of(self, jaxpr: Jaxpr, args: Sequence[V], here: Here[S]) -> Hashable | None:
        """The cache key for the outputs of an open jaxpr; `None` to run it each time."""
        del here
        return id(jaxpr), tuple(args)

    def uses_cache(self) -> bool:
        """Whether cached outputs are used, so that the jaxpr is not run again."""
        return True

    def opened(
        self, at: At, inside: Entered, every: Sequence[Body], ins: Sequence[V]
    ) -> tuple[S, ...]:
        """The scopes that an equation opens; `every` are its bodies."""
        del at, inside, every, ins
        return ()

    def into(self, at: At, inside: Entered, how: How, value: V) -> V:
        """What one example, step or device gets of an operand."""
        del at, inside, how
        return value

    def out_of(self, at: At, inside: Entered, how: How, value: V) -> V:
        """An output of an equation, made from what one example, step or device returns."""
        del at, inside, how
        return value

    def branch(self, index: V, number: int, count: int) -> contextlib.AbstractContextManager[None]:
        """A context that is open while the branch `number` of `count` is followed."""
        del index, number, count
        return contextlib.nullcontext()

    def after_loop(
        self, at: At, inside: Scan | While, start: V, carried: V, out: V, test: V | None
    ) -> V:
        """A carried value after the loop.

        `start` is its value before the loop, `carried` the one that holds for every step, and
        `out` the body's output. `test` is the value of the loop's condition, `None` for a scan.
        """
        del at, inside, start, carried, test
        return out

    def left(self, jaxpr: Jaxpr, env: dict[Any, V], here: Here[S]) -> None:
        """Called with the values of all variables of a jaxpr after it was run."""

    # -- the driver --------------------------------------------------------------------

    def jaxpr(self, jaxpr: AnyJaxpr, args: Sequence[V], here: Here[S]) -> list[V]:
        """The outputs of a jaxpr, open or closed."""
        inner, consts = equations.open_jaxpr(jaxpr)
        key = self.key_of(inner, args, here)
        if key is not None and self.uses_cache() and key in self._results:
            return self._results[key]
        env: dict[Any, V] = dict(zip(inner.invars, args, strict=True))
        for var, const in zip(inner.constvars, consts, strict=False):
            env[var] = self.constant(var, const)

        def read(atom: Atom) -> V:
            if isinstance(atom, equations.Literal):
                return self.constant(atom, atom.val)
            return env.get(atom, self.nothing)

        eqns, depth = inner.eqns, len(here.scopes)
        for index in self.equations(inner):
            eqn = eqns[index]
            at = At(here.parent, eqn, inner, index, depth)
            outs = self.equation(at, [read(atom) for atom in eqn.invars], here)
            env.update(zip(eqn.outvars, outs, strict=True))
        results = [read(atom) for atom in inner.outvars]
        self.left(inner, env, here)
        if key is not None:
            self._results[key] = results
        return results

    def enter(self, at: At, inside: Entered, ins: Sequence[V], here: Here[S]) -> list[V]:
        """The outputs of an equation that runs jaxprs."""
        every = bodies(inside)
        around = (*here.scopes, *self.opened(at, inside, every, ins))

        def run(body: Body, args: Sequence[V]) -> list[V]:
            path = (*here.path, (at.index, body.number))
            return self.jaxpr(body.jaxpr, args, Here(path, at, around))

        match inside:
            case Cond():
                results = []
                for body in every:
                    with self.branch(ins[0], body.number, len(every)):
                        results.append(run(body, [ins[operand] for operand, _ in body.ins]))
                return [self.chosen(at, ins[0], outs) for outs in zip(*results, strict=True)]
            case Scan() | While():
                return self._loop(at, inside, every, ins, run)
            case Call() | Map() | ShardMap():
                (body,) = every
                args = [self.into(at, inside, how, ins[operand]) for operand, how in body.ins]
                outs = zip(body.outs, run(body, args), strict=True)
                return [self.out_of(at, inside, how, value) for how, value in outs]
            case _:
                assert_never(inside)

    def _loop(
        self,
        at: At,
        inside: Scan | While,
        every: Sequence[Body],
        ins: Sequence[V],
        run: Callable[[Body, Sequence[V]], list[V]],
    ) -> list[V]:
        *conditions, body = every
        given = {
            each.number: [
                None if isinstance(how, Carry) else self.into(at, inside, how, ins[operand])
                for operand, how in each.ins
            ]
            for each in every
        }
        tests: list[V] = []

        def args(each: Body, carry: Sequence[V]) -> list[V]:
            return [
                carry[how.index] if isinstance(how, Carry) else value  # type: ignore[misc]
                for (_, how), value in zip(each.ins, given[each.number], strict=True)
            ]

        def step(carry: Sequence[V]) -> list[V]:
            for each in conditions:
                tests[:] = run(each, args(each, carry))
            return run(body, args(body, carry))

        init = [ins[operand] for operand, how in body.ins if isinstance(how, Carry)]
        carry, outs = self.fixed_point(at, inside, ins, init, step)
        test = tests[0] if tests else None
        return [
            self.after_loop(at, inside, init[how.index], carry[how.index], out, test)
            if isinstance(how, Carry)
            else self.out_of(at, inside, how, out)
            for how, out in zip(body.outs, outs, strict=True)
        ]


class JoiningWalk(Walk[V, None]):
    """A walk whose values form a finite lattice, so that loops reach a fixed point."""

    @abstractmethod
    def join(self, values: Sequence[V]) -> V:
        """The value of something that is one of `values`, if it is unknown which."""

    def chosen(self, at: At, index: V, outs: Sequence[V]) -> V:
        del at
        return self.join([index, *outs])

    def fixed_point(
        self,
        at: At,
        inside: Scan | While,
        ins: Sequence[V],
        init: Sequence[V],
        step: Callable[[Sequence[V]], list[V]],
    ) -> tuple[Sequence[V], list[V]]:
        del at, inside, ins
        carry = list(init)
        while True:
            outs = step(carry)
            grown = [self.join(pair) for pair in zip(carry, outs, strict=False)]
            if grown == carry:
                return carry, outs
            carry = grown


def demanded(
    inside: Entered,
    outs: Iterable[int],
    visit: Callable[[Any, Iterable[int]], Iterable[int]],
    *,
    decides: bool,
) -> set[int]:
    """The operands that the outputs `outs` of an equation, and whatever `visit` finds inside, need.

    `visit(jaxpr, wanted)` returns the inputs of a jaxpr that its outputs `wanted` need. With
    `decides`, what decides whether, and how often, a jaxpr runs is needed too. Operands, inputs
    and outputs are given by their indices.
    """
    every, wanted = bodies(inside), set(outs)
    decides = decides or bool(wanted)
    operands = {0} if decides and isinstance(inside, Cond) else set()
    while True:
        carried = set()
        for body in every:
            is_test = any(isinstance(how, Test) for how in body.outs)
            asked: Iterable[int] = ((0,) if decides else ()) if is_test else wanted
            for i in visit(body.jaxpr, asked):
                operand, how = body.ins[i]
                operands.add(operand)
                if isinstance(how, Carry):
                    carried.add(how.index)
        if carried <= wanted:
            break
        wanted |= carried
    # Without any step, even a carried value that each step replaces is the initial one.
    starts = (pair for body in every for pair in body.ins)
    operands |= {o for o, how in starts if isinstance(how, Carry) and how.index in wanted}
    return operands
