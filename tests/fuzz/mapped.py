"""Finds the scopes that the key of each draw in a program can vary over.

This reads the text and does not run it: it includes all branches, and every step that a loop
may make. Over any other scope a key is the same, whatever the inputs are.
"""

from __future__ import annotations

from tests.fuzz.tree import (
    Assign,
    AxisIndex,
    Block,
    Call,
    Cond,
    Draw,
    DrawInt,
    Loop,
    Program,
    Statement,
    Vmap,
    Where,
    Wrapped,
)

Over = frozenset[int]
"""The ids of scopes."""


class Mapped:
    """`over[where]`: the scopes that the key of the draw at `where` may vary over."""

    def __init__(self, program: Program) -> None:
        self.helpers = {helper.name: helper for helper in program.helpers}
        self.over: dict[Where, Over] = {}
        env: dict[str, Over] = {var.name: frozenset() for var, _ in program.inputs}
        for statement in program.module:
            self._statement(statement, env, ())
        self._block(program.body, env, ())

    def _block(self, body: Block, env: dict[str, Over], where: Where) -> None:
        for statement in body:
            self._statement(statement, env, where)

    def _statement(self, s: Statement, env: dict[str, Over], where: Where) -> None:
        match s:
            case Assign():
                env[s.out] = _any(env[name] for name in s.args)
            case AxisIndex():
                env[s.out] = frozenset({int(s.axis_name.removeprefix("axis"))})
            case Draw() | DrawInt():
                self.over[(*where, ("draw", s.id, 0))] = env[s.key]
                if isinstance(s, DrawInt):
                    env[s.out] = env[s.key]
            case Vmap():
                for inner, outer, axis, _ in s.arguments:
                    env[inner] = env[outer] if axis is None else env[outer] | {s.id}
                self._block(s.body, env, (*where, ("scope", s.id, 0)))
                for inner, outer, _ in s.outs:
                    env[outer] = env[inner] - {s.id}
            case Loop():
                self._loop(s, env, where)
            case Cond():
                columns = []
                for number, (body, results) in enumerate(s.branches):
                    self._block(body, env, (*where, ("branch", s.id, number)))
                    columns.append([env[name] for name in results])
                for outer, column in zip(s.outs, zip(*columns, strict=True), strict=True):
                    env[outer] = _any(column) | env[s.index]
            case Call():
                helper = self.helpers[s.helper]
                env.update(zip(helper.params, [env[a] for a in s.args], strict=True))
                self._block(helper.body, env, (*where, ("call", s.id, 0)))
                env.update(zip(s.outs, [env[name] for name in helper.outs], strict=True))
            case Wrapped():
                self._block(s.body, env, where)

    def _loop(self, s: Loop, env: dict[str, Over], where: Where) -> None:
        # What a loop returns depends on its number of steps.
        count = env[s.count] if isinstance(s.count, str) else frozenset[int]()
        env[s.index] = frozenset({s.id})
        for inner, outer in s.xs:
            env[inner] = env[outer] | {s.id}
        carry = [env[initial] for _, initial, _, _ in s.carry]
        while True:
            for (inner, _, _, _), over in zip(s.carry, carry, strict=True):
                env[inner] = over
            self._block(s.body, env, (*where, ("scope", s.id, 0)))
            grown = [
                over if after == inner else over | env[after] | {s.id}
                for (inner, _, after, _), over in zip(s.carry, carry, strict=True)
            ]
            if grown == carry:
                break
            carry = grown
        for (inner, _, after, outer), over in zip(s.carry, carry, strict=True):
            env[outer] = over if after == inner else (over | count) - {s.id}
        for inner, outer in s.ys:
            env[outer] = env[inner] - {s.id}


def _any(overs: object) -> Over:
    return frozenset().union(*overs)  # type: ignore[misc]
