"""Builds the `DrawFacts` of each draw, from its lineage and its computed keys."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, assert_never

from jaxrng_doctor._util.groups import Groups
from jaxrng_doctor.analysis.keys.counts import KeyCount
from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.causes import Lines, cause_of, key_shared_over, shared_over
from jaxrng_doctor.analysis.lineage.describe import describe
from jaxrng_doctor.analysis.lineage.reachability import Guards, at_most_one
from jaxrng_doctor.analysis.lineage.uses import ScopeRef, Use
from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.model.facts import (
    RBG,
    DrawFacts,
    Joint,
    Reach,
    ScopeFacts,
    Variation,
    VmapSource,
    repeats,
)
from jaxrng_doctor.model.findings import UNITS, Draw, Evidence, Gap, Scope
from jaxrng_doctor.tracing.draws import key_impl, may_be_key, sampler_called
from jaxrng_doctor.tracing.meets_data import leaves_unmapped, meets_varying
from jaxrng_doctor.tracing.places import (
    by_lax_map,
    calling_library,
    is_pmap,
    is_users,
    jit_around,
    library_line,
    locate,
    loop_function,
    named_by_user,
)
from jaxrng_doctor.tracing.program import Trace
from jaxrng_doctor.tracing.scopes import (
    Call,
    Cond,
    EqnPath,
    Map,
    Opaque,
    Scan,
    ShardMap,
    While,
    control,
)


def draw_facts(
    draws: Sequence[Use],
    ledger: Ledger,
    trace: Trace,
    redone: Collection[EqnPath],
    guards: Guards,
    causes: Groups,
) -> tuple[DrawFacts, ...]:
    """The facts of each draw; `ledger` may lack the keys of any draw.

    In `causes`, the ids of scopes that share a key for one reason are joined.
    """
    lines = Lines()
    entered = functools.cache(_entered)  # many draws share a scope
    found = tuple(
        _one(draw, ledger, trace, lines, entered, guards, redone=draw.path in redone)
        for draw in draws
    )
    for draw, facts in zip(draws, found, strict=True):
        _join_scopes(draw, facts, causes)
    return found


def _join_scopes(draw: Use, facts: DrawFacts, causes: Groups) -> None:
    """Several scopes of a draw that share one key have one cause.

    An argument of a scope is identified by its name, so it is also compared as a key.
    """
    by_key: dict[Hashable, Hashable] = {}
    for depth, scope in enumerate(facts.scopes):
        if isinstance(scope.cause_id, tuple) and scope.is_checked:
            _, shared = scope.cause_id
            found = [("shared", shared)]
            if scope.variation is Variation.CONSTANT:
                found.append(("key", key_shared_over(draw, depth)))
            for each in found:
                causes.join(by_key.setdefault(each, scope.cause_id), scope.cause_id)


class _ScopeData(NamedTuple):
    """The facts of a scope that do not depend on a draw; `called` and `via` as in `ScopeFacts`."""

    scope: Scope
    called: str
    via: str


def _entered(ref: ScopeRef) -> _ScopeData:
    return _ScopeData(scope_of(ref), _called(ref), _via(ref))


def cut_loops(draws: Sequence[Use], ledger: Ledger) -> Iterator[Gap]:
    """Gaps for loops whose later steps were not computed, if the variation over them is unknown."""
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


def not_run(trace: Trace, ledger: Ledger) -> Iterator[Gap]:
    """Gaps for the equations that could not be run: keys that depend on them are unknown."""
    for path, why in ledger.failed.items():
        at = trace.at(path)
        message = (
            f"`{at.eqn.primitive.name}` could not be run, so the keys derived from it are unknown"
        )
        yield Gap(f"{message} ({why})", locate(at))


def _variation(draw: Use, depth: int) -> Variation:
    variations = {key.along(depth) for key in draw.keys}
    return variations.pop() if len(variations) == 1 else Variation.UNKNOWN


def _one(
    draw: Use,
    ledger: Ledger,
    trace: Trace,
    lines: Lines,
    entered: Callable[[ScopeRef], _ScopeData],
    guards: Guards,
    *,
    redone: bool,
) -> DrawFacts:
    table = ledger.keys.get(draw.path)
    count = None if table is None else KeyCount(table.words, table.reached)
    names = [_index_name(scope, i, draw.scopes) for i, scope in enumerate(draw.scopes)]
    jit, impl = jit_around(draw.at), key_impl(draw.at.eqn)
    cut = [ledger.is_cut(draw.into(depth)) for depth in range(len(draw.scopes))]
    scopes = [
        _scope(
            draw,
            depth,
            entered(ref),
            None if count is None else replace(count.along(depth, names), unit=UNITS[ref.kind]),
            lines,
            cut=cut[depth],
        )
        for depth, ref in enumerate(draw.scopes)
    ]
    scopes = _with_reach(draw, scopes, guards, is_whole=count is not None and not any(cut))
    return DrawFacts(
        sampler=sampler_called(draw.at),
        shape=tuple(draw.at.eqn.outvars[0].aval.shape),
        place=locate(draw.at),
        origin=describe(draw.keys[0]),
        scopes=tuple(scopes),
        joint=() if count is None else tuple(_joint(count, scopes, names)),
        impl=impl,
        jitted=None if jit is None else str(jit.eqn.params.get("name")),
        jit_takes_key=jit is not None and any(may_be_key(v.aval) for v in jit.eqn.invars),
        constant=None if jit is None else lines.constant_of(draw.keys[0], jit),
        constant_id=lines.root_of(draw.keys[0]),
        decides=impl in RBG and _decides(draw, trace),
        redone=redone,
        library_line=library_line(draw.at),
    )


def _with_reach(
    draw: Use, scopes: Sequence[ScopeFacts], guards: Guards, *, is_whole: bool
) -> list[ScopeFacts]:
    """All scopes; those over which the key is the same get their `reach`.

    A scope with reach `one` gets `varies=True`. `is_whole`: the evidence contains every draw that
    the program makes for the given inputs.
    """
    shared = {depth for depth, s in enumerate(scopes) if s.variation.is_same and s.is_checked}
    found = list(scopes)
    once = {depth for depth in shared if at_most_one(guards.of(draw), depth)}
    for depth in shared:
        evidence = scopes[depth].evidence
        few = evidence is not None and evidence.examples < 2
        reach: Reach = "many"
        if is_whole and few:
            by_chance = depth not in once and guards.by_inputs(draw)
            reach = "one this time" if by_chance else "one"
        elif depth in once and (evidence is None or few) and (len(shared) == 1 or once != shared):
            # `once` holds with the other scopes fixed. If it contains all of several scopes, two
            # draws may still be made, at indices that differ in more than one scope.
            reach = "one"
        if reach == "one":
            scope = replace(scopes[depth].scope, varies=True)
            found[depth] = replace(scopes[depth], scope=scope, reach=reach)
        else:
            found[depth] = replace(scopes[depth], reach=reach)
    return found


_MOST_SCOPES = 6  # with more, only pairs and all together are counted: too many combinations


def _joint(count: KeyCount, scopes: Sequence[ScopeFacts], names: Sequence[str]) -> Iterator[Joint]:
    """The smallest sets of scopes that share keys together, although none does so alone."""
    judged = [depth for depth, s in enumerate(scopes) if s.is_checked and not s.repeats]
    if len(judged) < 2 or not repeats(count.over(judged, names)):
        return
    found: list[set[int]] = []
    sizes = range(2, len(judged) + 1) if len(judged) <= _MOST_SCOPES else [2, len(judged)]
    for depths in itertools.chain.from_iterable(itertools.combinations(judged, n) for n in sizes):
        if any(known <= set(depths) for known in found):
            continue
        evidence = count.over(depths, names)
        if evidence.equal_pair is None:
            continue
        ends = [count.places(depths, example) for example in evidence.equal_pair]
        apart = [i for i, (one, other) in enumerate(zip(*ends, strict=True)) if one != other]
        found.append({depths[i] for i in apart})
        over = (
            "all scopes" if len(depths) == len(scopes) else " and ".join(names[d] for d in depths)
        )
        fixed = ", ".join(filter(None, [f"over {over} together", evidence.fixed]))
        pair = [", ".join(f"{names[depths[i]]} {end[i]}" for i in apart) for end in ends]
        yield Joint(
            tuple(depths[i] for i in apart), replace(evidence, fixed=fixed), (pair[0], pair[1])
        )


def _index_name(scope: ScopeRef, depth: int, scopes: Sequence[ScopeRef]) -> str:
    word = UNITS[scope.kind]
    same = [d for d, s in enumerate(scopes) if UNITS[s.kind] == word]
    if word == "device" and len(same) > 1 and (axis := named_by_user(scope.axis_name)):
        return axis
    if len(same) == 1:
        return word
    if len(same) == 2:
        return f"{'outer' if depth == same[0] else 'inner'} {word}"
    return f"{word} of scope {depth + 1}, number"


def _scope(
    draw: Use,
    depth: int,
    entered: _ScopeData,
    evidence: Evidence | None,
    lines: Lines,
    *,
    cut: bool,
) -> ScopeFacts:
    """The facts of one scope. `cut`: the loop made more steps than the evidence covers."""
    ref, variation = draw.scopes[depth], _variation(draw, depth)
    site = ref.at.eqn.params.get("site") if ref.kind == "vmap" else None
    varies: bool | None = {Variation.DISTINCT: True, Variation.UNKNOWN: None}.get(variation, False)
    if ref.size in (0, 1):
        varies = True  # there are no two examples to share a key
    elif evidence is not None and evidence.examples > 1:
        if evidence.distinct_keys < evidence.examples:
            varies = False
        elif not cut:
            varies = True
    distinct = None if evidence is None else evidence.distinct_keys
    return ScopeFacts(
        scope=replace(entered.scope, varies=varies, distinct=distinct),
        variation=variation,
        cause=cause_of(draw, depth) if variation.is_same else None,
        evidence=evidence,
        vmap=VmapSource(site.function, site.in_axes) if site else None,
        basis=site.basis if site else False,
        called=entered.called,
        meets=ref.kind == "device" and (variation.is_same or distinct == 1) and _meets(draw, ref),
        declared=ref.kind == "vmap" and variation.is_same and _declared(draw, ref),
        words=ref.kind == "vmap" and lines.maps_words(draw.keys[0], depth),
        via=entered.via,
        array="" if varies else lines.mapped_array(draw.keys[0], depth),
        cut=cut,
        cause_id=(draw.into(depth), shared_over(draw, depth)) if varies is not True else None,
    )


def scope_of(ref: ScopeRef) -> Scope:
    """The `Scope` of a reference, without the fields that depend on a draw."""
    site = ref.at.eqn.params.get("site") if ref.kind == "vmap" else None
    name, file = equations.function_of(equations.subjaxprs(ref.at.eqn)[-1])
    if is_pmap(ref.at) or (_via(ref) and not is_users(file)):
        name = ""  # JAX's or the library's wrapper of the user's function
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
    """The library module that created the scope for the user, `""` if the user called JAX."""
    site = ref.at.eqn.params.get("site") if ref.kind == "vmap" else None
    return site.via if site else calling_library(equations.frames(ref.at.eqn))


def _decides(draw: Use, trace: Trace) -> bool:
    """Whether a key, or a loop or branch around a draw, depends on the drawn values."""
    return any(trace.slice.needed(draw.at.jaxpr, out) for out in draw.at.eqn.outvars)


def _meets(draw: Use, ref: ScopeRef) -> bool:
    site = ref.at.eqn.params.get("site")
    if site is not None and not site.declares:
        return False
    level = len(ref.at.above())
    match control(ref.at.eqn):
        case Map() | ShardMap() as over:
            return meets_varying(over, ref.axis_name, draw.path[level:])
        case Call() | Cond() | Scan() | While() | Opaque() | None:
            return False  # none of these opens a scope of devices
        case other:
            assert_never(other)


def _declared(draw: Use, ref: ScopeRef) -> bool:
    site = ref.at.eqn.params.get("site")
    if site is not None and not site.declares:
        return False
    over = control(ref.at.eqn)
    level = len(ref.at.above())
    return isinstance(over, Map) and leaves_unmapped(over, draw.path[level:])


def as_draws(facts: Sequence[DrawFacts]) -> tuple[Draw, ...]:
    """The draws that a report lists: all except those repeated for a backward pass."""
    return tuple(
        Draw(f.sampler, f.place, f.origin, tuple(s.scope for s in f.scopes))
        for f in facts
        if not f.redone
    )
