"""Device maps: `shard_map` over one or two mesh axes, `pmap`, and collectives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from tests.fuzz.families.judge import Verdict, judged
from tests.fuzz.families.lanes import (
    Array,
    Block,
    Case,
    Exchange,
    Lane,
    Run,
    Scopes,
    outline_all,
    run_all,
    write_all,
)
from tests.fuzz.families.writing import Choice, ProgramWriter
from tests.fuzz.tree import Source, Var, Where

SHARD_MAP = "jax.shard_map" if hasattr(jax, "shard_map") else "shard_map"
UNCHECKED = "check_vma=False" if hasattr(jax, "shard_map") else "check_rep=False"
PREAMBLE = [
    "import numpy as np",
    "from jax.sharding import Mesh, PartitionSpec as P",
    *([] if hasattr(jax, "shard_map") else ["from jax.experimental.shard_map import shard_map"]),
]


def case(seed: int) -> Case:
    """The program of this seed."""
    return _Devices(seed).case()


def verdict(seed: int) -> Verdict:
    return judged(case(seed))


@dataclass
class Shards:
    """A `shard_map` over four devices; `arguments` are (inner name, outer name, mesh axes).

    An argument is split along its first axis over its mesh axes, in their order. Each device uses
    the one key or integer in its block. An argument without mesh axes is replicated.
    """

    id: int
    mesh: dict[str, int]
    arguments: list[tuple[str, str, tuple[str, ...]]]
    body: Block

    def write(self, out: Source, depth: int) -> None:
        names, f = ", ".join(repr(name) for name in self.mesh), f"f_{self.id}"
        shape = ", ".join(map(str, self.mesh.values()))
        out.add(
            depth,
            f"mesh_{self.id} = Mesh(np.array(jax.devices()[:4]).reshape({shape}), ({names},))",
        )
        out.add(depth, f"def {f}(v, {', '.join(inner for inner, _, _ in self.arguments)}):")
        for inner, _, over in self.arguments:
            if over:
                out.add(depth + 1, f"{inner} = {inner}[0]")
        out.add(depth + 1, "acc = v")
        write_all(self.body, out, depth + 1)
        out.add(depth + 1, "return acc")
        specs = [
            f"P(({names},))",
            *(f"P({over!r})" if over else "P()" for _, _, over in self.arguments),
        ]
        out.add(
            depth,
            f"mapped_{self.id} = {SHARD_MAP}({f}, mesh=mesh_{self.id}, "
            f"in_specs=({', '.join(specs)},), out_specs=P(({names},)), {UNCHECKED})",
        )
        given = ", ".join(outer for _, outer, _ in self.arguments)
        out.add(depth, f"acc = acc + jnp.sum(mapped_{self.id}(jnp.ones(4), {given}))", self.id)

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        devices = tuple(("device", self.id, size) for size in self.mesh.values())
        outline_all(self.body, run, (*where, ("scope", self.id, 0)), (*scopes, *devices))

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        within = []
        for lane in lanes:
            for place in np.ndindex(*self.mesh.values()):
                at = dict(zip(self.mesh, place, strict=True))
                new = Lane(dict(lane.env), (*lane.index, *place), {**lane.axes, **at})
                for inner, outer, over in self.arguments:
                    value = lane.env[outer]
                    new.env[inner] = value[self._block(over, at)] if over else value
                within.append(new)
        run_all(self.body, run, (*where, ("scope", self.id, 0)), within)

    def _block(self, over: tuple[str, ...], at: dict[str, int]) -> int:
        block = 0
        for name in over:
            block = block * self.mesh[name] + at[name]
        return block


class _Devices(ProgramWriter):
    def __init__(self, seed: int) -> None:
        super().__init__(f"devices {seed}", "threefry2x32", legacy=seed % 4 == 3)
        self.left = self.rng.choice((1, 1, 2))
        self.mesh: dict[str, int] = {}
        self.in_map = False

    def case(self) -> Case:
        found = super().case()
        found.preamble = PREAMBLE
        return found

    def statements(self) -> list[Choice]:
        if self.mesh or self.in_map:
            return [
                (2, lambda: self.map("vmap")),
                (2, lambda: self.loop("scan")),
                (1, lambda: self.loop("fori")),
            ]
        return [(4, self.shards), (2, self.pmap), (1, self.draw)]

    def more_keys(self, a: str) -> list[Choice]:
        if not (self.mesh or self.in_map) or self.mapped_inside or not self.axes:
            return []
        return [(3, lambda: self.exchanged(a))]

    @property
    def mapped_inside(self) -> bool:
        """Inside a scope within the device map, these programs have no collectives."""
        return self.depth > 1

    def exchanged(self, a: str) -> Var:
        """A key made of words from other devices."""
        axis = self.rng.choice(self.axes)
        size = self.mesh.get(axis, 4)
        whole = [(i, (i + 1) % size) for i in range(size)]
        some = whole[: self.rng.randrange(1, size)]
        words, i = self.words(a), self.rng.randrange(size)
        kinds: list[tuple[str, Callable[[list[Array]], list[Any]]]] = [
            (f"lax.psum({words}, {axis!r})", lambda rows: [sum(rows)] * size),
            (f"lax.pmax({words}, {axis!r})", lambda rows: [np.max(rows, axis=0)] * size),
            (f"lax.ppermute({words}, {axis!r}, {whole})", lambda rows: _moved(rows, whole)),
            (f"lax.ppermute({words}, {axis!r}, {some})", lambda rows: _moved(rows, some)),
            (f"lax.all_gather({words}, {axis!r})[{i}]", lambda rows: [rows[i]] * size),
        ]
        text, value = self.rng.choice(kinds)
        var = Var(self.name("k"), "key")
        self.out.append(Exchange(var.name, self.wrapped(text), a, axis, value))
        self.env.append(var)
        return var

    def inside(self) -> None:
        for _ in range(self.rng.choice((1, 1, 2))):
            if self.depth < 2 and self.chance(0.35):
                self.statement()
            else:
                self.draw()

    def shards(self) -> None:
        identity = self.id()
        names = [f"a{identity}", f"b{identity}"]
        mesh = {names[0]: 4} if self.chance(0.5) else dict.fromkeys(names, 2)
        every = tuple(mesh)
        arguments: list[tuple[str, str, tuple[str, ...]]] = []
        inner = []
        for kind in self.rng.choice((("int",), ("key",), ("key", "int"), ("one",))):
            over = self.rng.choice([every, (every[0],)]) if kind != "one" else ()
            size = int(np.prod([mesh[name] for name in over]))
            source = (
                self.key()
                if kind == "one"
                else self.row(size)
                if kind == "key"
                else self.integers(size)
            )
            var = Var(self.name("n" if kind == "int" else "k"), "int" if kind == "int" else "key")
            inner.append(var)
            arguments.append((var.name, source.name, over))
        self.mesh, self.axes = mesh, list(mesh)

        def write() -> None:
            # A key that the function captures is the same on all devices.
            self.env.extend(inner)
            self.inside()

        block, _ = self.block(write)
        self.mesh, self.axes = {}, []
        self.out.append(Shards(identity, mesh, arguments, block))

    def pmap(self) -> None:
        self.in_map = True
        self.map("pmap", 4)
        self.in_map = False


def _moved(rows: list[Array], pairs: list[tuple[int, int]]) -> list[Array]:
    """What each device receives; zeros if none sends to it."""
    got = [np.zeros_like(rows[0]) for _ in rows]
    for source, target in pairs:
        got[target] = rows[source]
    return got
