"""Wraps parts of a program in derivatives, checkpoints and jits, which do not change its draws.

The wrapped parts are chosen by a separate random generator, so that the program of a seed still
makes the same draws from the same keys.
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

_MOST = 4  # more in one program only make it slow
_FIRST_ID = 1_000_000  # higher than the ids of `programs.py`


def derived(program: Program, seed: int) -> Program:
    """The program, in which some statements are moved into wrapped functions; changed in place."""
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
    """All blocks that contain a statement, outermost first."""
    found: list[Block] = [program.body, *(helper.body for helper in program.helpers)]
    for block in found:  # `found` grows in the loop
        for statement in block:
            found += blocks_of(statement)
    return [block for block in found if block]


def blocks_of(statement: Statement) -> list[Block]:
    """The blocks that a statement contains."""
    match statement:
        case Vmap() | Loop() | Wrapped():
            return [statement.body]
        case Cond():
            return [body for body, _ in statement.branches]
        case _:
            return []


def _bound(statement: Statement) -> list[str]:
    """The names that a statement binds in its block."""
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
    """Whether a loop has an unknown number of steps, and so no reverse-mode derivative."""
    for statement in body:
        if isinstance(statement, Loop) and (
            statement.how == "while"
            or (statement.how == "fori" and isinstance(statement.count, str))
        ):
            return True
        if any(_turns_unknown_times(block) for block in blocks_of(statement)):
            return True
    return False
