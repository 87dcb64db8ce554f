"""The computed keys as plain data: a `KeyTable` for each draw, a `Ledger` for a program."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from jaxrng_doctor.tracing.subprograms import EqnPath

MORE = 2
"""At a path's end, in place of a `while` loop's jaxprs 0 and 1: whether it made more steps."""


@dataclass(frozen=True)
class KeyTable:
    """The keys of one draw.

    words: uint32, shape (*scope sizes, words of a key); a draw from several keys
        at once has all their words in a row.
    reached: bool, shape (*scope sizes): a branch not taken and a loop that ended
        earlier make no draw.
    """

    words: np.ndarray
    reached: np.ndarray


@dataclass(frozen=True)
class Ledger:
    """The computed keys: of each draw and split, by its path, and of each key output.

    `variables` has, where they were asked for, the keys of variables: at the path of the equation
    that makes them, `-1` for a jaxpr's inputs, with `-1 - number` for the variable. Their words
    have a further axis: shape (*scope sizes, keys, words).
    What cannot be computed so (inside an equation that is not followed) is missing. `cut` are the
    `while` loops that made more steps than are in the tables, by their paths. `failed` are the
    equations that could not be run, and why: what depends on them is missing. `lacking` says why
    there are no `variables` where they were asked for.
    """

    keys: Mapping[EqnPath, KeyTable] = field(default_factory=dict)
    outputs: Mapping[int, KeyTable] = field(default_factory=dict)
    variables: Mapping[EqnPath, KeyTable] = field(default_factory=dict)
    cut: Collection[EqnPath] = frozenset()
    failed: Mapping[EqnPath, str] = field(default_factory=dict)
    lacking: str = ""

    @staticmethod
    def of(
        records: Collection[tuple[EqnPath, KeyTable]],
        outputs: Mapping[int, KeyTable],
        failed: Mapping[EqnPath, str],
    ) -> Ledger:
        """Of all tables, sorted by the ends of their paths."""
        ends = {(*path[:-1], (path[-1][0], 0)): t for path, t in records if path[-1][1] == MORE}
        return Ledger(
            {path: table for path, table in records if path[-1][1] == 0},
            outputs,
            {path: table for path, table in records if path[-1][1] < 0},
            {path for path, table in ends.items() if table.reached.any()},
            failed,
        )

    def is_cut(self, path: EqnPath) -> bool:
        """The loop into whose body `path` leads made more steps than are in the tables."""
        return bool(path) and (*path[:-1], (path[-1][0], 0)) in self.cut
