"""Unique names for variables, based on the user's names if there are any."""

from __future__ import annotations

import string
from collections.abc import Iterator
from itertools import chain, count, product

from jaxrng_doctor.analysis.lineage.describe import INDICES


class Names:
    """Generates names, each only once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._letters = _letters()

    def new(self, label: str = "") -> str:
        """`label` if it is an identifier, with a number if it is taken; else letters, as in JAX."""
        wanted = self._letters
        if label.isidentifier():
            wanted = chain((label,), (f"{label}_{n}" for n in count(2)))
        name = next(name for name in wanted if name not in self._taken)
        self._taken.add(name)
        return name


def _letters() -> Iterator[str]:
    """`a`, `b`, …, without the letters that stand for the indices of scopes."""
    for length in count(1):
        names = map("".join, product(string.ascii_lowercase, repeat=length))
        yield from (name for name in names if name not in {*INDICES})
