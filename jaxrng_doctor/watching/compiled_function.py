"""One compiled function of a watched program, examined at its first call.

It is traced a second time, with every vmap visible, after JAX has traced it. The small arrays that
its keys are computed from are kept from each call.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, assert_never

import jax
import jax.numpy as jnp
import numpy as np

from jaxrng_doctor.analysis.keys.compute import KeyProgram
from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.checking.examine import Diagnosis, all_keys, diagnose
from jaxrng_doctor.jax_internals import primitives
from jaxrng_doctor.jax_internals.call_hooks import distributed
from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import (
    AnyJaxpr,
    Frame,
    content,
    function_of,
    is_mutable,
    open_jaxpr,
    subjaxprs,
)
from jaxrng_doctor.jax_internals.files import is_part_of_random
from jaxrng_doctor.jax_internals.jaxprs import aval_of, pjit_p
from jaxrng_doctor.jax_internals.patches import attribute
from jaxrng_doctor.jax_internals.settings import folds_constants
from jaxrng_doctor.model.findings import Gap
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.tracing.array_call import ArrayCall, array_call, parameter_names
from jaxrng_doctor.tracing.draws import Draws, may_be_key
from jaxrng_doctor.tracing.eager_loops import is_dispatched, is_loop
from jaxrng_doctor.tracing.host_rng import generators, preserving_host_rng
from jaxrng_doctor.tracing.opaque_equations import taking_keys
from jaxrng_doctor.tracing.places import is_library, users_name
from jaxrng_doctor.tracing.program import trace_program
from jaxrng_doctor.tracing.returned_values import is_array
from jaxrng_doctor.tracing.scopes import (
    Call,
    Cond,
    Control,
    Map,
    Opaque,
    Scan,
    ShardMap,
    While,
    control,
)
from jaxrng_doctor.tracing.vmap_primitive import kept_vmap
from jaxrng_doctor.watching.program_stack import outermost_sampler, place_here
from jaxrng_doctor.watching.sharded_arrays import SPREAD, here, is_spread, sample
from jaxrng_doctor.watching.transformed import Transformed

MOST_WORDS = 1 << 16
"""The maximum total size, in elements, of the arrays that keys are computed from.

