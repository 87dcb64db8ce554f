"""The proof: the key of every draw at every index of its scopes, computed for real.

The part of the program that makes keys, and nothing else, is run once, with the
ordinary vmap and the ordinary loops in place of the scopes, and hands out each
draw's key beside it. In comes a `Trace`, out comes for each draw a `KeyTable`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrng_doctor import devices
from jaxrng_doctor.keytables import MORE, KeyTable, Ledger, Path
from jaxrng_doctor.trace import equations
from jaxrng_doctor.trace.concrete import over_vmaps
from jaxrng_doctor.trace.control import Call, Cond, Map, Scan, ShardMap, While, control
from jaxrng_doctor.trace.derivatives import is_tangent
from jaxrng_doctor.trace.draws import SPLIT, is_key, may_be_key
from jaxrng_doctor.trace.kept import Axis, as_ordinary
from jaxrng_doctor.trace.pieces import has_rule
from jaxrng_doctor.trace.program import Trace

MAX_WHILE_STEPS = 256
"""Keys of a `while_loop` are kept for so many steps: its length is not known beforehand."""

MAX_KEPT = 1 << 22
"""Fewer steps are kept where a `while_loop` sits inside large scopes: so many keys in all."""

MAX_HELD = 1 << 16
"""More keys of one variable, over all scopes, are not kept."""

# Key words, shape (..., words); whether the draw was reached, shape (...).
_Record = tuple[Any, Any]
_Records = dict[Path, _Record]


class KeyProgram:
    """The key-making part of a program, and nothing else of it, to be run on any inputs.

    `wanted` are the numbers of the program's inputs that the keys depend on. With `variables`,
    all variables that hold keys are kept too, beside those that are used.
    """

    def __init__(self, trace: Trace, *, variables: bool = False) -> None:
        self.trace = trace
        self.variables = variables
        self.wanted = sorted(trace.slice.inputs(trace.jaxpr))
        self._paths: list[Path] = []
        self._returned: list[int] = []
        self._compiled = jax.jit(self._listed, compiler_options=_options())

    def compute(self, values: Sequence[Any]) -> Ledger:
        """The keys where the inputs `wanted` have these values."""
        return self.finish(self.start(values))

    def start(self, values: Sequence[Any], vmaps: Sequence[Sequence[Any]] = ()) -> Any:
        """What `finish` makes a `Ledger` of; nobody waits for the device before.

        `vmaps` is of `over_vmaps`, where the values are those of many examples.
        """
        return over_vmaps(self._compiled, vmaps)(*values)

    def finish(self, started: Any) -> Ledger:
        tables, outputs = jax.tree_util.tree_map(np.asarray, started)
        found = [(p, KeyTable(*table)) for p, table in zip(self._paths, tables, strict=True)]
        ends = zip(self._returned, outputs, strict=True)
        outs = {i: KeyTable(words, np.ones(len(words), bool)) for i, words in ends}
        return Ledger.of(found, outs)

    def _listed(self, *given: Any) -> tuple[list[_Record], list[Any]]:
        trace = self.trace
        args: list[Any] = [None] * len(trace.values)
        for i, value in zip(self.wanted, given, strict=True):
            args[i] = value
        outs, records = _Run(trace, self.variables).jaxpr(trace.jaxpr, args, (), 1)
        self._paths[:] = records
        self._returned[:] = [i for i in trace.key_outputs if outs[i] is not None]
        return list(records.values()), [_rows(outs[i]) for i in self._returned]


def _options() -> dict[str, Any] | None:
    """What runs once or a few times is not worth most of the time that XLA takes to optimize it."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def compute_keys(trace: Trace, *, variables: bool = False) -> Ledger:
    """The keys of the very call that was traced."""
    program = KeyProgram(trace, variables=variables)
    return program.compute([equations.content(trace.values[i]) for i in program.wanted])


