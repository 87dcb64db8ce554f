"""The proof: the key of every draw at every index of its scopes, computed for real.

The part of the program that makes keys, and nothing else, is run once (`keyruns.py`), with
the ordinary vmap and the ordinary loops in place of the scopes, and hands out each
draw's key beside it. The result is a `KeyTable` for each draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxrng_doctor.analysis.keys.evaluator import KeyRun
from jaxrng_doctor.analysis.keys.records import Record, rows
from jaxrng_doctor.analysis.keys.tables import KeyTable, Ledger
from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.settings import own_settings
from jaxrng_doctor.jax_internals.tracers import over_vmaps
from jaxrng_doctor.tracing.program import Trace
from jaxrng_doctor.tracing.subprograms import EqnPath


class KeyProgram:
    """The key-making part of a program, and nothing else of it, to be run on any inputs.

    `wanted` are the numbers of the program's inputs that the keys depend on. With `variables`,
    all variables that hold keys are kept too, beside those that are used. With `own_only`,
    nothing is run but what is JAX's own: no callback and no other library's primitive.
    """

    def __init__(self, trace: Trace, *, variables: bool = False, own_only: bool = False) -> None:
        self.trace = trace
        self.variables = variables
        self.own_only = own_only
        self.wanted = sorted(trace.slice.inputs(trace.jaxpr))
        self._paths: list[EqnPath] = []
        self._returned: list[int] = []
        self._failed: Mapping[EqnPath, str] = {}
        self._compiled = jax.jit(self._listed, compiler_options=_options())

    def compute(self, values: Sequence[Any]) -> Ledger:
        """The keys where the inputs `wanted` have these values."""
        try:
            return self.finish(self.start(values))
        except Exception:
            own = KeyProgram(self.trace, variables=self.variables, own_only=True)
            if self.own_only or not (ledger := own.compute(values)).failed:
                raise
            return ledger

    def start(self, values: Sequence[Any], vmaps: Sequence[Sequence[Any]] = ()) -> Any:
        """What `finish` makes a `Ledger` of; nobody waits for the device before.

        `vmaps` is of `over_vmaps`, where the values are those of many examples.
        """
        with own_settings():
            return over_vmaps(self._compiled, vmaps)(*values)

    def finish(self, started: Any) -> Ledger:
        tables, outputs = jax.tree_util.tree_map(np.asarray, started)
        found = [(p, KeyTable(*table)) for p, table in zip(self._paths, tables, strict=True)]
        ends = zip(self._returned, outputs, strict=True)
        outs = {i: KeyTable(words, np.ones(len(words), bool)) for i, words in ends}
        return Ledger.of(found, outs, self._failed)

    def _listed(self, *given: Any) -> tuple[list[Record], list[Any]]:
        trace = self.trace
        args: list[Any] = [None] * len(trace.values)
        for i, value in zip(self.wanted, given, strict=True):
            args[i] = value
        run = KeyRun(trace, variables=self.variables, own_only=self.own_only)
        outs, records = run.jaxpr(trace.jaxpr, args, (), 1)
        self._failed = run.failed
        self._paths[:] = records
        self._returned[:] = [i for i in trace.key_outputs if outs[i] is not None]
        return list(records.values()), [rows(outs[i]) for i in self._returned]


def _options() -> dict[str, Any] | None:
    """What runs once or a few times is not worth most of the time that XLA takes to optimize it."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def compute_keys(trace: Trace, *, variables: bool = False) -> Ledger:
    """The keys of the very call that was traced."""
    program = KeyProgram(trace, variables=variables)
    return program.compute([equations.content(trace.values[i]) for i in program.wanted])
