"""Shrinks a program as long as it keeps a disagreement."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

from tests.fuzz.compare import disagreements
from tests.fuzz.derived import blocks_of
from tests.fuzz.oracle import TooLong
from tests.fuzz.tree import Assign, Block, Call, Cond, Loop, Program, Vmap, Wrapped


def kinds(reported: list[str]) -> set[str]:
    """The kinds of disagreements, without the lines and numbers, which shrinking changes."""
    return {re.sub(r"[\d\[\], ]+", " ", text.split(" is a false alarm")[0]) for text in reported}


def shrunk(program: Program, reported: list[str], tries: int = 400) -> tuple[Program, list[str]]:
    """Delete statements one by one until none can be deleted, with at most `tries` attempts."""
    wanted = kinds(reported)
    again = True
    while again and tries > 0:
        again = False
        for smaller in _smaller(program):
            tries -= 1
            if tries <= 0:
                break
            try:
                now = disagreements(smaller)
            except (KeyError, TooLong, TypeError, ValueError, IndexError):
                continue  # a name that is still used is gone or has another shape
            if wanted & kinds(now):
                program, reported, again = smaller, now, True
                break
    return program, reported


def _smaller(program: Program) -> Iterator[Program]:
    """Programs that lack one part each, the largest parts first."""
    for where in _places(program):
        for change in ("delete", "alias", "outs"):
            new = copy.deepcopy(program)
            block, index = _blocks(new)[where[0]], where[1]
            if _change(block, index, change):
                yield new
    if program.helpers:
        for index in range(len(program.helpers)):
            new = copy.deepcopy(program)
            del new.helpers[index]
            yield new


def _places(program: Program) -> list[tuple[int, int]]:
    return [(b, i) for b, block in enumerate(_blocks(program)) for i in reversed(range(len(block)))]


def _blocks(program: Program) -> list[Block]:
    found: list[Block] = [program.body]
    found += [helper.body for helper in program.helpers]
    for block in found:  # `found` grows in the loop
        for s in block:
            found += blocks_of(s)
    return [*found, program.module]  # type: ignore[list-item]


def _change(block: Block, index: int, change: str) -> bool:
    s = block[index]
    if change == "delete":
        del block[index]
        return True
    if change == "alias":
        if isinstance(s, Assign) and s.op != "same" and s.args:
            s.op, s.args = "same", s.args[-1:]
            return True
        if isinstance(s, Wrapped):
            block[index : index + 1] = s.body
            return True
        return False
    if isinstance(s, Vmap):
        if s.outs:
            s.outs.pop()
            return True
        if len(s.arguments) > 1:
            s.arguments.pop()
            return True
    if isinstance(s, Loop):
        for part in (s.carry, s.ys, s.xs if len(s.xs) > 1 or s.how == "scan" else []):
            if part:
                part.pop()
                return True
    if isinstance(s, (Cond, Call, Wrapped)) and s.outs:
        s.outs.pop()
        if isinstance(s, Cond):
            for _, results in s.branches:
                results.pop()
            return True
    return False
