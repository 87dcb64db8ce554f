"""Keys of each impl: to words and back, indexing, sorting, `where`."""

from __future__ import annotations

import numpy as np

from tests.fuzz.families.judge import Verdict, judged
from tests.fuzz.families.lanes import Array, Case
from tests.fuzz.families.writing import Choice, ProgramWriter
from tests.fuzz.tree import Var


def case(seed: int) -> Case:
    """The program of this seed."""
    return _Keys(seed).case()


def verdict(seed: int) -> Verdict:
    return judged(case(seed))


class _Keys(ProgramWriter):
    def __init__(self, seed: int) -> None:
        impl = ("threefry2x32", "rbg", "unsafe_rbg", "threefry2x32")[seed % 4]
        super().__init__(f"keys {seed}", impl, legacy=seed % 4 == 3)

    def statements(self) -> list[Choice]:
        return [
            (2, self.draw),
            (4, lambda: self.map("vmap")),
            (2, lambda: self.loop("scan")),
        ]

    def more_keys(self, a: str) -> list[Choice]:
        number = self.rng.randrange(3)
        b = self.pick(self.visible("key")).name
        words, others = self.words(a), self.words(b)

        def where() -> Var:
            n = self.integer().name
            text = f"jnp.where({n} % 2 == 0, {a}, {b})"
            return self.let("key", text, lambda e: e[a] if int(e[n]) % 2 == 0 else e[b])

        def added() -> Var:
            n = self.integer().name
            text = self.wrapped(f"{words} + {n}.astype(jnp.uint32)")
            return self.let("key", text, lambda e: e[a] + e[n].astype(np.uint32))

        return [
            (2, where),
            (2, added),
            (1, lambda: self.let("key", self.wrapped(words), lambda e: e[a])),
            (
                1,
                lambda: self.let(
                    "key",
                    self.wrapped(f"{words} ^ jnp.uint32({number})"),
                    lambda e: e[a] ^ np.uint32(number),
                ),
            ),
            (
                1,
                lambda: self.let("key", self.wrapped(f"{words} ^ {others}"), lambda e: e[a] ^ e[b]),
            ),
            (1, lambda: self.let("key", self.wrapped(f"{words}[::-1]"), lambda e: e[a][::-1])),
        ]

    def more_rows(self, n: int) -> list[Choice]:
        found = [v.name for v in self.visible("key", 1) if v.shape == (n,)]
        if not found:
            return []
        a, b = self.rng.choice(found), self.rng.choice(found)
        mask = [self.chance(0.5) for _ in range(n)]
        text = f"jnp.array({mask})" + ("[:, None]" if self.legacy else "")
        i = self.rng.randrange(n)

        def ordered() -> Var:
            ints = self.integers(n).name
            return self.let(
                "key",
                f"{a}[jnp.argsort({ints})]",
                lambda e: e[a][np.argsort(e[ints], kind="stable")],
                (n,),
            )

        def taken() -> Var:
            ints = self.integers(n).name
            return self.let("key", f"{a}[{ints} % {n}]", lambda e: e[a][e[ints] % n], (n,))

        def replaced() -> Var:
            k = self.key().name
            return self.let("key", f"{a}.at[{i}].set({k})", lambda e: _with(e[a], i, e[k]), (n,))

        return [
            (2, ordered),
            (2, taken),
            (1, replaced),
            (
                2,
                lambda: self.let(
                    "key",
                    self.wrapped(f"jnp.sort({self.words(a)}, axis=0)"),
                    lambda e: np.sort(e[a], axis=0),
                    (n,),
                ),
            ),
            (
                2,
                lambda: self.let(
                    "key",
                    f"jnp.where({text}, {a}, {b})",
                    lambda e: np.where(np.array(mask)[:, None], e[a], e[b]),
                    (n,),
                ),
            ),
            (1, lambda: self.let("key", f"{a}[::-1]", lambda e: e[a][::-1], (n,))),
            (
                1,
                lambda: self.let(
                    "key", f"jnp.roll({a}, 1, axis=0)", lambda e: np.roll(e[a], 1, axis=0), (n,)
                ),
            ),
        ]


def _with(rows: Array, index: int, row: Array) -> Array:
    changed = rows.copy()
    changed[index] = row
    return changed
