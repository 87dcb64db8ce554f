"""Computes the keys that a program draws from, by running its slice on given inputs.

Each draw and split gets a record of its key at every index of its scopes. If an equation cannot
be run, only what depends on it stays unknown.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any, assert_never

import jax
import jax.numpy as jnp
from jax import lax

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.analysis.keys import collectives, mesh_blocks
from jaxrng_doctor.analysis.keys.records import Outline, Record, Records, nothing, rows, words
from jaxrng_doctor.analysis.keys.tables import INPUTS, MORE, variable_path
from jaxrng_doctor.jax_internals import equations, primitives
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Atom, Eqn
from jaxrng_doctor.tracing.custom_vmap import has_rule
from jaxrng_doctor.tracing.derivatives import is_tangent
from jaxrng_doctor.tracing.draws import may_be_key
from jaxrng_doctor.tracing.program import Trace
from jaxrng_doctor.tracing.scopes import (
    Call,
    Cond,
    Entered,
    EqnPath,
    Map,
    Opaque,
    Scan,
    ShardMap,
    While,
    control,
    is_opaque,
)
from jaxrng_doctor.tracing.vmap_primitive import Axis, as_ordinary

MAX_WHILE_STEPS = 256
"""The most steps of a `while_loop` to keep keys of: its length is not known in advance."""

MAX_KEPT = 1 << 22
"""At most this many keys of a `while_loop` are kept over all scopes, but at least 2 steps."""

MAX_HELD = 1 << 16
"""If a variable has more keys than this over all scopes, they are not kept."""


class _NotKnown(Exception):
    """Raised if a step of a loop makes carried values unknown; `carried` has their indices."""

    def __init__(self, carried: Collection[int]) -> None:
        super().__init__()
        self.carried = carried


class KeyRun:
    """Runs the slice of a program; `None` stands for a value that is outside it or unknown.

    `failed`: the reason for each equation that could not be run, by its path. With `own_only`, it
    includes every equation that runs code other than JAX's own (a callback).
    """

    def __init__(self, trace: Trace, *, variables: bool, own_only: bool) -> None:
        self.slice = trace.slice
        self.variables = variables
        self.own_only = own_only
        self.failed: dict[EqnPath, str] = {}
        self._vmaps = 0  # how many vmaps are around the current equation
        self._outlines: dict[Any, Outline] = {}

    def jaxpr(
        self, jaxpr: AnyJaxpr, args: Sequence[Any], path: EqnPath, room: int
    ) -> tuple[list[Any], Records]:
        """The outputs and records of a jaxpr. `room`: the product of the sizes of its scopes."""
        inner, consts = equations.open_jaxpr(jaxpr)
        env: dict[Any, Any] = dict(zip(inner.constvars, consts, strict=False))
        env.update((inner.invars[i], args[i]) for i in self.slice.inputs(inner))
        records = self._held(inner.invars, args, path, INPUTS, room)

        def read(atom: Atom) -> Any:
            return atom.val if isinstance(atom, equations.Literal) else env.get(atom)

        for index in self.slice.equations(inner):
            eqn = inner.eqns[index]
            values = [read(atom) for atom in eqn.invars]
            outs, more = self._equation(eqn, values, path, index, room)
            records.update(more)
            records.update(self._held(eqn.outvars, outs, path, index, room))
            env.update((v, x) for v, x in zip(eqn.outvars, outs, strict=True) if x is not None)
        return [read(atom) for atom in inner.outvars], records

    def _held(
        self,
        variables: Sequence[Any],
        values: Sequence[Any],
        path: EqnPath,
        index: int,
        room: int,
    ) -> Records:
        """Records of the keys that the outputs of an equation, or the `INPUTS`, hold."""
        records: Records = {}
        if not self.variables:
            return records
        for number, (var, value) in enumerate(zip(variables, values, strict=True)):
            if value is not None and may_be_key(var.aval):
                keys = rows(value)
                if 0 < len(keys) * room <= MAX_HELD:
                    records[variable_path(path, index, number)] = (keys, jnp.array(True))
        return records

    def _equation(
        self,
        eqn: Eqn,
        values: list[Any],
        path: EqnPath,
        index: int,
        room: int,
    ) -> tuple[Sequence[Any], Records]:
        try:
            return self._outcome(eqn, values, path, index, room)
        except _NotKnown:
            raise
        except Exception as error:  # a primitive may raise anything; what depends on it is unknown
            self.failed[(*path, (index, 0))] = in_a_line(error)
            return [None] * len(eqn.outvars), {}

    def _outcome(
        self, eqn: Eqn, values: list[Any], path: EqnPath, index: int, room: int
    ) -> tuple[Sequence[Any], Records]:
        keys = self.slice.draws.key_operands(eqn)
        records: Records = {}
        if eqn.primitive.name == primitives.SPLIT and eqn.invars[0].aval.ndim == 0:
            keys = (0,)
        if keys and all(values[i] is not None for i in keys):
            together = jnp.concatenate([words(values[i]) for i in keys])
            records[(*path, (index, 0))] = (together, jnp.array(True))
        elif not keys and not is_tangent(eqn) and not (self._vmaps and has_rule(eqn)):
            inside = control(eqn)
            if inside is not None and not isinstance(inside, Opaque):
                return self._enter(eqn, inside, values, path, index, room)
        if any(value is None for value in values) or _has_effect(eqn) or equations.is_stateful(eqn):
            return [None] * len(eqn.outvars), records
        if self.own_only and is_opaque(eqn.primitive):
            self.failed[(*path, (index, 0))] = "it is not a primitive of JAX"
            return [None] * len(eqn.outvars), records
        if collectives.needs_all(eqn):
            return collectives.on_one_device(eqn, values), records
        return equations.evaluate(eqn, values), records

    def _enter(
        self,
        eqn: Eqn,
        inside: Entered,
        values: list[Any],
        path: EqnPath,
        index: int,
        room: int,
    ) -> tuple[Sequence[Any], Records]:
        first = (*path, (index, 0))
        match inside:
            case Call(body):
                return self.jaxpr(body, values, first, room)
            case Map() as over:
                spmd = getattr(eqn.params.get("axis"), "spmd_name", None)
                axis = Axis(over.size, over.axis_name, spmd)
                return self._map(over, axis, values, first, room)
            case ShardMap() as over:
                return self._shard_map(over, values, first, room)
            case Scan() as scan:
                return self._scan(scan, values, first, room)
            case While() as loop:
                return self._while(loop, values, path, index, room)
            case Cond(branches):
                return self._cond(branches, values, path, index, room)
            case _:
                assert_never(inside)

    def _outline(
        self,
        path: EqnPath,
        values: Sequence[Any],
        run: Callable[[], tuple[Sequence[Any], Records]],
    ) -> Outline:
        """The outline of `run`, which runs the jaxpr at `path` on `values`; nothing is computed."""
        key = path, tuple(value is None for value in values)
        if key not in self._outlines:  # otherwise each nested loop or branch would double the work
            paths: list[EqnPath] = []
            known: set[int] = set()

            def listed() -> list[Record]:
                outs, records = run()
                paths[:] = records
                known.update(i for i, out in enumerate(outs) if out is not None)
                return list(records.values())

            shapes = jax.eval_shape(listed)
            self._outlines[key] = Outline(paths, shapes, frozenset(known))
        return self._outlines[key]

    @staticmethod
    def _relevant(values: Sequence[Any], wanted: Collection[int]) -> list[Any]:
        """The values, with `None` for unwanted ones: a step would return `None` for them."""
        return [value if i in wanted else None for i, value in enumerate(values)]

    @staticmethod
    def _carried(outs: Sequence[Any], before: Sequence[Any]) -> list[Any]:
        """The carried values after a step. Raises `_NotKnown` if a known value became unknown."""
        ends = list(zip(outs, before, strict=False))
        lost = {i for i, (out, old) in enumerate(ends) if out is None and old is not None}
        if lost:
            raise _NotKnown(lost)
        return [None if old is None else out for out, old in ends]

    @staticmethod
    def _without_lost(init: Sequence[Any], run: Callable[[Sequence[Any]], Any]) -> Any:
        """The result of `run` for only those carried values that remain known after every step."""
        while True:
            try:
                return run(init)
            except _NotKnown as lost:
                init = [None if i in lost.carried else value for i, value in enumerate(init)]

    def _map(
        self, over: Map, axis: Axis, values: list[Any], path: EqnPath, room: int
    ) -> tuple[Sequence[Any], Records]:
        def example(args: list[Any]) -> tuple[list[Any], Records]:
            self._vmaps += 1
            try:
                return self.jaxpr(over.body, args, path, room * over.size)
            finally:
                self._vmaps -= 1

        outs, records = _mapped(example, values, over.in_axes, axis)
        return [
            None if out is None else _first_or_zeros(out) if d is None else jnp.moveaxis(out, 0, d)
            for out, d in zip(outs, over.out_axes, strict=True)
        ], records

    def _shard_map(
        self, over: ShardMap, values: list[Any], path: EqnPath, room: int
    ) -> tuple[Sequence[Any], Records]:
        """Run one vmap over blocks for each mesh axis, so that no devices are needed."""
        names = list(over.axes)
        blocks = [
            None if value is None else mesh_blocks.blocks(value, dims, over.axes)
            for value, dims in zip(values, over.ins, strict=True)
        ]

        def on_devices(level: int, args: list[Any], room: int) -> tuple[list[Any], Records]:
            if level == len(names):
                return self.jaxpr(over.body, args, path, room)
            size = over.axes[names[level]]
            in_axes = [0 if mesh_blocks.is_cut(dims, names[level]) else None for dims in over.ins]

            def example(args: list[Any]) -> tuple[list[Any], Records]:
                return on_devices(level + 1, args, room * size)

            return _mapped(example, args, in_axes, Axis(size, names[level]))

        outs, records = on_devices(0, blocks, room)
        return [
            None if out is None else mesh_blocks.whole(out, dims, over.axes)
            for out, dims in zip(outs, over.outs, strict=True)
        ], records

    def _scan(
        self,
        scan: Scan,
        values: list[Any],
        path: EqnPath,
        room: int,
    ) -> tuple[Sequence[Any], Records]:
        carried = {scan.consts + i for i in self.slice.outputs(scan.body) if i < scan.carry}
        values = self._relevant(values, self.slice.inputs(scan.body) | carried)
        consts, init = values[: scan.consts], values[scan.consts : scan.consts + scan.carry]
        xs = values[scan.consts + scan.carry :]
        paths: list[EqnPath] = []

        def step(carry: Any, x: Any) -> Any:
            outs, records = self.jaxpr(scan.body, [*consts, *carry, *x], path, room * scan.length)
            paths[:] = records
            carried = self._carried(outs, carry)
            return carried, (outs[scan.carry :], list(records.values()))

        def run(init: Sequence[Any]) -> Any:
            return lax.scan(step, list(init), xs, length=scan.length, reverse=scan.reverse)

        carry, (ys, records) = self._without_lost(init, run)
        return [*carry, *ys], dict(zip(paths, records, strict=True))

    def _while(
        self, loop: While, values: list[Any], path: EqnPath, index: int, room: int
    ) -> tuple[Sequence[Any], Records]:
        tests = values[: loop.condition_consts]
        first = loop.condition_consts + loop.body_consts
        consts = values[loop.condition_consts : first]
        # The slice asks the body for every carried value that a step or a test needs.
        init = self._relevant(values[first:], self.slice.outputs(loop.body))
        cap = max(2, min(MAX_WHILE_STEPS, MAX_KEPT // max(room, 1)))

        def test(carry: Sequence[Any]) -> tuple[list[Any], Records]:
            args = [*tests, *carry]
            return self.jaxpr(loop.condition, args, (*path, (index, 0)), room * cap)

        def step(carry: Sequence[Any]) -> tuple[list[Any], Records]:
            args = [*consts, *carry]
            outs, records = self.jaxpr(loop.body, args, (*path, (index, 1)), room * cap)
            return self._carried(outs, carry), records

        def outline(init: Sequence[Any]) -> tuple[Sequence[Any], Outline]:
            args = [*consts, *init]
            return init, self._outline((*path, (index, 1)), args, lambda: step(init))

        init, stepped = self._without_lost(init, outline)
        tested = self._outline((*path, (index, 0)), [*tests, *init], lambda: test(init))
        if 0 not in tested.known:
            return [None] * len(init), {}

        def kept_at(count: Any, kept: list[Record], records: Records) -> list[Record]:
            # Writes beyond the end of a buffer are dropped.
            return [
                (w.at[count].set(word, mode="drop"), r.at[count].set(reach, mode="drop"))
                for (w, r), (word, reach) in zip(kept, records.values(), strict=True)
            ]

        def body(state: Any) -> Any:
            count, carry, _, in_tests, in_steps = state
            carry, records = step(carry)
            in_steps = kept_at(count, in_steps, records)
            (goes_on,), records = test(carry)
            return count + 1, carry, goes_on, kept_at(count + 1, in_tests, records), in_steps

        (goes_on,), records = test(init)
        in_tests = kept_at(0, nothing(tested.shapes, cap), records)
        state = jnp.int32(0), list(init), goes_on, in_tests, nothing(stepped.shapes, cap)
        count, carry, _, in_tests, in_steps = lax.while_loop(lambda state: state[2], body, state)
        paths = (*tested.paths, *stepped.paths)
        records = dict(zip(paths, (*in_tests, *in_steps), strict=True))
        records[(*path, (index, MORE))] = (jnp.zeros(1, jnp.uint32), count > cap)
        return carry, records

    def _cond(
        self, branches: tuple[Any, ...], values: list[Any], path: EqnPath, index: int, room: int
    ) -> tuple[Sequence[Any], Records]:
        choice, operands = values[0], values[1:]
        if choice is None:
            return [None] * len(equations.open_jaxpr(branches[0])[0].outvars), {}
        runs = [
            functools.partial(self.jaxpr, branch, operands, (*path, (index, i)), room)
            for i, branch in enumerate(branches)
        ]
        outlines = [self._outline((*path, (index, i)), operands, run) for i, run in enumerate(runs)]
        wanted = frozenset.intersection(
            *(self.slice.outputs(b) for b in branches), *(o.known for o in outlines)
        )

        def branch(number: int) -> Callable[[], Any]:
            def run() -> Any:
                outs, records = runs[number]()
                every = []
                for i, outline in enumerate(outlines):
                    every.append(list(records.values()) if i == number else nothing(outline.shapes))
                return [out if i in wanted else None for i, out in enumerate(outs)], every

            return run

        outs, every = lax.switch(choice, [branch(i) for i in range(len(branches))])
        return outs, {
            p: r
            for outline, records in zip(outlines, every, strict=True)
            for p, r in zip(outline.paths, records, strict=True)
        }


def _mapped(
    example: Callable[[list[Any]], tuple[list[Any], Records]],
    values: Sequence[Any],
    in_axes: Sequence[int | None],
    axis: Axis,
) -> tuple[list[Any], Records]:
    """Run `example` for every index with the ordinary vmap; the results get a new axis 0."""
    here = [i for i, value in enumerate(values) if value is not None]
    paths: list[EqnPath] = []

    def body(*given: Any) -> tuple[list[Any], list[Record]]:
        args: list[Any] = [None] * len(values)
        for i, value in zip(here, given, strict=True):
            args[i] = value
        outs, records = example(args)
        paths[:] = records
        return outs, list(records.values())

    run = as_ordinary(body, [in_axes[i] for i in here], 0, axis)
    outs, records = run(*(values[i] for i in here))
    return outs, dict(zip(paths, records, strict=True))


def _first_or_zeros(stack: Any) -> Any:
    """One of several equal results; zeros if there are none."""
    return stack[0] if stack.shape[0] else jnp.zeros(stack.shape[1:], stack.dtype)


def _has_effect(eqn: Eqn) -> bool:
    """Whether the equation has an effect outside the program, which must not happen twice.

    Other callbacks with effects have no outputs, so no slice contains them.
    """
    return eqn.primitive.name == "io_callback"
