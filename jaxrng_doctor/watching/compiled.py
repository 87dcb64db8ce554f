"""One compiled function of a watched program: in comes its first call, out come its faults.

It is traced a second time, with every vmap visible, after JAX has traced it for itself;
and the small arrays that its keys are made of are kept from each call.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrng_doctor.doctor import Diagnosis, diagnose
from jaxrng_doctor.findings import Gap
from jaxrng_doctor.keytables import Ledger
from jaxrng_doctor.ledger import KeyProgram
from jaxrng_doctor.target import Target
from jaxrng_doctor.trace.call import ArrayCall, array_call, is_array, parameter_names
from jaxrng_doctor.trace.draws import Draws
from jaxrng_doctor.trace.equations import Frame, function_of
from jaxrng_doctor.trace.hostrng import preserving_host_rng
from jaxrng_doctor.trace.jaxprs import JAX_DIR, JitCall
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

    `fixed` are the key inputs that are the same for all calls, at the others is `None`.
    """

    name: str
    jaxpr: Any
    diagnosis: Diagnosis
    program: KeyProgram
    flat: tuple[int | None, ...]
    fixed: tuple[Any, ...]
    calls: list[Made] = field(default_factory=list)

    @property
    def compares_calls(self) -> bool:
        """Its keys come from its arguments; else its first call tells all there is to tell."""
        return any(j is not None for j in self.flat)

    @property
    def draws_out_of_sight(self) -> bool:
        """It draws where only a trace comes: inside of a jit, a loop or a branch."""
        for path, draw in zip(self.diagnosis.paths, self.diagnosis.facts.draws, strict=True):
            vmaps = sum(around.scope.kind == "vmap" for around in draw.scopes)
            if len(path) > 1 + vmaps:
                return True
        return False

    def values_of(self, leaves: Sequence[Any], *, copy: bool = False) -> tuple[Any, ...]:
        """What the keys of a call are made of, of its leaves; copied if the call takes these."""
        given = [None if j is None else leaves[j] for j in self.flat]
        if copy:
            given = [None if x is None else jnp.array(x, copy=True) for x in given]
        return tuple(given)

    def keys_of(self, values: Sequence[Any]) -> Ledger:
        filled = [old if new is None else new for old, new in zip(self.fixed, values, strict=True)]
        return self.program.compute(filled)


def compiled(call: JitCall) -> Compiled | None:
    """Examine the function of `call`; `None` where it neither draws nor is anybody's to mend.

    Raises whatever goes wrong: the function is traced again, and may not like it.
    """
    name, file = function_of(call.jaxpr)
    # Of JAX's own functions only the loops and branches that a program runs by themselves.
    is_jaxs = file.startswith(JAX_DIR) and not file.endswith("dispatch.py")
    if is_jaxs or not Draws().inside(call.jaxpr):
        return None
    return _examined(name, call.jaxpr, _array_call(name, call), len(call.flat))


def transformed(call: Transformed) -> Compiled | None:
    """Examine a function that was transformed, and is called outside of compiled ones.

    Raises whatever goes wrong; `None` where it draws nothing.
    """
    array = array_call(Target(call.title, call.fun, call.args, call.kwargs))
    found = _examined(call.title, None, array, len(array.arrays))
    return found if found.diagnosis.facts.draws or found.diagnosis.gaps else None


def _examined(name: str, jaxpr: Any, array: ArrayCall, leaves: int) -> Compiled:
    with preserving_host_rng(), _silence():
        trace = trace_program(array)
    program = KeyProgram(trace)
    # jit takes the leaves in this very order, the static ones left out.
    known = len(array.arrays) == leaves
    flat = tuple(trace.argument[i] if known else None for i in program.wanted)
    values = tuple(trace.values[i] for i in program.wanted)
    diagnosis = diagnose(trace, run=True, compute=lambda: program.compute(values))
    sizes = [np.size(x) for x, j in zip(values, flat, strict=True) if j is not None]
    if not known or sum(sizes) > MOST_WORDS:
        why = "its keys are made of large arrays" if known else "its arguments are not all arrays"
        gap = Gap(f"calls of {name} are not compared: {why}")
        flat = (None,) * len(flat)
        diagnosis = replace(diagnosis, gaps=(*diagnosis.gaps, gap))
    return Compiled(name, jaxpr, diagnosis, program, flat, values)


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
