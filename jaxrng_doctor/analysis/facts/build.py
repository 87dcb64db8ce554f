"""Builds the `ProgramFacts` of a program: everything that rules may know about it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from jaxrng_doctor._util import source
from jaxrng_doctor._util.groups import Groups
from jaxrng_doctor.analysis.facts.draws import draw_facts
from jaxrng_doctor.analysis.facts.key_reuse import returned_keys, shared_keys
from jaxrng_doctor.analysis.facts.rematerialization import redone
from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.engine import Engine
from jaxrng_doctor.analysis.lineage.reachability import Guards
from jaxrng_doctor.model.facts import DrawFacts, HostDrawFacts, ProgramFacts
from jaxrng_doctor.model.findings import LOOPS, Place
from jaxrng_doctor.tracing.program import Trace


def program_facts(trace: Trace, engine: Engine, ledger: Ledger) -> ProgramFacts:
    """The facts of a program; with an empty `ledger`, only those that the trace shows."""
    uses = [*engine.draws, *engine.splits]
    again = redone(uses, ledger)
    guards = Guards(trace)
    causes = Groups()
    draws = draw_facts(engine.draws, ledger, trace, again, guards, causes)
    shared = shared_keys(uses, ledger.keys, again, guards, causes)
    returned = returned_keys(
        uses, engine.returned, ledger.outputs, trace.out_paths, ledger.keys, guards, causes
    )
    pairs: dict[Hashable, Hashable] = {
        path: s.cause_id for s in shared for _, paths in s.uses for path in paths
    }
    loops: dict[Hashable, Hashable] = {
        use.path: scope.cause_id
        for use, draw in zip(engine.draws, draws, strict=True)
        for scope in draw.scopes
        if scope.scope.kind in LOOPS and scope.variation.is_same and scope.is_checked
    }
    for found in returned:
        # A carry that comes back unchanged is used again in the next step, there as the same key
        # or, if the step derives it, as another one.
        for used_again in (loops, pairs):
            if found.cause_id in used_again:
                causes.join(found.cause_id, used_again[found.cause_id])
    return ProgramFacts(
        draws=tuple(_with_cause_ids(draw, causes) for draw in draws),
        shared=tuple(replace(s, cause_id=causes.number_of(s.cause_id)) for s in shared),
        returned=tuple(replace(r, cause_id=causes.number_of(r.cause_id)) for r in returned),
        host_draws=tuple(
            HostDrawFacts(library, function, place or _method_call(trace.place, function))
            for library, function, place in trace.host_draws
        ),
    )


def _with_cause_ids(draw: DrawFacts, causes: Groups) -> DrawFacts:
    """The draw with the numbers of its causes, which are known only after all facts."""
    scopes = tuple(
        s if s.cause_id is None else replace(s, cause_id=causes.number_of(s.cause_id))
        for s in draw.scopes
    )
    constant = None if draw.constant is None else causes.number_of(draw.constant_id)
    return replace(draw, scopes=scopes, constant_id=constant)


def _method_call(function: Place | None, generator: str) -> Place | None:
    """The first method call on `generator` in the traced function, else the function itself."""
    if function is None or not generator.isidentifier():
        return function
    return next(iter(source.method_calls(function, generator)), function)
