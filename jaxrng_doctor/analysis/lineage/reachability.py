"""Determines how many examples of a scope reach a draw, from the branches around it.

`cond(i == 0, draw, ...)` in a vmap over different `i`s draws at most once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from jaxrng_doctor.analysis.lineage.engine import Engine
from jaxrng_doctor.analysis.lineage.uses import Guard, Use
from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.model.facts import Variation
from jaxrng_doctor.tracing.program import Trace
from jaxrng_doctor.tracing.scopes import EqnPath

_PLAIN = frozenset({"convert_element_type", "copy", "reshape", "squeeze", "stop_gradient"})


class Guards:
    """The values that select the branches around each use; followed only on demand."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def of(self, use: Use) -> tuple[Guard, ...]:
        return self._known.get(use.path, use.guards) if use.guards else ()

    def by_inputs(self, use: Use) -> bool:
        """Whether the program's inputs decide, or may decide, if the use is executed."""
        return _depends_on_inputs(self.of(use)) or any(s.size is None for s in use.scopes)

    def exclude(self, use: Use, other: Use) -> bool:
        """Whether the two are in different branches of one choice, possibly of two equations."""
        ours = {choice.number: branch for choice, branch, _ in self.of(use) if choice is not None}
        return any(
            ours.get(choice.number, branch) != branch
            for choice, branch, _ in self.of(other)
            if choice is not None
        )

    @functools.cached_property
    def _known(self) -> dict[EqnPath, tuple[Guard, ...]]:
        engine = Engine(self._trace, deciding=True)
        engine.run()
        return {use.path: use.guards for use in (*engine.draws, *engine.splits)}


def at_most_one(guards: Iterable[Guard], depth: int) -> bool:
    """Whether at most one example of the scope at `depth` takes all branches in `guards`.

    The indices of the other scopes are fixed.
    """
    return any(_is_one(*guard, depth) for guard in guards)


def _depends_on_inputs(guards: Iterable[Guard]) -> bool:
    waiting = [choice for choice, _, _ in guards]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if value is None or value.op == "input":
            return True
        if id(value) not in seen:
            seen.add(id(value))
            waiting += value.args
    return False


def _is_one(choice: Value | None, branch: int, branches: int, depth: int) -> bool:
    if choice is None:
        return False
    choice = _plain(choice)
    if branches == 2 and choice.op != "clamp":
        return _holds_once(choice, bool(branch), depth)
    if choice.op == "clamp" and 0 < branch < branches - 1:
        choice = _plain(choice.args[1])  # an index out of range selects the first or last branch
        return choice.along(depth) is Variation.DISTINCT
    return False


def _holds_once(test: Value, wanted: bool, depth: int) -> bool:
    """Whether the test is `wanted` for at most one example."""
    test = _plain(test)
    match test.op:
        case "not":
            return _holds_once(test.args[0], not wanted, depth)
        case "and" if wanted:
            return any(_holds_once(arg, True, depth) for arg in test.args)
        case "or" if not wanted:
            return any(_holds_once(arg, False, depth) for arg in test.args)
        case "eq" | "ne" if wanted == (test.op == "eq"):
            one, other = (arg.along(depth) for arg in test.args)
            both = {one is Variation.DISTINCT, other is Variation.DISTINCT}
            return both == {True, False} and (one.is_same or other.is_same)
    return False


def _plain(value: Value) -> Value:
    while value.op in _PLAIN:
        value = value.args[0]
    return value
