"""The computed keys as plain data: a `KeyTable` per draw, and a `Ledger` per program."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from jaxrng_doctor.tracing.scopes import EqnPath

MORE = 2
"""At the end of a path, in place of the jaxpr numbers 0 and 1 of a `while` loop.

Marks the record of whether the loop made more steps than are kept.
"""


INPUTS = -1
"""In place of an equation's index: the inputs of a jaxpr."""


def variable_path(path: EqnPath, index: int, number: int) -> EqnPath:
    """The path of a variable in a `Ledger`: output `number` of the equation at `index`.

    `path` leads to its jaxpr; `index` is `INPUTS` for an input of the jaxpr. The last number is
    negative, which no path of an equation has.
    """
    return (*path, (index, -1 - number))


@dataclass(frozen=True)
class KeyTable:
    """The keys of one draw.

    words: uint32, shape (*scope sizes, words of a key); for a draw from several keys at once, all
        their words are concatenated.
    reached: bool, shape (*scope sizes): false where there is no draw, in a branch not taken or
        after the end of a loop.
    """

    words: np.ndarray
    reached: np.ndarray


@dataclass(frozen=True)
class Ledger:
    """The computed keys of each draw and split, by its path, and of each key output.

    Keys inside an equation that is not followed are missing.

    `variables`: if requested, the keys of variables, by `variable_path`. The words have one more
    axis: shape (*scope sizes, keys, words). `lacking`: why there are no `variables` although they
    were requested.

    `cut`: the paths of the `while` loops that made more steps than are in the tables. `failed`: the
    equations that could not be run, and why; keys that depend on them are missing.
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
        """Make a ledger from all tables, sorted by the last number of their paths."""
        ends = {(*path[:-1], (path[-1][0], 0)): t for path, t in records if path[-1][1] == MORE}
        return Ledger(
            {path: table for path, table in records if path[-1][1] == 0},
            outputs,
            {path: table for path, table in records if path[-1][1] < 0},
            {path for path, table in ends.items() if table.reached.any()},
            failed,
        )

    def is_cut(self, path: EqnPath) -> bool:
        """Whether the loop whose body `path` leads into made more steps than are in the tables."""
        return bool(path) and (*path[:-1], (path[-1][0], 0)) in self.cut