class _Run:
    """Interprets the slice of a program; `None` stands for values outside the slice."""

    def __init__(self, trace: Trace, variables: bool) -> None:
        self.slice = trace.slice
        self.variables = variables
        self._vmaps = 0  # how many are around what is being run
        self._outlines: dict[Path, tuple[list[Path], list[Any]]] = {}

    def jaxpr(
        self, jaxpr: Any, args: Sequence[Any], path: Path, room: int
    ) -> tuple[list[Any], _Records]:
        """The outputs and the records of one jaxpr. `room` is how many examples share it."""
        inner, consts = equations.open_jaxpr(jaxpr)
        env: dict[Any, Any] = dict(zip(inner.constvars, consts, strict=False))
        env.update((inner.invars[i], args[i]) for i in self.slice.inputs(inner))
        records = self._held(inner.invars, args, (*path, (-1, 0)), room)

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, equations.Literal) else env.get(atom)

        for index in self.slice.equations(inner):
            eqn = inner.eqns[index]
            values = [read(atom) for atom in eqn.invars]
            outs, more = self._equation(eqn, values, path, index, room)
            records.update(more)
            records.update(self._held(eqn.outvars, outs, (*path, (index, 0)), room))
            env.update((v, x) for v, x in zip(eqn.outvars, outs, strict=True) if x is not None)
        return [read(atom) for atom in inner.outvars], records

    def _held(
        self, variables: Sequence[Any], values: Sequence[Any], path: Path, room: int
    ) -> _Records:
        """The keys that variables hold; `path` is that of their equation."""
        records: _Records = {}
        if not self.variables:
            return records
        *above, (index, _) = path
        for number, (var, value) in enumerate(zip(variables, values, strict=True)):
            if value is not None and may_be_key(var.aval):
                rows = _rows(value)
                if 0 < len(rows) * room <= MAX_HELD:
                    records[(*above, (index, -1 - number))] = (rows, jnp.array(True))
        return records

    def _equation(
        self,
        eqn: Any,
        values: list[Any],
        path: Path,
        index: int,
        room: int,
    ) -> tuple[Sequence[Any], _Records]:
        keys = self.slice.draws.key_operands(eqn)
        records: _Records = {}
        if eqn.primitive.name == SPLIT and eqn.invars[0].aval.ndim == 0:
            keys = (0,)
        if keys and all(values[i] is not None for i in keys):
            words = jnp.concatenate([_words(values[i]) for i in keys])
            records[(*path, (index, 0))] = (words, jnp.array(True))
        elif not keys and not is_tangent(eqn):
            match None if self._vmaps and has_rule(eqn) else control(eqn):
                case Call(body):
                    return self.jaxpr(body, values, (*path, (index, 0)), room)
                case Map() as over:
                    spmd = getattr(eqn.params.get("axis"), "spmd_name", None)
                    axis = Axis(over.size, over.axis_name, spmd)
                    return self._map(over, axis, values, (*path, (index, 0)), room)
                case ShardMap() as over:
                    return self._shard_map(over, values, (*path, (index, 0)), room)
                case Scan() as scan:
                    return self._scan(scan, values, (*path, (index, 0)), room)
                case While() as loop:
                    return self._while(loop, values, path, index, room)
                case Cond(branches):
                    return self._cond(branches, values, path, index, room)
        if any(value is None for value in values) or _acts(eqn) or equations.is_stateful(eqn):
            return [None] * len(eqn.outvars), records
        return equations.evaluate(eqn, values), records

    def _outline(
        self, path: Path, run: Callable[[], tuple[Any, _Records]]
    ) -> tuple[list[Path], list[Any]]:
        """The paths and the shapes of the records that `run`, the jaxpr at `path`, would make."""
        if path not in self._outlines:  # else nested loops and branches double the work
            paths: list[Path] = []

            def listed() -> list[_Record]:
                _, records = run()
                paths[:] = records
                return list(records.values())

            self._outlines[path] = (paths, jax.eval_shape(listed))
        return self._outlines[path]

    @staticmethod
    def _relevant(values: Sequence[Any], wanted: Collection[int]) -> list[Any]:
        """A carried value that is known but not wanted would come back as `None`."""
        return [value if i in wanted else None for i, value in enumerate(values)]

    def _map(
        self, over: Map, axis: Axis, values: list[Any], path: Path, room: int
    ) -> tuple[Sequence[Any], _Records]:
        def example(args: list[Any]) -> tuple[list[Any], _Records]:
            self._vmaps += 1
            try:
                return self.jaxpr(over.body, args, path, room * over.size)
            finally:
                self._vmaps -= 1

        outs, records = _mapped(example, values, over.in_axes, axis)
        return [
            None if out is None else _lone(out) if d is None else jnp.moveaxis(out, 0, d)
            for out, d in zip(outs, over.out_axes, strict=True)
        ], records

    def _shard_map(
        self, over: ShardMap, values: list[Any], path: Path, room: int
    ) -> tuple[Sequence[Any], _Records]:
        """A vmap for each mesh axis, over blocks: no device is needed for what devices would do."""
        names = list(over.axes)
        blocks = [
            None if value is None else devices.blocks(value, dims, over.axes)
            for value, dims in zip(values, over.ins, strict=True)
        ]

        def on_devices(level: int, args: list[Any], room: int) -> tuple[list[Any], _Records]:
            if level == len(names):
                return self.jaxpr(over.body, args, path, room)
            size = over.axes[names[level]]
            in_axes = [0 if devices.is_cut(dims, names[level]) else None for dims in over.ins]

            def example(args: list[Any]) -> tuple[list[Any], _Records]:
                return on_devices(level + 1, args, room * size)

            return _mapped(example, args, in_axes, Axis(size, names[level]))

        outs, records = on_devices(0, blocks, room)
        return [
            None if out is None else devices.whole(out, dims, over.axes)
            for out, dims in zip(outs, over.outs, strict=True)
        ], records

    def _scan(
        self,
        scan: Scan,
        values: list[Any],
        path: Path,
        room: int,
    ) -> tuple[Sequence[Any], _Records]:
        carried = {scan.consts + i for i in self.slice.outputs(scan.body) if i < scan.carry}
        values = self._relevant(values, self.slice.inputs(scan.body) | carried)
        consts, init = values[: scan.consts], values[scan.consts : scan.consts + scan.carry]
        xs = values[scan.consts + scan.carry :]
        paths: list[Path] = []

        def step(carry: Any, x: Any) -> Any:
            outs, records = self.jaxpr(scan.body, [*consts, *carry, *x], path, room * scan.length)
            paths[:] = records
            carried = [
                out if before is not None else None
                for out, before in zip(outs, carry, strict=False)
            ]
            return carried, (outs[scan.carry :], list(records.values()))

        carry, (ys, records) = lax.scan(step, init, xs, length=scan.length, reverse=scan.reverse)
        return [*carry, *ys], dict(zip(paths, records, strict=True))

    def _while(
        self, loop: While, values: list[Any], path: Path, index: int, room: int
    ) -> tuple[Sequence[Any], _Records]:
        tests = values[: loop.condition_consts]
        first = loop.condition_consts + loop.body_consts
        consts = values[loop.condition_consts : first]
        carried = {i - loop.body_consts for i in self.slice.inputs(loop.body)}
        carried |= self.slice.outputs(loop.body)
        carried |= {i - loop.condition_consts for i in self.slice.inputs(loop.condition)}
        init = self._relevant(values[first:], carried)
        cap = max(2, min(MAX_WHILE_STEPS, MAX_KEPT // max(room, 1)))

        def test(carry: list[Any]) -> tuple[Any, _Records]:
            args = [*tests, *carry]
            outs, records = self.jaxpr(loop.condition, args, (*path, (index, 0)), room * cap)
            return outs[0], records

        def step(carry: list[Any]) -> tuple[list[Any], _Records]:
            args = [*consts, *carry]
            outs, records = self.jaxpr(loop.body, args, (*path, (index, 1)), room * cap)
            return [
                out if before is not None else None for out, before in zip(outs, carry, strict=True)
            ], records

        tested = self._outline((*path, (index, 0)), lambda: test(init))
        stepped = self._outline((*path, (index, 1)), lambda: step(init))

        def kept_at(count: Any, kept: list[_Record], records: _Records) -> list[_Record]:
            # Beyond the end of a buffer nothing is written.
            return [
                (w.at[count].set(word, mode="drop"), r.at[count].set(reach, mode="drop"))
                for (w, r), (word, reach) in zip(kept, records.values(), strict=True)
            ]

        def body(state: Any) -> Any:
            count, carry, _, in_tests, in_steps = state
            carry, records = step(carry)
            in_steps = kept_at(count, in_steps, records)
            goes_on, records = test(carry)
            return count + 1, carry, goes_on, kept_at(count + 1, in_tests, records), in_steps

        goes_on, records = test(init)
        in_tests = kept_at(0, _nothing(tested[1], cap), records)
        state = jnp.int32(0), init, goes_on, in_tests, _nothing(stepped[1], cap)
        count, carry, _, in_tests, in_steps = lax.while_loop(lambda state: state[2], body, state)
        paths = (*tested[0], *stepped[0])
        records = dict(zip(paths, (*in_tests, *in_steps), strict=True))
        records[(*path, (index, MORE))] = (jnp.zeros(1, jnp.uint32), count > cap)
        return carry, records

    def _cond(
        self, branches: tuple[Any, ...], values: list[Any], path: Path, index: int, room: int
    ) -> tuple[Sequence[Any], _Records]:
        choice, operands = values[0], values[1:]
        runs = [
            functools.partial(self.jaxpr, branch, operands, (*path, (index, i)), room)
            for i, branch in enumerate(branches)
        ]
        outlines = [self._outline((*path, (index, i)), run) for i, run in enumerate(runs)]
        wanted = frozenset.intersection(*(self.slice.outputs(b) for b in branches))

        def branch(number: int) -> Callable[[], Any]:
            def run() -> Any:
                outs, records = runs[number]()
                every = []
                for i, (_, shapes) in enumerate(outlines):
                    every.append(list(records.values()) if i == number else _nothing(shapes))
                return [out if i in wanted else None for i, out in enumerate(outs)], every

            return run

        outs, every = lax.switch(choice, [branch(i) for i in range(len(branches))])
        return outs, {
            p: r
            for (paths, _), records in zip(outlines, every, strict=True)
            for p, r in zip(paths, records, strict=True)
        }


def _mapped(
    example: Callable[[list[Any]], tuple[list[Any], _Records]],
    values: Sequence[Any],
    in_axes: Sequence[int | None],
    axis: Axis,
) -> tuple[list[Any], _Records]:
    """`example` of every index, by the ordinary vmap; outputs and records have a new axis 0."""
    here = [i for i, value in enumerate(values) if value is not None]
    paths: list[Path] = []

    def body(*given: Any) -> tuple[list[Any], list[_Record]]:
        args: list[Any] = [None] * len(values)
        for i, value in zip(here, given, strict=True):
            args[i] = value
        outs, records = example(args)
        paths[:] = records
        return outs, list(records.values())

    run = as_ordinary(body, [in_axes[i] for i in here], 0, axis)
    outs, records = run(*(values[i] for i in here))
    return outs, dict(zip(paths, records, strict=True))


def _nothing(shapes: Sequence[Any], *steps: int) -> list[_Record]:
    """Records of which none is reached: for a branch not taken, or the room for `steps`."""
    return [
        (jnp.zeros((*steps, *w.shape), w.dtype), jnp.zeros((*steps, *r.shape), bool))
        for w, r in shapes
    ]


def _lone(stack: Any) -> Any:
    """One of equal results; some result where there is none."""
    return stack[0] if stack.shape[0] else jnp.zeros(stack.shape[1:], stack.dtype)


def _acts(eqn: Any) -> bool:
    """The equation does something outside of the program, which must not be done twice."""
    return eqn.primitive.name in ("io_callback", "debug_callback", "debug_print")


def _rows(keys: Any) -> Any:
    """The words of an array of keys, uint32 of shape (keys, words)."""
    words = jax.random.key_data(keys) if is_key(keys) else keys
    return words.reshape(-1, words.shape[-1])


def _words(key: Any) -> Any:
    """A key's words in a row, uint32 of shape (words,); several keys one after the other."""
    words = jax.random.key_data(key) if is_key(key) else jnp.asarray(key)
    return words.reshape(-1)
