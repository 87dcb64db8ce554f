"""The ground truth: runs a random program in plain Python loops, and notes the key of every draw.

This module uses no vmap, scan, jit or cond, and no code of jaxrng-doctor. For a `Program` it notes
the draws, each with its scopes and its key at every index of them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from tests.fuzz import threefry
from tests.fuzz.mapped import Mapped
from tests.fuzz.ops import OPS
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

MOST_STEPS = 4000


class TooLong(Exception):
    """The program makes more than `MOST_STEPS` steps, which would take too long."""


@dataclass
class Note:
    """The key of one draw at each index of its scopes at which it was reached.

    The index in a loop counts the steps in the order in which they run. `scopes` has the kind, the
    id and the size of each scope; the size is `None` for a `while` loop and for a count that is
    computed. `mapped` are the scopes that the key can vary over.
    """

    scopes: list[tuple[str, int, int | None]]
    line_of: int
    mapped: frozenset[int]
    keys: dict[tuple[int, ...], threefry.Key] = field(default_factory=dict)


@functools.lru_cache(maxsize=1 << 16)
def _drawn(key: threefry.Key, bound: int) -> int:
    wrapped = jax.random.wrap_key_data(np.array(key, np.uint32))
    return int(jax.random.randint(wrapped, (), 0, bound))


class Oracle:
    """Runs a program; `notes` has its draws by their path through it, in the order of the text."""

    def __init__(self, program: Program) -> None:
        self.helpers = {helper.name: helper for helper in program.helpers}
        self.notes: dict[Where, Note] = {}
        self.steps = 0
        self._mapped = Mapped(program).over
        self._outline(program.body, (), ())
        env: dict[str, np.ndarray] = {}
        for statement in program.module:
            self._statement(statement, env, (), (), {})
        for var, value in program.inputs:
            env[var.name] = np.asarray(value)
        self._block(program.body, env, (), (), {})

    # -- all draws, whether reached or not ----------------------------------------------

    def _outline(
        self, body: Block, where: Where, scopes: tuple[tuple[str, int, int | None], ...]
    ) -> None:
        for s in body:
            match s:
                case Draw() | DrawInt():
                    here = (*where, ("draw", s.id, 0))
                    self.notes[here] = Note(list(scopes), s.id, self._mapped[here])
                case Vmap():
                    self._outline(
                        s.body, (*where, ("scope", s.id, 0)), (*scopes, ("vmap", s.id, s.size))
                    )
                case Loop():
                    size = s.count if isinstance(s.count, int) and s.how != "while" else None
                    self._outline(
                        s.body, (*where, ("scope", s.id, 0)), (*scopes, ("loop", s.id, size))
                    )
                case Cond():
                    for number, (branch, _) in enumerate(s.branches):
                        self._outline(branch, (*where, ("branch", s.id, number)), scopes)
                case Call():
                    self._outline(self.helpers[s.helper].body, (*where, ("call", s.id, 0)), scopes)
                case Wrapped():
                    self._outline(s.body, where, scopes)
                case _:
                    pass

    # -- running -------------------------------------------------------------------------

    def _block(
        self,
        body: Block,
        env: dict[str, np.ndarray],
        where: Where,
        index: tuple[int, ...],
        axes: dict[str, int],
    ) -> None:
        for statement in body:
            self._statement(statement, env, where, index, axes)

    def _statement(
        self,
        s: Statement,
        env: dict[str, np.ndarray],
        where: Where,
        index: tuple[int, ...],
        axes: dict[str, int],
    ) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooLong
        match s:
            case Assign():
                args = [env[name] for name in s.args]
                env[s.out] = np.asarray(OPS[s.op].value(args, s.params))
            case AxisIndex():
                env[s.out] = np.array(axes[s.axis_name])
            case Draw():
                self._note(s.id, env[s.key], where, index)
            case DrawInt():
                key = self._note(s.id, env[s.key], where, index)
                env[s.out] = np.array(_drawn(key, s.bound))
            case Vmap():
                self._vmap(s, env, where, index, axes)
            case Loop():
                self._loop(s, env, where, index, axes)
            case Cond():
                number = int(env[s.index]) % len(s.branches)
                body, results = s.branches[number]
                inner = dict(env)
                self._block(body, inner, (*where, ("branch", s.id, number)), index, axes)
                for outer, name in zip(s.outs, results, strict=True):
                    env[outer] = inner[name]
            case Call():
                helper = self.helpers[s.helper]
                inner = dict(env)  # names that are not parameters are those of the module
                inner.update(zip(helper.params, [env[a] for a in s.args], strict=True))
                self._block(helper.body, inner, (*where, ("call", s.id, 0)), index, axes)
                for outer, name in zip(s.outs, helper.outs, strict=True):
                    env[outer] = inner[name]
            case Wrapped():
                self._block(s.body, env, where, index, axes)

    def _note(self, id: int, key: np.ndarray, where: Where, index: tuple[int, ...]) -> threefry.Key:
        note = self.notes[(*where, ("draw", id, 0))]
        words = (int(key[0]), int(key[1]))
        note.keys[index] = words
        return words

    def _vmap(
        self,
        s: Vmap,
        env: dict[str, np.ndarray],
        where: Where,
        index: tuple[int, ...],
        axes: dict[str, int],
    ) -> None:
        results: list[list[np.ndarray]] = []
        for i in range(s.size):
            inner = dict(env)
            for name, outer, axis, _ in s.arguments:
                value = env[outer]
                inner[name] = value if axis is None else np.take(value, i, axis=axis)
            names = {**axes, s.axis_name: i} if s.axis_name else axes
            self._block(s.body, inner, (*where, ("scope", s.id, 0)), (*index, i), names)
            results.append([inner[name] for name, _, _ in s.outs])
        for (_, outer, axis), column in zip(s.outs, zip(*results, strict=True), strict=True):
            env[outer] = column[0] if axis is None else np.stack(column, axis=axis)

    def _loop(
        self,
        s: Loop,
        env: dict[str, np.ndarray],
        where: Where,
        index: tuple[int, ...],
        axes: dict[str, int],
    ) -> None:
        count = s.count if isinstance(s.count, int) else int(env[s.count])
        carry = [env[initial] for _, initial, _, _ in s.carry]
        rows: list[list[np.ndarray]] = []
        for step in range(count):
            i = count - 1 - step if s.reverse else step
            inner = dict(env)
            inner[s.index] = np.array(i)
            for (name, _, _, _), value in zip(s.carry, carry, strict=True):
                inner[name] = value
            for name, outer in s.xs:
                inner[name] = env[outer][i]
            self._block(s.body, inner, (*where, ("scope", s.id, 0)), (*index, step), axes)
            carry = [inner[after] for _, _, after, _ in s.carry]
            rows.append([inner[name] for name, _ in s.ys])
        for (_, _, _, outer), value in zip(s.carry, carry, strict=True):
            env[outer] = value
        if s.reverse:
            rows.reverse()
        for (_, outer), column in zip(s.ys, zip(*rows, strict=True), strict=True):
            env[outer] = np.stack(column)


# -- what follows from the notes -----------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """One draw along one scope, with the indices of the other scopes fixed.

    Attributes:
        judged: It was made at least twice at some index of the other scopes.
        equal: Two of these draws had equal keys.
        same: All of them had equal keys, at every index of the other scopes.
        counts: The number of distinct keys at the index that loses the most keys. It has several
            numbers if there is a tie; any of them is right.
        structural: The key cannot depend on the scope.
    """

    judged: bool
    equal: bool
    same: bool
    counts: frozenset[int]
    structural: bool


def along(note: Note, depth: int) -> Truth:
    rows: dict[tuple[int, ...], list[Any]] = {}
    for index, key in note.keys.items():
        rows.setdefault((*index[:depth], *index[depth + 1 :]), []).append(key)
    drawn = [(len(keys), len(set(keys))) for keys in rows.values()]
    lost = max((n - d for n, d in drawn), default=0)
    return Truth(
        judged=any(n > 1 for n, _ in drawn),
        equal=lost > 0,
        same=all(d == 1 for _, d in drawn),
        counts=frozenset(d for n, d in drawn if n - d == lost and (n > 1 or lost == 0)),
        structural=note.scopes[depth][1] not in note.mapped,
    )


def equal_together(note: Note) -> bool:
    """Whether two draws at different indices have equal keys."""
    return len(set(note.keys.values())) < len(note.keys)
