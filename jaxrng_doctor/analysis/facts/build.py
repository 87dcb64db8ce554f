"""Builds the `ProgramFacts` of a program: everything that rules may know about it."""

from __future__ import annotations

from jaxrng_doctor._util import source
from jaxrng_doctor.analysis.facts.draws import draw_facts
from jaxrng_doctor.analysis.facts.key_reuse import returned_keys, shared_keys
from jaxrng_doctor.analysis.facts.rematerialization import redone
from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.engine import Engine
from jaxrng_doctor.analysis.lineage.reachability import Guards
from jaxrng_doctor.model.facts import HostDrawFacts, ProgramFacts
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing.program import Trace


def program_facts(trace: Trace, engine: Engine, ledger: Ledger) -> ProgramFacts:
    """The facts of a program; with an empty `ledger`, only those that the trace shows."""
    uses = [*engine.draws, *engine.splits]
    again = redone(uses, ledger)
    guards = Guards(trace)
    return ProgramFacts(
        draws=draw_facts(engine.draws, ledger, trace, again, guards),
        shared=shared_keys(uses, ledger.keys, again, guards),
        returned=returned_keys(
            uses, engine.returned, ledger.outputs, trace.out_paths, ledger.keys, guards
        ),
        host_draws=tuple(
            HostDrawFacts(library, function, place or _method_call(trace.place, function))
            for library, function, place in trace.host_draws
        ),
    )


def _method_call(function: Place | None, generator: str) -> Place | None:
    """The first method call on `generator` in the traced function, else the function itself."""
    if function is None or not generator.isidentifier():
        return function
    return next(iter(source.method_calls(function, generator)), function)
