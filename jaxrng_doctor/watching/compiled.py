"""One compiled function of a watched program: in comes its first call, out come its faults.

It is traced a second time, with every vmap visible, after JAX has traced it for itself;
and the small arrays that its keys are made of are kept from each call.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrng_doctor.doctor import Diagnosis, diagnose
from jaxrng_doctor.findings import Gap
from jaxrng_doctor.ledger import KeyProgram
from jaxrng_doctor.target import Target
from jaxrng_doctor.trace.call import ArrayCall, array_call, is_array, parameter_names
from jaxrng_doctor.trace.calldata import JitCall
from jaxrng_doctor.trace.draws import Draws
from jaxrng_doctor.trace.equations import Frame, content, function_of, is_mutable
from jaxrng_doctor.trace.files import JAX_DIR
from jaxrng_doctor.trace.hostrng import generators, preserving_host_rng
from jaxrng_doctor.trace.program import trace_program
from jaxrng_doctor.watching.calls import Transformed

MOST_WORDS = 1 << 16
"""Calls of functions whose keys are made of larger arrays are not compared: too much to keep."""


@dataclass(frozen=True)
class Made:
    """One call: its number in the program, the way to it, what its keys are made of."""

    number: int
    way: tuple[Frame, ...]
    values: tuple[Any, ...]


@dataclass
class Compiled:
    """A function for one signature. `flat` says which leaf of a call each key input is.

    `fixed` are the key inputs that are the same for all calls, at the others is `None`. `refs`
    are the numbers of those that a mutable ref holds, another value at each call.
    """

    name: str
    jaxpr: Any
    diagnosis: Diagnosis
    program: KeyProgram
    flat: tuple[int | None, ...]
    fixed: tuple[Any, ...]
    refs: tuple[int, ...]
    calls: list[Made] = field(default_factory=list)

    @property
    def compares_calls(self) -> bool:
        """Its keys come from its arguments or refs; else its first call tells all there is."""
        return any(j is not None for j in self.flat) or bool(self.refs)

    def values_of(
        self,
        leaves: Sequence[Any],
        donated: Sequence[bool] = (),
        before: Mapping[int, Any] = MappingProxyType({}),
    ) -> tuple[Any, ...]:
        """What the keys of a call are made of, of its leaves; copied if the call takes these.

        If it was made already, `before` has what was in its refs, by their `id`.
        """
        values: list[Any] = [
            None if j is None else jnp.array(leaves[j]) if donated and donated[j] else leaves[j]
            for j in self.flat
        ]
        for i in self.refs:
            ref = self.fixed[i] if values[i] is None else values[i]
            values[i] = before[id(ref)] if id(ref) in before else ref[...]
        return tuple(values)

    def start(self, values: Sequence[Any]) -> Any:
        """The keys of a call, being computed: for `program.finish`."""
        return self.program.start(
            [old if new is None else new for old, new in zip(self.fixed, values, strict=True)]
        )


def compiled(call: JitCall, *, moved: bool) -> Compiled | None:
    """Examine the function of `call`; `None` where it neither draws nor is anybody's to mend.

    `moved`: a host generator was drawn from while JAX traced it. Raises whatever goes wrong:
    the function is traced again, and may not like it.
    """
    name, file = function_of(call.jaxpr)
    # Of JAX's own functions only the loops and branches that a program runs by themselves.
    is_jaxs = file.startswith(JAX_DIR) and not file.endswith("dispatch.py")
    if is_jaxs or not (moved or Draws().inside(call.jaxpr)):
        return None
    return _examined(name, call.jaxpr, _array_call(name, call), len(call.flat))


def transformed(call: Transformed) -> Compiled | None:
    """Examine a function that was transformed, and is called outside of compiled ones.

    Raises whatever goes wrong; `None` where it draws nothing.
    """
    name = getattr(call.original, "__name__", type(call.original).__name__)
    array = array_call(Target(name, call.fun, call.args, call.kwargs))
    found = _examined(f"{call.name}({name})", None, array, len(array.arrays))
    return found if found.diagnosis.facts.draws or found.diagnosis.gaps else None


def _examined(name: str, jaxpr: Any, array: ArrayCall, leaves: int) -> Compiled:
    known = generators()
    with preserving_host_rng(known), _silence():
        trace = trace_program(array, known)
    program = KeyProgram(trace)
    # jit takes the leaves in this very order, the static ones left out.
    has_all = len(array.arrays) == leaves
    flat = tuple(trace.argument[i] if has_all else None for i in program.wanted)
    fixed = tuple(trace.values[i] for i in program.wanted)
    refs = tuple(i for i, value in enumerate(fixed) if is_mutable(value))
    values = tuple(map(content, fixed))
    diagnosis = diagnose(trace, run=True, compute=lambda: program.compute(values))
    sizes = [np.size(x) for i, x in enumerate(values) if flat[i] is not None or i in refs]
    if not has_all or sum(sizes) > MOST_WORDS:
        why = "its keys are made of large arrays" if has_all else "its arguments are not all arrays"
        gap = Gap(f"calls of {name} are not compared: {why}")
        flat, fixed, refs = (None,) * len(flat), values, ()
        diagnosis = replace(diagnosis, gaps=(*diagnosis.gaps, gap))
    return Compiled(name, jaxpr, diagnosis, program, flat, fixed, refs)


def _array_call(name: str, call: JitCall) -> ArrayCall:
    """The call as a function of what jit traces: arrays, and Python's numbers too."""
    fn = jax.jit(call.fun, static_argnums=call.static_argnums, static_argnames=call.static_argnames)
    target = Target(name, fn, call.args, dict(sorted(call.kwargs.items())))
    names = parameter_names(target)
    numbers = [i % len(names) for i in call.static_argnums if -len(names) <= i < len(names)]
    static = {*call.static_argnames, *(names[i] for i in numbers)}
    return array_call(
        replace(target, static=frozenset(static)),
        lambda leaf: is_array(leaf) or isinstance(leaf, (bool, int, float, complex)),
    )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The program has said already what it says while it is traced."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
