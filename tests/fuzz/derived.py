"""Derivatives, checkpoints and jits around parts of a program, which draws as it did without.

In comes a program, out comes the same one, changed. That is done by a generator of its own: what
the program of a seed draws from which key stays as it was.
"""

from __future__ import annotations

import random

from tests.fuzz.tree import (
    FORWARD,
    WRAPPERS,
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
    Wrapped,
)

_MOST = 4  # more than that in one program only make it slow
_FIRST_ID = 1_000_000  # no statement of `programs.py` has such a high one


def derived(program: Program, seed: int) -> Program:
    """The program with some statements, here and there, moved into a function that is wrapped."""
    rng = random.Random(f"derived {seed}")
    identity = _FIRST_ID
    for block in blocks(program):
        if identity - _FIRST_ID == _MOST:
            break
        if rng.random() < 0.4:
            start = rng.randrange(len(block))
            stop = rng.randrange(start, len(block)) + 1
            body = block[start:stop]
            names = [name for statement in body for name in _bound(statement)]
            how = rng.choice(_ways(body))
            block[start:stop] = [Wrapped(identity, how, body, names)]
            identity += 1
    return program


def _ways(body: Block) -> list[str]:
    return list(FORWARD if _turns_unknown_times(body) else WRAPPERS)


def blocks(program: Program) -> list[Block]:
    """Every block with a statement in it, the outermost first."""
    found: list[Block] = [program.body, *(helper.body for helper in program.helpers)]
    for block in found:  # grows as it goes
        for statement in block:
            found += blocks_of(statement)
    return [block for block in found if block]


def blocks_of(statement: Statement) -> list[Block]:
    """The blocks that a statement holds."""
    match statement:
        case Vmap() | Loop() | Wrapped():
            return [statement.body]
        case Cond():
            return [body for body, _ in statement.branches]
        case _:
            return []


def _bound(statement: Statement) -> list[str]:
    """The names that a statement leaves behind."""
    match statement:
        case Assign() | AxisIndex() | DrawInt():
            return [statement.out]
        case Vmap():
            return [outer for _, outer, _ in statement.outs]
        case Loop():
            return [outer for _, _, _, outer in statement.carry] + [y for _, y in statement.ys]
        case Cond() | Call() | Wrapped():
            return statement.outs
        case Draw():
            return []


def _turns_unknown_times(body: Block) -> bool:
    """A loop of which nobody knows how often it turns has no reverse-mode derivative."""
    for statement in body:
        if isinstance(statement, Loop) and (
            statement.how == "while"
            or (statement.how == "fori" and isinstance(statement.count, str))
        ):
            return True
        if any(_turns_unknown_times(block) for block in blocks_of(statement)):
            return True
    return False
