"""Computes the key of every draw at every index of its scopes, as the proof of findings.

Only the part of the program that makes keys is run, once (`evaluator.py`), with the ordinary vmap
and the ordinary loops in place of the scopes. It also returns each draw's key. The result is a
`KeyTable` for each draw.
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
from jaxrng_doctor.tracing.scopes import EqnPath


class KeyProgram:
    """Only the part of a program that makes keys, to run on any inputs.

    `wanted`: the indices of the program's inputs that the keys depend on. With `variables`, the
    keys in all variables are kept, not only those of draws and splits. With `own_only`, only JAX's
    own primitives are run: no callback and no other library's primitive.
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
        """The keys for these values of the inputs `wanted`.

        If the run fails, it is repeated with `own_only`. The error is raised if that leaves
        out no equation.
        """
        try:
            return self.finish(self.start(values))
        except Exception:
            own = KeyProgram(self.trace, variables=self.variables, own_only=True)
            if self.own_only or not (ledger := own.compute(values)).failed:
                raise
            return ledger

    def start(self, values: Sequence[Any], vmaps: Sequence[Sequence[Any]] = ()) -> Any:
        """Start the run without waiting for the device; `finish` makes a `Ledger` of it.

        `vmaps`: as in `over_vmaps`, if the values are those of many examples.
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
    """Compiler options: little optimization on CPU, as it does not pay off in one or a few runs."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def compute_keys(trace: Trace, *, variables: bool = False) -> Ledger:
    """The keys of the traced call; with `variables`, also those in all variables."""
    program = KeyProgram(trace, variables=variables)
    return program.compute([equations.content(trace.values[i]) for i in program.wanted])
