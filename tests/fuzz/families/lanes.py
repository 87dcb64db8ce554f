"""Programs of the families: statements that are written as JAX and run in plain Python.

Whatever runs in parallel (examples, devices) is a `Lane`. A statement runs for all lanes before
the next one does, so that what devices exchange is one function of all their values. This module
uses no code of jaxrng-doctor, and no vmap, scan, jit or device map.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tests.fuzz.oracle import Note
from tests.fuzz.tree import Source, Where

Array = np.ndarray
Env = dict[str, Array]
Scopes = tuple[tuple[str, int, int | None], ...]
Block = list["Statement"]


@dataclass
class Lane:
    """One example or device: its variables, its index in the scopes, and its index in each axis.

    An axis without a name is identified by the id of its scope.
    """

    env: Env
    index: tuple[int, ...] = ()
    axes: dict[str, int] = field(default_factory=dict)

    def inner(self, step: int, axes: dict[str, int] | None = None) -> Lane:
        """A lane one scope deeper."""
        return Lane(dict(self.env), (*self.index, step), {**self.axes, **(axes or {})})


@dataclass
class Run:
    """`notes` has the draws by their path through the program, with their keys."""

    notes: dict[Where, Note] = field(default_factory=dict)


class Statement(Protocol):
    def write(self, out: Source, depth: int) -> None:
        """Add the statement's lines, and mark the line of each draw and scope."""

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        """Note all draws, whether reached or not."""

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        """Run the statement for every lane."""


def write_all(body: Block, out: Source, depth: int) -> None:
    for statement in body:
        statement.write(out, depth)


def outline_all(body: Block, run: Run, where: Where, scopes: Scopes) -> None:
    for statement in body:
        statement.outline(run, where, scopes)


def run_all(body: Block, run: Run, where: Where, lanes: list[Lane]) -> None:
    for statement in body:
        statement.run(run, where, lanes)


@dataclass
class Let:
    """Binds `out = text` in each lane; `value` computes it from the lane's variables."""

    out: str
    text: str
    value: Callable[[Env], Any]

    def write(self, out: Source, depth: int) -> None:
        out.add(depth, f"{self.out} = {self.text}")

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        pass

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        for lane in lanes:
            lane.env[self.out] = np.asarray(self.value(lane.env))


@dataclass
class Exchange:
    """A collective: `value` maps the values of a group's lanes, in axis order, to their results."""

    out: str
    text: str
    name: str
    axis: str
    value: Callable[[list[Array]], list[Any]]

    def write(self, out: Source, depth: int) -> None:
        out.add(depth, f"{self.out} = {self.text}")

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        pass

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        groups: dict[tuple[Any, ...], list[Lane]] = {}
        for lane in lanes:
            others = tuple(sorted((n, i) for n, i in lane.axes.items() if n != self.axis))
            groups.setdefault(others, []).append(lane)
        for group in groups.values():
            group.sort(key=lambda lane: lane.axes[self.axis])
            values = self.value([lane.env[self.name] for lane in group])
            for lane, value in zip(group, values, strict=True):
                lane.env[self.out] = np.asarray(value)


@dataclass
class AxisIndex:
    out: str
    axis: str

    def write(self, out: Source, depth: int) -> None:
        out.add(depth, f"{self.out} = lax.axis_index({self.axis!r})")

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        pass

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        for lane in lanes:
            lane.env[self.out] = np.array(lane.axes[self.axis])


@dataclass
class Draw:
    """Adds the sum of a draw to `acc`; `id` marks its line."""

    id: int
    key: str
    text: str = "jax.random.bits({key}, (2,))"

    def write(self, out: Source, depth: int) -> None:
        drawn = self.text.format(key=self.key)
        out.add(depth, f"acc = acc + jnp.sum({drawn}).astype(jnp.float32)", self.id)

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        run.notes[(*where, ("draw", self.id, 0))] = Note(list(scopes), self.id, frozenset())

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        note = run.notes[(*where, ("draw", self.id, 0))]
        for lane in lanes:
            key = tuple(int(word) for word in lane.env[self.key].reshape(-1))
            note.keys[lane.index] = key  # type: ignore[assignment]  # rbg keys have four words


@dataclass
class Case:
    """A program: its body, its arguments by name, and the preamble of its module.

    `typed` has the impl of each argument that is a typed key. `oddity` says why a gap is correct
    for the program, and is empty otherwise.
    """

    body: Block
    inputs: dict[str, Array]
    typed: dict[str, str] = field(default_factory=dict)
    preamble: list[str] = field(default_factory=list)
    oddity: str = ""

    def source(self) -> Source:
        out = Source()
        for line in ("import jax", "import jax.numpy as jnp", "from jax import lax"):
            out.add(0, line)
        for line in self.preamble:
            out.add(0, line)
        out.add(0, f"def program({', '.join(self.inputs)}):")
        out.add(1, "acc = jnp.float32(0)")
        write_all(self.body, out, 1)
        out.add(1, "return acc")
        return out

    def notes(self) -> dict[Where, Note]:
        """The draws of the program, noted while it runs in plain Python."""
        run = Run()
        outline_all(self.body, run, (), ())
        run_all(self.body, run, (), [Lane(dict(self.inputs))])
        return run.notes

    @property
    def is_faulty(self) -> bool:
        """Whether a key is drawn from twice."""
        return faulty(self.notes())


def faulty(notes: Mapping[Where, Note]) -> bool:
    """Whether a key was drawn from twice."""
    keys = [key for note in notes.values() for key in note.keys.values()]
    return len(set(keys)) < len(keys)


class Writer:
    """The base of the families' generators: new names and random decisions."""

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)
        self.count = 0

    def id(self) -> int:
        self.count += 1
        return self.count

    def name(self, letter: str) -> str:
        return f"{letter}{self.id()}"

    def chance(self, share: float) -> bool:
        return self.rng.random() < share
