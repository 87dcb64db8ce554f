"""Mutable refs that hold keys or counters, in plain code, loops, branches and maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.fuzz.families import impls
from tests.fuzz.families.judge import Verdict, judged
from tests.fuzz.families.lanes import Array, Block, Case, Env, Lane, Run, Scopes
from tests.fuzz.families.scopes import Argument
from tests.fuzz.families.writing import Choice, ProgramWriter
from tests.fuzz.tree import Source, Var, Where


def case(seed: int) -> Case:
    """The program of this seed."""
    return _Refs(seed).case()


def verdict(seed: int) -> Verdict:
    return judged(case(seed))


@dataclass
class Box:
    """The value of a ref, which all of its users read and write."""

    value: Array


class Row:
    """A row of a ref, as one example of a map has it."""

    def __init__(self, box: Box, index: int) -> None:
        self.box, self.index = box, index

    @property
    def value(self) -> Array:
        row: Array = self.box.value[self.index]
        return row

    @value.setter
    def value(self, new: Array) -> None:
        rows = self.box.value.copy()
        rows[self.index] = new
        self.box.value = rows


class RefArgument(Argument):
    """An argument of a map that is a ref."""

    def of(self, lane: Lane, i: int) -> Any:
        return Row(lane.env[self.outer], i)  # type: ignore[arg-type]  # the value is a `Box`


@dataclass
class Act:
    """A line of text, and a function that has the same effect on the variables of a lane."""

    text: str
    act: Callable[[dict[str, Any]], None]

    def write(self, out: Source, depth: int) -> None:
        out.add(depth, self.text)

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        pass

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        for lane in lanes:
            self.act(lane.env)


def _held(env: Env, ref: str) -> Array:
    box: Any = env[ref]
    held: Array = box.value
    return held


class _Refs(ProgramWriter):
    def __init__(self, seed: int) -> None:
        super().__init__(f"refs {seed}", "threefry2x32", legacy=seed % 4 == 3)
        self.left = self.rng.choice((2, 3, 4))
        self.frozen: set[str] = set()

    def statements(self) -> list[Choice]:
        return [
            (2, self.draw),
            (2, self.new),
            (2, self.write),
            (2, lambda: self.map("vmap")),
            (2, lambda: self.loop("scan")),
            (2, lambda: self.loop("fori")),
            (1, self.branches),
        ]

    def block(self, write: Callable[[], Any], *, mapped: bool = False) -> tuple[Block, Any]:
        """A block; inside a map it only reads the refs from outside the map."""
        frozen = self.frozen
        if mapped:
            self.frozen = {v.name for v in self.env if v.kind in ("ref", "counter")}
        found = super().block(write, mapped=mapped)
        self.frozen = frozen
        return found

    def more_keys(self, a: str) -> list[Choice]:
        choices: list[Choice] = []
        refs = [v.name for v in self.visible("ref")]
        counters = [v.name for v in self.visible("counter")]
        if refs:
            ref = self.rng.choice(refs)
            choices.append((3, lambda: self.let("key", f"{ref}[...]", lambda e: _held(e, ref))))
        if own := [name for name in refs if name not in self.frozen]:
            choices.append((8, lambda: self.taken(self.rng.choice(own))))
        if own_counters := [name for name in counters if name not in self.frozen]:
            choices.append((6, lambda: self.counted(self.rng.choice(own_counters), a)))
        if not self.mapped and not refs:
            choices.append((6, lambda: self.taken(self.new())))
        return choices

    def new(self) -> str:
        """Make a ref of a key and a ref of a counter; return the name of the first."""
        key, ref, counter = self.key().name, self.name("r"), self.name("c")

        def make(env: dict[str, Any]) -> None:
            env[ref], env[counter] = Box(env[key]), Box(np.array(0))

        self.out.append(
            Act(f"{ref}, {counter} = jax.new_ref({key}), jax.new_ref(jnp.int32(0))", make)
        )
        self.env += [Var(ref, "ref"), Var(counter, "counter")]
        return ref

    def taken(self, ref: str) -> Var:
        """A key split from the ref's key; the ref then has the next key, or sometimes the same."""
        own = Var(self.name("k"), "key")
        kept = f"{ref}[...]" if self.chance(0.7) else "_"

        def take(env: dict[str, Any]) -> None:
            after, env[own.name] = impls.split(self.impl, env[ref].value, 2)
            if kept != "_":
                env[ref].value = after

        self.out.append(Act(f"{kept}, {own.name} = jax.random.split({ref}[...])", take))
        self.env.append(own)
        return own

    def counted(self, counter: str, key: str) -> Var:
        """The key with the counter's number folded in; the counter then usually increases."""
        own, step = Var(self.name("k"), "key"), self.rng.choice((0, 1, 1, 1))

        def count(env: dict[str, Any]) -> None:
            env[own.name] = impls.fold_in(self.impl, env[key], env[counter].value)
            env[counter].value = env[counter].value + step

        text = f"{own.name} = jax.random.fold_in({key}, {counter}[...]); {counter}[...] += {step}"
        self.out.append(Act(text, count))
        self.env.append(own)
        return own

    def write(self) -> None:
        """Write another key into a ref."""
        own = [v.name for v in self.visible("ref") if v.name not in self.frozen]
        if not own:
            return
        ref, key = self.rng.choice(own), self.key().name

        def put(env: dict[str, Any]) -> None:
            env[ref].value = env[key]

        self.out.append(Act(f"{ref}[...] = {key}", put))

    def arguments(self, n: int, kinds: tuple[str, ...]) -> tuple[list[Argument], list[Var]]:
        """Arguments of a map, sometimes with a ref that has a key for each example."""
        found, inner = super().arguments(n, kinds)
        if self.depth == 0 and self.chance(0.5):
            row, ref, var = self.row(n).name, self.name("r"), Var(self.name("r"), "ref")

            def make(env: dict[str, Any]) -> None:
                env[ref] = Box(env[row])

            self.out.append(Act(f"{ref} = jax.new_ref({row})", make))
            found.append(RefArgument(var.name, ref, 0, "0"))
            inner.append(var)
        return found, inner
