"""Lineage and ledger put together, draw by draw: in come uses and keys, out come `DrawFacts`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from jaxrng_doctor.counting import KeyCount
from jaxrng_doctor.facts import RBG, DrawFacts, ScopeFacts, Variation, VmapSource
from jaxrng_doctor.findings import Draw, Evidence, Gap, Scope
from jaxrng_doctor.keytables import Ledger
from jaxrng_doctor.lineage.causes import Lines, cause_of
from jaxrng_doctor.lineage.describe import describe
from jaxrng_doctor.lineage.use import Path, ScopeRef, Use
from jaxrng_doctor.trace import equations
from jaxrng_doctor.trace.control import Map, ShardMap, control
from jaxrng_doctor.trace.draws import key_impl, may_be_key, sampler_name
from jaxrng_doctor.trace.meeting import leaves_as_one, meets_varying
from jaxrng_doctor.trace.places import (
    by_lax_map,
    calling_library,
    is_pmap,
    is_users,
    jit_around,
    locate,
    loop_function,
    named_by_user,
)
from jaxrng_doctor.trace.program import Trace


def draw_facts(
    draws: Sequence[Use], ledger: Ledger, trace: Trace, redone: Collection[Path]
) -> tuple[DrawFacts, ...]:
    """What is known of each draw; the ledger may lack any of them."""
    lines = Lines()
    return tuple(_one(draw, ledger, trace, lines, redone=draw.path in redone) for draw in draws)


def cut_loops(draws: Sequence[Use], ledger: Ledger) -> Iterator[Gap]:
    """Gaps for loops whose later steps were not computed, where the trace does not tell enough."""
    for draw in draws:
        table = ledger.keys.get(draw.path)
        if table is None:
            continue
        for depth, ref in enumerate(draw.scopes):
            if ledger.is_cut(draw.into(depth)) and _variation(draw, depth) is Variation.UNKNOWN:
                steps = table.reached.shape[depth]
                yield Gap(
                    f"only the first {steps} steps of {_called(ref)} were followed, of more",
                    locate(ref.at),
                )


def _variation(draw: Use, depth: int) -> Variation:
    variations = {key.along(depth) for key in draw.keys}
    return variations.pop() if len(variations) == 1 else Variation.UNKNOWN


def _one(draw: Use, ledger: Ledger, trace: Trace, lines: Lines, *, redone: bool) -> DrawFacts:
    table = ledger.keys.get(draw.path)
    count = None if table is None else KeyCount(table.words, table.reached)
    names = [_index_name(scope, i, draw.scopes) for i, scope in enumerate(draw.scopes)]
    joint = count.everywhere() if count is not None and len(draw.scopes) > 1 else None
    pair = None if joint is None else joint.equal_pair
    jit, impl = jit_around(draw.at), key_impl(draw.at.eqn)
    return DrawFacts(
        sampler=sampler_name(draw.at.eqn),
        shape=tuple(draw.at.eqn.outvars[0].aval.shape),
        place=locate(draw.at),
        origin=describe(draw.keys[0]),
        scopes=tuple(
            _scope(
                draw,
                depth,
                None if count is None else count.along(depth, names),
                lines,
                cut=ledger.is_cut(draw.into(depth)),
            )
            for depth in range(len(draw.scopes))
        ),
        joint=joint,
        apart=() if count is None or pair is None else count.apart(pair),
        impl=impl,
        jitted=None if jit is None else str(jit.eqn.params.get("name")),
        jit_takes_key=jit is not None and any(may_be_key(v.aval) for v in jit.eqn.invars),
        constant=None if jit is None else lines.constant_of(draw.keys[0], jit),
        decides=impl in RBG and _decides(draw, trace),
        redone=redone,
    )


_UNITS = {"vmap": "example", "device": "device"}


def _index_name(scope: ScopeRef, depth: int, scopes: Sequence[ScopeRef]) -> str:
    word = _UNITS.get(scope.kind, "step")
    same = [d for d, s in enumerate(scopes) if _UNITS.get(s.kind, "step") == word]
    if len(same) == 1:
        return word
    if len(same) == 2:
        return f"{'outer' if depth == same[0] else 'inner'} {word}"
    return f"{word} of scope {depth + 1}, number"


def _scope(
    draw: Use, depth: int, evidence: Evidence | None, lines: Lines, *, cut: bool
) -> ScopeFacts:
    """`cut`: the loop has more steps than the evidence is of."""
    ref, variation = draw.scopes[depth], _variation(draw, depth)
    site = ref.at.eqn.params.get("site") if ref.kind == "vmap" else None
    varies: bool | None = {Variation.DISTINCT: True, Variation.UNKNOWN: None}.get(variation, False)
    if ref.size in (0, 1):
        varies = True  # there are no two examples that could share
    elif evidence is not None and evidence.examples > 1:
        if evidence.distinct_keys < evidence.examples:
            varies = False
        elif not cut:
            varies = True
    distinct = None if evidence is None else evidence.distinct_keys
    return ScopeFacts(
        scope=replace(scope_of(ref), varies=varies, distinct=distinct),
        variation=variation,
        cause=cause_of(draw, depth) if variation.is_same else None,
        evidence=evidence,
        vmap=VmapSource(site.function, site.in_axes) if site else None,
        basis=site.basis if site else False,
        called=_called(ref),
        meets=ref.kind == "device" and variation.is_same and _meets(draw, ref),
        declared=ref.kind == "vmap" and variation.is_same and _declared(draw, ref),
        words=ref.kind == "vmap" and lines.maps_words(draw.keys[0], depth),
        via=_via(ref),
    )


def scope_of(ref: ScopeRef) -> Scope:
    """What a scope is, whatever is drawn in it."""
    site = ref.at.eqn.params.get("site") if ref.kind == "vmap" else None
    name, file = equations.function_of(equations.subjaxprs(ref.at.eqn)[-1])
    if is_pmap(ref.at) or (_via(ref) and not is_users(file)):
        name = ""  # JAX's or the library's own function around the user's
    elif site:
        name = site.function
    return Scope(
        kind=ref.kind,
        size=ref.size,
        name=name or None,
        axis_name=named_by_user(ref.axis_name),
        place=site.place if site else locate(ref.at),
    )


def _called(ref: ScopeRef) -> str:
    if is_pmap(ref.at):
        return "pmap"
    if "site" not in ref.at.eqn.params:
        return loop_function(ref.at)
    return "lax.map's vmap" if by_lax_map(ref.at) else "vmap"


def _via(ref: ScopeRef) -> str:
    """The module of the library that made the scope for the user, `""` where the user did."""
    site = ref.at.eqn.params.get("site") if ref.kind == "vmap" else None
    return site.via if site else calling_library(equations.frames(ref.at.eqn))


def _decides(draw: Use, trace: Trace) -> bool:
    """Keys, or loops and branches around draws, depend on what is drawn."""
    return any(trace.slice.needed(draw.at.jaxpr, out) for out in draw.at.eqn.outvars)


def _meets(draw: Use, ref: ScopeRef) -> bool:
    over = control(ref.at.eqn)
    level = len(ref.at.above())
    return isinstance(over, (Map, ShardMap)) and meets_varying(
        over, ref.axis_name, draw.path[level:]
    )


def _declared(draw: Use, ref: ScopeRef) -> bool:
    over = control(ref.at.eqn)
    level = len(ref.at.above())
    return isinstance(over, Map) and leaves_as_one(over, draw.path[level:])


def as_draws(facts: Sequence[DrawFacts]) -> tuple[Draw, ...]:
    """The draws as a report lists them: what is drawn again for a backward pass is no other."""
    return tuple(
        Draw(f.sampler, f.place, f.origin, tuple(s.scope for s in f.scopes))
        for f in facts
        if not f.redone
    )
