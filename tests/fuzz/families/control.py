"""Control flow: loops, branches, batches of `lax.map`, `jnp.vectorize`, rules of `custom_vjp`."""

from __future__ import annotations

from tests.fuzz.families.judge import Verdict, judged
from tests.fuzz.families.lanes import Case
from tests.fuzz.families.writing import Choice, ProgramWriter


def case(seed: int) -> Case:
    """The program of this seed."""
    return _Control(seed).case()


def verdict(seed: int) -> Verdict:
    return judged(case(seed))


class _Control(ProgramWriter):
    def __init__(self, seed: int) -> None:
        super().__init__(f"control {seed}", "threefry2x32", legacy=seed % 4 == 3)

    def statements(self) -> list[Choice]:
        return [
            (1, self.draw),
            (2, lambda: self.loop("while")),
            (1, lambda: self.loop("fori")),
            (1, lambda: self.loop("scan")),
            (2, self.branches),
            (2, self.batches),
            (2, lambda: self.map("vectorize")),
            (2, lambda: self.map("tree")),
            (1, lambda: self.map("vmap")),
            (2, self.rule),
        ]
