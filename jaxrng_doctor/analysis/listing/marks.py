"""Marks that show which keys are equal, based on computed keys and derivations.

Keys are numbered in the order in which they are requested. Equal words get the same number; if no
keys were computed, equal derivations do.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from jaxrng_doctor.analysis.keys.counts import numbered
from jaxrng_doctor.analysis.keys.tables import KeyTable, Ledger
from jaxrng_doctor.analysis.lineage.key_identity import Identities
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.model.listing import KeyMark
from jaxrng_doctor.tracing.scopes import EqnPath

_FIRST = 16
_SHOWN = 64
"""At most this many keys of a variable get numbers; the others are only counted."""


class Marks:
    """The numbers of a program's keys; those of `uses` come first, in the given order."""

    def __init__(self, ledger: Ledger, uses: Sequence[Use]) -> None:
        self._ledger = ledger
        self._identities = Identities()
        self._numbers: dict[Hashable, int] = {}
        self._of_path: dict[EqnPath, KeyMark] = {}
        self._of_value: dict[tuple[int, int], KeyMark] = {}
        # Number a few keys of each use first: a report that shows only these has letters for all.
        for use in uses:
            table = ledger.keys.get(use.path)
            if table is not None:
                self._strip(_rows(table)[:_FIRST])
        for use in uses:
            table = ledger.keys.get(use.path)
            mark = self._derived(use.keys) if table is None else self._counted(table)
            self._of_path[use.path] = mark
            if len(use.keys) == 1:
                self._of_value.setdefault((id(use.keys[0]), len(use.scopes)), mark)

    @property
    def count(self) -> int:
        return len(self._numbers)

    def use(self, path: EqnPath) -> KeyMark | None:
        """The keys that a draw or a split uses."""
        return self._of_path.get(path)

    def variable(self, path: EqnPath, value: Value | None, depth: int) -> KeyMark | None:
        """The keys of a variable inside `depth` scopes; `path` as in `Ledger.variables`."""
        table = self._ledger.variables.get(path)
        if table is not None:
            return self._counted(table)
        if value is None:
            return None
        return self._of_value.get((id(value), depth)) or self._derived((value,))

    def _counted(self, table: KeyTable) -> KeyMark:
        words = _rows(table)
        strip = self._strip(words[:_SHOWN])
        return KeyMark(strip, True, len(words), len(np.unique(numbered(words))))

    def _strip(self, words: np.ndarray) -> tuple[int, ...]:
        return tuple(self._number(row.tobytes()) for row in words)

    def _derived(self, keys: Sequence[Value]) -> KeyMark:
        return KeyMark((self._number(tuple(map(self._identities.of, keys))),), False)

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _rows(table: KeyTable) -> np.ndarray:
    """The keys that were reached, uint32 of shape (keys, words)."""
    reached = table.words[table.reached]
    return np.ascontiguousarray(reached.reshape(-1, table.words.shape[-1]))