Calls with larger ones are not compared: keeping them would take too much memory.
"""


@dataclass(frozen=True)
class RecordedCall:
    """One call: its number in the program, its stack, and the values that its keys are made of.

    `vmaps`: for each value, the eager vmaps around the call that it has a leading axis for.
    `data`: samples of the other arrays, by input; `None` unless requested.
    `in_full`: a draw from several keys at once, whose vmap was transformed away, uses all of them.
    `clones`: for each value, the number of the clone that made it, or 0; empty if there are none.
    """

    number: int
    way: tuple[Frame, ...]
    values: tuple[Any, ...]
    vmaps: tuple[tuple[Any, ...], ...] = ()
    data: Mapping[int, Any] | None = None
    in_full: bool = False
    clones: tuple[int, ...] = ()


@dataclass
class Compiled:
    """A function for one signature.

    `argument`: for each input of the program, the index of the leaf of a call that it is; `None`
    for a captured constant. `flat`: the same for each key input, that is, each input that keys
    depend on. `fixed`: the values of the key inputs in the examined call, used in each call where
    `flat` is `None`; for one of `refs`, the ref itself. `refs`: the indices of the key inputs that
    mutable refs hold, which may change from call to call. If calls are not compared, all of `flat`
    is `None` and `refs` is empty. `computes`: this process has all arrays that the keys are made
    of. `if_called_again`: the gap to report if the function is called again.
    """

    name: str
    jaxpr: AnyJaxpr | None
    diagnosis: Diagnosis
    program: KeyProgram
    argument: tuple[int | None, ...]
    flat: tuple[int | None, ...]
    fixed: tuple[Any, ...]
    refs: tuple[int, ...]
    computes: bool
    calls: list[RecordedCall] = field(default_factory=list)
    if_called_again: Gap | None = None

    @property
    def is_users(self) -> bool:
        """Whether the user wrote the function, or called JAX to make it, rather than a library."""
        return self.jaxpr is None or not is_library(function_of(self.jaxpr)[1])

    @property
    def uses_keys(self) -> bool:
        return bool(self.diagnosis.draws or self.diagnosis.splits)

    @property
    def has_uncountable_draws(self) -> bool:
        """Whether a draw is visible only in a trace, which does not show how often it is made."""
        return any(_is_out_of_sight(use) for use in self.diagnosis.draws)

    def vmaps_of(self, leaves: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
        """The vmaps of the values that `values_of` returns, from those of the leaves."""
        return tuple(() if j is None else leaves[j] for j in self.flat)

    def values_of(
        self,
        leaves: Sequence[Any],
        donated: Sequence[bool] = (),
        before: Mapping[int, Any] = MappingProxyType({}),
    ) -> tuple[Any, ...]:
        """The values of the key inputs for a call with these leaves; `None` if taken from `fixed`.

        Leaves that are `donated` are copied. If the call was already made, `before` has the
        contents that its refs had before it, by the `id` of the ref. Raises `Spread` if a value
        is sharded over several processes.
        """
        values: list[Any] = [
            None if j is None else jnp.array(leaves[j]) if donated and donated[j] else leaves[j]
            for j in self.flat
        ]
        for i in self.refs:
            ref = self.fixed[i] if values[i] is None else values[i]
            values[i] = before[id(ref)] if id(ref) in before else ref[...]
        return tuple(map(here, values) if distributed() else values)

    def data_of(self, leaves: Sequence[Any]) -> dict[int, Any]:
        """Samples of the leaves of a call that no key depends on, by input of the program."""
        every = {i: leaves[j] for i, j in self._data.items() if j is not None}
        return _samples(every)

    @functools.cached_property
    def captured(self) -> dict[int, Any]:
        """Samples of the arrays that the function captured, by input of the program."""
        values = self.program.trace.values
        return _samples({i: values[i] for i, j in self._data.items() if j is None})

    @functools.cached_property
    def _data(self) -> dict[int, int | None]:
        """The inputs that no key depends on, with the index of the leaf; `None` if captured."""
        trace = self.program.trace
        of_keys = trace.lineage_slice.inputs(trace.jaxpr)
        return {i: j for i, j in enumerate(self.argument) if i not in of_keys}

    def start(self, call: RecordedCall) -> Any:
        """Start computing the keys of a call; `program.finish` takes the result."""
        values = zip(self.fixed, call.values, strict=True)
        return self.program.start([old if new is None else new for old, new in values], call.vmaps)


def compiled(
    call: JitCall, *, moved: bool, loop: Transformed | None = None, detail: bool = False
) -> Compiled | None:
    """Examine the function of `call`; `None` if it uses no key or is an internal of JAX.

    `moved`: a host generator was drawn from while JAX traced the function, which is then examined
    in any case. `loop`: the loop that JAX makes the call for. It is examined instead if the call,
    whose vmaps have been transformed away, has gaps, or if JAX folds constants; in both cases only
    if the loop itself has no gaps. With `detail`, the diagnosis keeps the computed keys, of all
    variables. Raises any exception of the second trace and of the analysis.
    """
    if not (moved or may_use_keys(call)):
        return None
    name = function_of(call.jaxpr)[0]
    found = _examined(name, call.jaxpr, _array_call(name, call), len(call.flat), detail)
    if is_dispatched(call):  # JAX records no line for it: it is made here
        at = place_here()
        gaps = tuple(replace(gap, place=gap.place or at) for gap in found.diagnosis.gaps)
        found = replace(found, diagnosis=replace(found.diagnosis, gaps=gaps))
    if loop is None or not (found.diagnosis.gaps or folds_constants()):
        return found
    whole = transformed(loop, detail=detail)
    if whole is None or whole.diagnosis.gaps:
        return found
    # Its body may have captured values that differ in another call.
    seen_once = Gap(f"calls of {loop.title} after the first are not compared")
    return replace(
        whole, jaxpr=call.jaxpr, flat=(None,) * len(whole.flat), if_called_again=seen_once
    )


def may_use_keys(call: JitCall) -> bool:
    """Whether it draws or splits, or passes a key to an equation that cannot be followed.

    Always true while JAX folds constants, except in `jax.random`. Of JAX's own functions, only
    loops and branches that the program runs eagerly count.
    """
    # The jitted parts of the functions of `jax.random` are noted when those are called. A sampler
    # that the program itself jits, such as `jax.jit(jax.random.normal)`, is not.
    if outermost_sampler() is not None:
        return False
    draws, inner = Draws(), open_jaxpr(call.jaxpr)[0]
    if is_dispatched(call):
        parts = [body for eqn in inner.eqns for body in subjaxprs(eqn)]
    elif is_part_of_random(*function_of(call.jaxpr)):
        return False
    else:
        parts = [inner]
    uses = folds_constants() or any(map(draws.uses_inside, parts))
    return uses or bool(taking_keys(draws, inner))


def _is_out_of_sight(use: Use) -> bool:
    in_loop = in_vmap = False
    for at in use.at.above()[:-1]:
        if at.eqn.primitive is kept_vmap:
            in_vmap = in_loop
        elif at.eqn.primitive is pjit_p:
            if not in_loop:
                return False
        elif is_loop(at.eqn):
            # JAX traces a loop's body with its vmaps transformed away.
            if in_vmap and _is_run_for_all(control(at.eqn)):
                return True
            in_loop = True
        elif not in_loop and at.eqn.primitive.name not in primitives.WITH_RULES:
            return True
    return False


def _is_run_for_all(inside: Control | None) -> bool:
    """Whether a vmap runs its jaxprs also for examples that would not run them on their own.

    Every example takes both branches, and as many steps as the one that takes the most.
    """
    match inside:
        case Cond() | While():
            return True
        case Call() | Map() | ShardMap() | Scan() | Opaque() | None:
            return False
        case _:
            assert_never(inside)


def transformed(call: Transformed, *, detail: bool = False) -> Compiled | None:
    """Examine a transformed function that is called outside of compiled functions.

    `None` if it has neither draws nor gaps. `detail`: see `compiled`. Raises any exception of the
    trace and of the analysis.
    """
    # JAX flattens a dict by its sorted keys, and so does `Transformed.arrays`.
    kwargs = dict(sorted(call.kwargs.items()))
    array = array_call(Target(call.title, call.fun, call.args, kwargs))
    array = _without_librarys_names(array, call.original, users_name(call.original))
    found = _examined(call.title, None, array, len(array.arrays), detail)
    return found if found.diagnosis.facts.draws or found.diagnosis.gaps else None


def _examined(
    name: str, jaxpr: AnyJaxpr | None, array: ArrayCall, leaves: int, detail: bool
) -> Compiled:
    known = generators()
    with preserving_host_rng(known), _silence():
        trace = trace_program(array, known)
    program = KeyProgram(trace)
    # jit passes the leaves in this order, without the static ones.
    has_all = len(array.arrays) == leaves
    flat = tuple(trace.argument[i] if has_all else None for i in program.wanted)
    fixed = tuple(trace.values[i] for i in program.wanted)
    refs = tuple(i for i, value in enumerate(fixed) if is_mutable(value))
    values = tuple(map(content, fixed))
    is_here = not any(map(is_spread, values))
    if is_here:
        values = tuple(map(here, values))
        fixed = tuple(old if i in refs else values[i] for i, old in enumerate(fixed))
    compute = (lambda: all_keys(trace)) if detail else (lambda: program.compute(values))
    diagnosis = diagnose(trace, run=is_here, compute=compute)
    if not detail:  # else one per function is kept for as long as the program runs
        diagnosis = replace(diagnosis, ledger=Ledger())
    sizes = [np.size(x) for i, x in enumerate(values) if flat[i] is not None or i in refs]
    why = ""
    if not is_here:
        why = SPREAD
    elif not has_all:
        why = "its arguments are not all arrays"
    elif sum(sizes) > MOST_WORDS:
        why = "its keys are made of large arrays"
    if why:
        gap = Gap(f"calls of {name} are not compared: {why}")
        flat, fixed, refs = (None,) * len(flat), values, ()
        diagnosis = replace(diagnosis, gaps=(*diagnosis.gaps, gap))
    argument = trace.argument if has_all else (None,) * len(trace.argument)
    return Compiled(name, jaxpr, diagnosis, program, argument, flat, fixed, refs, is_here)


def _samples(values: Mapping[int, Any]) -> dict[int, Any]:
    return {i: taken for i, value in values.items() if (taken := sample(value)) is not None}


def _array_call(name: str, call: JitCall) -> ArrayCall:
    """The call as a function of everything that jit traces: arrays and Python numbers."""
    fn = jax.jit(call.fun, static_argnums=call.static_argnums, static_argnames=call.static_argnames)
    target = Target(name, fn, call.args, dict(sorted(call.kwargs.items())))
    names = parameter_names(target)
    numbers = [i % len(names) for i in call.static_argnums if -len(names) <= i < len(names)]
    static = {*call.static_argnames, *(names[i] for i in numbers)}
    found = array_call(
        replace(target, static=frozenset(static)),
        lambda leaf: is_array(leaf) or isinstance(leaf, (bool, int, float, complex)),
    )
    return _without_librarys_names(found, call.fun, name)


def _without_librarys_names(call: ArrayCall, fun: Any, name: str) -> ArrayCall:
    """The call with other names if `fun` is a library's, such as the wrapper of Equinox.

    `name` is that of the user's function.
    """
    if not is_library(getattr(getattr(fun, "__code__", None), "co_filename", "")):
        return call
    keys = [may_be_key(aval_of(array)) for array in call.arrays]
    numbers = itertools.count(1)
    names = (
        f"an argument of {name}"
        if not is_key
        else "key"
        if sum(keys) == 1
        else f"key {next(numbers)} of {name}"
        for is_key in keys
    )
    return replace(call, names=tuple(names), surroundings={})


_state = threading.local()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Discard what this thread prints: the program already prints it when JAX traces it."""
    with contextlib.ExitStack() as stack:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "__dict__"):
                stack.enter_context(attribute(stream, "write", _unless_silent))
        _state.is_silent = True
        try:
            yield
        finally:
            _state.is_silent = False


def _unless_silent(write: Any) -> Callable[[str], int]:
    def written(text: str) -> int:
        if getattr(_state, "is_silent", False):
            return len(text)
        count: int = write(text)
        return count

    return written
