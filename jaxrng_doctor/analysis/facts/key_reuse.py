"""Finds the uses that share a key: pairs of draws, splits and returned keys.

Two uses share a key if their computed keys are equal at any two indices of their scopes or, if no
keys were computed, if their derivations are equal. Pairs that cannot both happen (exclusive
branches) and intended repetitions (recomputation for a backward pass, a cloned key) are left out.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxrng_doctor._util.groups import Groups
from jaxrng_doctor.analysis.facts.rematerialization import are_same_use, is_recomputed
from jaxrng_doctor.analysis.keys.counts import numbered
from jaxrng_doctor.analysis.keys.tables import KeyTable
from jaxrng_doctor.analysis.lineage.causes import ancestry, creation, creations, made_at, why_equal
from jaxrng_doctor.analysis.lineage.describe import describe
from jaxrng_doctor.analysis.lineage.key_identity import Identities
from jaxrng_doctor.analysis.lineage.reachability import Guards
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.jax_internals import equations, primitives
from jaxrng_doctor.jax_internals.equations import Jaxpr, Var
from jaxrng_doctor.model.facts import Returned, Shared, UseFacts
from jaxrng_doctor.model.findings import LOOPS, Evidence, KeyUses, Place
from jaxrng_doctor.tracing import custom_rules
from jaxrng_doctor.tracing.draws import sampler_called
from jaxrng_doctor.tracing.places import (
    At,
    calling_library,
    diverging_library,
    library_line,
    locate,
    random_function,
    user_stack,
    way,
)
from jaxrng_doctor.tracing.scopes import EqnPath

_MOST = 32
"""Each use of a key is paired with at most this many uses before it: more add nothing.

Where the keys are computed, it is also paired with the first use.
"""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two uses of one key, by their indices. `key` identifies the key.

    `unreached`: with the given inputs, one of the two is not executed.
    """

    first: int
    second: int
    evidence: Evidence | None
    key: Hashable
    unreached: bool = False


def shared_keys(
    uses: Sequence[Use],
    tables: Mapping[EqnPath, KeyTable],
    redone: Collection[EqnPath],
    guards: Guards,
    causes: Groups,
) -> tuple[Shared, ...]:
    """The pairs of uses that share a key, in program order, with one entry for each two places.

    All keys that reach the same two places through the same two calls are in one entry. In
    `causes`, the ids of entries that share keys for one reason are joined.
    """
    ordered = sorted(uses, key=lambda use: use.path)
    of_keys: dict[Any, Shared] = {}
    parting: dict[Any, tuple[Place, ...]] = {}
    seconds: dict[Any, set[int]] = {}
    identities = Identities()
    reasons = _Reasons(causes, identities)
    # One use can be in many pairs, and locating it walks stacks and jaxprs.
    facts = functools.cache(lambda number: use_facts(ordered[number]))
    all_tables, keys = [tables.get(u.path) for u in ordered], [u.keys for u in ordered]
    for pair in _pairs(all_tables, keys, identities):
        a, b = ordered[pair.first], ordered[pair.second]
        if a.path in redone or b.path in redone:
            continue  # the use that it repeats is in a pair too
        if _reported_separately(a, b, pair, tables, identities) or _is_left_out(a, b, pair, guards):
            continue
        later = _steps_later(a, b, pair, tables)
        if later < 0:  # the use that is first in the program comes second, in a later step
            pair, a, b = replace(pair, first=pair.second, second=pair.first), b, a
        first, second = facts(pair.first), facts(pair.second)
        key = (first.op, first.place, second.op, second.place, first.made == second.made, pair.key)
        seconds.setdefault(key, set()).update((pair.first, pair.second))
        reasons.note(key, pair, a, b, are_splits=first.is_split and second.is_split)
        known = of_keys.get(key)
        if known is not None and not (known.library or known.unreached):
            continue
        library = _library(a, b)
        found = Shared(
            first,
            second,
            evidence=pair.evidence,
            library=library,
            unreached=pair.unreached,
            later_step=later != 0,
        )
        if known is None or _weight(found) > _weight(known):
            parting[key] = _diverging_calls(a.at, b.at)
            calls = _calls(a.at, b.at) if first.place == second.place else ()
            of_keys[key] = replace(found, calls=calls, cause_id=key)
    of_key: dict[Any, KeyUses] = {
        key: (key[-1], frozenset(ordered[i].path for i in found)) for key, found in seconds.items()
    }
    derived = reasons.derived()
    found_keys = {key: replace(s, derived=derived[key]) for key, s in of_keys.items()}
    return tuple(_by_places(found_keys, parting, of_key, causes))


class _Reasons:
    """Why the keys of pairs are equal: joins the ids of the pairs that have one cause."""

    def __init__(self, causes: Groups, identities: Identities) -> None:
        self._causes, self._identities = causes, identities
        self._derived: dict[Hashable, bool] = {}
        self._of_split: dict[int, Hashable] = {}  # of a key split twice, by a split's equation
        self._of_splits: dict[int, dict[int, Hashable]] = {}  # of two splits that share a key
        self._unexplained: list[tuple[Hashable, Use, Use]] = []

    def note(self, node: Hashable, pair: _Pair, a: Use, b: Use, *, are_splits: bool) -> None:
        why = why_equal(a.keys[0], b.keys[0], self._identities)
        self._causes.join(node, _of_key(pair), *([] if why is None else [("why", why.reason)]))
        is_derived = why is not None and why.is_derived
        self._derived[node] = self._derived.get(node, True) and is_derived
        if why is None:
            self._unexplained.append((node, a, b))
        if are_splits:
            one, other = id(a.at.eqn), id(b.at.eqn)
            self._of_splits.setdefault(one, {})[other] = node
            self._of_splits.setdefault(other, {})[one] = node
            if why is not None:
                self._of_split.update({one: node, other: node})

    def derived(self) -> dict[Hashable, bool]:
        """Whether the keys of each pair are equal only because of another key that is used twice.

        That is also so, although their derivations do not show that they are equal, for keys that
        derive from two splits of equal keys, and for a child of one split and a child that a loop
        carries from a second split of the same key.
        """
        for node, a, b in self._unexplained:
            for split in filter(None, (*self._above(a, b), *map(self._last_split, (a, b)))):
                self._causes.join(split, node)
                self._derived[node] = True
        return self._derived

    def _above(self, a: Use, b: Use) -> Iterator[Hashable]:
        """The pairs of splits that share a key, one above each of the two keys."""
        makers = {id(value.birth.eqn) for value in creations(b.keys[0]) if value.birth}
        for value in creations(a.keys[0]):
            partners = self._of_splits.get(id(value.birth.eqn), {}) if value.birth else {}
            yield from (partners[other] for other in makers & partners.keys())

    def _last_split(self, use: Use) -> Hashable:
        made = creation(use.keys[0])
        return self._of_split.get(id(made.birth.eqn)) if made and made.birth else None


def _of_key(pair: _Pair) -> Hashable:
    """The node of the key of a pair, for `Groups` of causes."""
    return "key", pair.key


def _by_places(
    of_keys: Mapping[Any, Shared],
    parting: Mapping[Any, tuple[Place, ...]],
    uses: Mapping[Any, KeyUses],
    causes: Groups,
) -> Iterator[Shared]:
    """One pair for all keys that reach the same two places from the same calls."""
    of_places: dict[Any, Shared] = {}
    keys: dict[Any, list[KeyUses]] = {}
    for key, shared in of_keys.items():
        places = (*key[:-1], parting[key])
        if _weight(shared) == (True, True):
            keys.setdefault(places, []).append(uses[key])
        known = of_places.get(places)
        if known is not None:
            causes.join(known.cause_id, shared.cause_id)
            derived = known.derived and shared.derived
            of_places[places] = known = replace(known, derived=derived)
            shared = replace(shared, derived=derived)
        if known is None or _weight(shared) > _weight(known):
            of_places[places] = _with_uses(shared, [uses[key]])
    for places, found in keys.items():
        of_places[places] = _with_uses(of_places[places], found)
    pairs = Counter(places[:4] for places in of_places)
    for places, shared in of_places.items():
        # Several pairs at the same two places are distinguished by the calls that lead there.
        apart = pairs[places[:4]] > 1 and not shared.calls
        yield replace(shared, calls=places[-1]) if apart else shared


def _with_uses(shared: Shared, uses: Sequence[KeyUses]) -> Shared:
    return replace(shared, uses=tuple(uses), counts=tuple(len(at) for _, at in uses))


def _weight(shared: Shared) -> tuple[bool, bool]:
    """A pair's rank; the highest one represents its cause.

    The user's pairs rank above a library's, then executed pairs above unreached ones.
    """
    return not shared.library, not shared.unreached


def returned_keys(
    uses: Sequence[Use],
    returned: Mapping[int, Value],
    outputs: Mapping[int, KeyTable],
    paths: Sequence[str],
    tables: Mapping[EqnPath, KeyTable],
    guards: Guards,
    causes: Groups,
) -> tuple[Returned, ...]:
    """The used keys that the function also returns, at most one use for each output.

    In `causes`, each is joined with the pairs of uses that share its key.
    """
    found: list[Returned] = []
    identities = Identities()
    for number, value in returned.items():
        all_tables = [outputs.get(number), *(tables.get(u.path) for u in uses)]
        keys = [(value,), *(u.keys for u in uses)]
        pairs = [
            pair
            for pair in _pairs(all_tables, keys, identities)
            if pair.first == 0 and (not pair.unreached or guards.by_inputs(uses[pair.second - 1]))
        ]
        if pairs:
            pair = min(pairs, key=lambda pair: pair.unreached)
            use = uses[pair.second - 1]
            causes.join(use.path, _of_key(pair))
            found.append(
                Returned(use_facts(use), paths[number], pair.evidence, pair.unreached, use.path)
            )
        else:
            unproven = (u for u in uses if number not in outputs or u.path not in tables)
            use_in_batch = next(
                (u for u in unproven if _is_one_of(u.keys[0], value, identities)), None
            )
            if use_in_batch is not None:
                facts = use_facts(use_in_batch)
                found.append(Returned(facts, paths[number], cause_id=use_in_batch.path))
    return tuple(found)


def use_facts(use: Use) -> UseFacts:
    is_split = use.at.eqn.primitive.name == primitives.SPLIT and random_function(use.at) == "split"
    made = made_at(use.keys[0])
    return UseFacts(
        # A sampler that splits its key before it draws is a draw to its caller.
        op="split" if is_split else sampler_called(use.at),
        place=locate(use.at),
        origin=describe(use.keys[0]),
        made=None if made is None else locate(made),
        unused=_unused_children(use.at) if is_split else (),
        is_unused=is_split and not _is_used(use.at.jaxpr, use.at.eqn.outvars[0]),
        siblings=_unused_children(made),
        rule=_rule(use.at),
        numbers="" if is_split else _numbers(use.at),
        library_line=library_line(use.at),
    )


def _numbers(draw: At) -> str:
    aval = draw.eqn.outvars[0].aval
    return f"{aval.dtype}[{','.join(map(str, aval.shape))}]"


def _rule(at: At) -> str:
    rule, function = custom_rules.rule_of(above.eqn for above in at.above())
    return f"the rule `{rule}` of `{function}`" if rule else ""


# -- equality ----------------------------------------------------------------------------


def _pairs(
    tables: Sequence[KeyTable | None],
    keys: Sequence[tuple[Value, ...]],
    identities: Identities,
) -> Iterator[_Pair]:
    found: dict[tuple[int, int], Evidence | None] = {}
    unreached: set[tuple[int, int]] = set()
    known = [i for i, table in enumerate(tables) if table is not None]
    for width in sorted({tables[i].words.shape[-1] for i in known}):  # type: ignore[union-attr]
        of_width = [i for i in known if tables[i].words.shape[-1] == width]  # type: ignore[union-attr]
        if len(of_width) > 1:
            found.update(_equal_rows({i: _rows(tables[i]) for i in of_width}))
    sums: dict[Any, list[int]] = {}
    for i, values in enumerate(keys):
        same = sums.setdefault(tuple(map(identities.of, values)), [])
        for other in same[-_MOST:]:
            if tables[other] is None or tables[i] is None:
                found.setdefault((other, i), None)
            elif (_is_unreached(tables[other]) or _is_unreached(tables[i])) and (
                other,
                i,
            ) not in found:
                found[other, i] = None
                unreached.add((other, i))
        same.append(i)
    for first, second in sorted(found):
        if not _is_cloned(keys[first][0], keys[second][0]):
            evidence = found[first, second]
            key = tuple(map(identities.of, keys[first])) if evidence is None else evidence.key
            yield _Pair(first, second, evidence, key, (first, second) in unreached)


def _steps_later(a: Use, b: Use, pair: _Pair, tables: Mapping[EqnPath, KeyTable]) -> int:
    """1 if a loop reaches the key in `b` in a later step than in `a`, -1 if in an earlier one.

    0 if in the same step, or if the keys are unknown, or if no loop is around both.
    """
    common = [
        depth
        for depth, (one, other) in enumerate(zip(a.scopes, b.scopes, strict=False))
        if a.into(depth) == b.into(depth) and one.kind in LOOPS
    ]
    if pair.evidence is None or pair.evidence.key is None or not common:
        return 0
    # The keys of a scan are in the order of its input, even if it runs from the last step.
    signs = [-1 if a.scopes[depth].at.eqn.params.get("reverse") else 1 for depth in common]
    words = np.array([int(word, 16) for word in pair.evidence.key.split()], np.uint32)
    ends = []
    for use in (a, b):
        table = tables[use.path]
        found = np.argwhere(table.reached & (table.words == words).all(axis=-1))
        ends.append(min(map(tuple, (found[:, common] * signs).tolist())))
    return (ends[0] < ends[1]) - (ends[1] < ends[0])


def _is_unreached(table: KeyTable | None) -> bool:
    return table is not None and table.reached.size > 0 and not table.reached.any()


def _rows(table: KeyTable | None) -> np.ndarray:
    """The distinct keys among those that were reached, uint32 of shape (keys, words)."""
    assert table is not None
    rows: np.ndarray = table.words.reshape(-1, table.words.shape[-1])[table.reached.reshape(-1)]
    if len(rows) < 2:
        return rows
    _, first = np.unique(numbered(rows), return_index=True)
    distinct: np.ndarray = rows[first]
    return distinct


def _equal_rows(rows: Mapping[int, np.ndarray]) -> dict[tuple[int, int], Evidence | None]:
    uses = np.concatenate([np.full(len(r), i) for i, r in rows.items()] or [np.zeros(0, int)])
    if len(rows) < 2 or len(uses) == 0:
        return {}
    together = np.concatenate(list(rows.values()))
    numbers = numbered(together)
    order = np.lexsort((uses, numbers))
    numbers, uses = numbers[order], uses[order]
    everything = np.arange(len(numbers))
    firsts = np.searchsorted(numbers, numbers)
    steps = range(1, min(_MOST, len(rows)))
    found: dict[tuple[int, int], Evidence | None] = {}
    for before, after in (
        *((everything[:-step], everything[step:]) for step in steps),
        (firsts, everything),
    ):
        same = (numbers[before] == numbers[after]) & (before != after)
        one, other = before[same], after[same]
        pairs, first = np.unique(
            np.stack([uses[one], uses[other]], axis=1), axis=0, return_index=True
        )
        for (a, b), at in zip(pairs, first, strict=True):
            words = together[order[one[at]]]
            key = " ".join(f"{int(w):08x}" for w in words)
            found.setdefault((int(a), int(b)), Evidence(2, 1, (0, 0), None, key))
    return found


def _is_one_of(key: Value, array: Value, identities: Identities) -> bool:
    """Whether a scope that maps over `array` has `key` as its element, or `array` stacks `key`."""
    arrays = [array]
    while arrays[-1].op == "stacked":
        arrays.append(arrays[-1].args[0])
    keys = [key]
    while (raw := keys[-1].args[0] if keys[-1].op == "random_wrap" else keys[-1]).op == "element":
        keys.append(raw.args[0])
    return not {identities.of(a) for a in arrays}.isdisjoint(map(identities.of, keys))


# -- harmless pairs ----------------------------------------------------------------------


def _is_left_out(a: Use, b: Use, pair: _Pair, guards: Guards) -> bool:
    """Whether the two share a key on purpose, or cannot both be executed."""
    if _is_harmless(a, b) or _is_cloned_in_each_call(a, b):
        return True
    if pair.unreached and not (guards.by_inputs(a) or guards.by_inputs(b)):
        return True  # not executed with any inputs
    return pair.evidence is None and guards.exclude(a, b)


def _is_harmless(a: Use, b: Use) -> bool:
    if _is_unused_library_split(a) or _is_unused_library_split(b):
        return True
    return (is_recomputed(a) or is_recomputed(b)) and are_same_use(a, b)


def _reported_separately(
    a: Use, b: Use, pair: _Pair, tables: Mapping[EqnPath, KeyTable], identities: Identities
) -> bool:
    """Whether the uses are in exclusive branches, and each shares keys only with itself.

    Such repetitions from step to step are reported for each use. But if the computed keys are
    equal although neither use repeats one, or although their derivations differ, one step used in
    one branch the key that another step used in the other.
    """
    if not _exclusive(a, b):
        return False
    if pair.evidence is None:
        return True
    one, other = (tuple(map(identities.of, use.keys)) for use in (a, b))
    return one == other and (_repeats(tables[a.path]) or _repeats(tables[b.path]))


def _repeats(table: KeyTable) -> bool:
    return len(_rows(table)) < int(table.reached.sum())


def _exclusive(a: Use, b: Use) -> bool:
    """Whether the two are in different branches of one `cond`."""
    above = a.at.above()
    for level, (one, other) in enumerate(zip(a.path, b.path, strict=False)):
        if one != other:
            is_cond = above[level].eqn.primitive.name == "cond"
            return one[0] == other[0] and one[1] != other[1] and is_cond
    return False


def _is_unused_library_split(use: Use) -> bool:
    """Whether a library splits a key and uses no child: its user cannot change that."""
    if use.at.eqn.primitive.name != primitives.SPLIT or _is_used(
        use.at.jaxpr, use.at.eqn.outvars[0]
    ):
        return False
    return bool(calling_library(way(use.at)))


def _library(a: Use, b: Use) -> str:
    """The library that makes both uses in one call of the user's and chooses the keys, or `""`."""
    library, calls_back = diverging_library(way(a.at), way(b.at))
    made = [made_at(use.keys[0]) for use in (a, b)]
    by_user = any(at is None or not calling_library(way(at)) for at in made)
    return "" if calls_back and by_user else library


def _is_cloned(a: Value, b: Value) -> bool:
    """Whether `jax.random.clone` says that the repetition is intended.

    Only one of the two went through a clone, or the user cloned the key for each use. Clones that a
    library makes on both sides, such as Flax, prove nothing.
    """
    clones = [[v for v in ancestry(k) if v.op == "random_clone"] for k in (a, b)]
    one, other = ({v.number for v in found} for found in clones)
    if one < other or other < one:
        return True
    of_a, of_b = ({id(v) for v in found if _is_by_user(v)} for found in clones)
    return a.number == b.number and of_a != of_b


def _is_cloned_in_each_call(a: Use, b: Use) -> bool:
    """Whether both keys are one clone that the user makes in the function that is called for each.

    A function that JAX compiles is followed once for equal inputs: its calls have one clone.
    """
    if a.keys[0].number != b.keys[0].number:
        return False
    paths = zip(a.path, b.path, strict=False)
    common = next((depth for depth, (one, other) in enumerate(paths) if one != other), None)
    if common is None:
        return False
    calls = {id(use.at.above()[common].eqn) for use in (a, b)}
    return any(
        v.op == "random_clone" and _is_by_user(v) and _is_below(v.birth, common, calls)
        for v in ancestry(a.keys[0])
    )


def _is_below(at: At | None, depth: int, calls: Collection[int]) -> bool:
    """Whether an equation is in one of the equations `calls`, which have `depth` others around."""
    above = [] if at is None else at.above()
    return len(above) > depth + 1 and id(above[depth].eqn) in calls


def _is_by_user(made: Value) -> bool:
    return made.birth is not None and not calling_library(way(made.birth))


# -- places --------------------------------------------------------------------------------


def _calls(a: At, b: At) -> tuple[Place, ...]:
    """The calls at which the paths to two uses on one line diverge: of their common helper."""
    for one, other in zip(user_stack(a), user_stack(b), strict=False):
        if one != other:
            return (one, other)
    return ()


def _diverging_calls(a: At, b: At) -> tuple[Place, ...]:
    """The calls at which the paths to two uses diverge, from the start of the program."""
    ways = [reversed(user_stack(at)) for at in (a, b)]
    return next(((one, other) for one, other in zip(*ways, strict=False) if one != other), ())


def _unused_children(split: At | None) -> tuple[int, ...]:
    """The indices of the children that no equation and no output uses.

    `()` unless every child is taken by a constant index. `()` also for a library's split: its user
    cannot take the children, such as the key from which Haiku continues.
    """
    if (
        split is None
        or split.eqn.primitive.name != primitives.SPLIT
        or random_function(split) != "split"
    ):
        return ()
    if calling_library(way(split)):
        return ()
    children = split.eqn.outvars[0]
    shape = split.eqn.params["shape"]
    if len(shape) != 1:
        return ()
    inner = split.jaxpr
    arrays = {children}
    used: set[int] = set()
    for eqn in inner.eqns:
        if not any(v in arrays for v in eqn.invars if not isinstance(v, equations.Literal)):
            continue
        if eqn.primitive.name == "random_unwrap":
            arrays.add(eqn.outvars[0])
        elif eqn.primitive.name == "slice":
            start, limit = eqn.params["start_indices"][0], eqn.params["limit_indices"][0]
            used.update(range(start, limit))
        elif eqn.primitive.name == "unstack" and eqn.params["axis"] == 0:
            used.update(i for i, v in enumerate(eqn.outvars) if _is_used(inner, v))
        else:
            return ()
    if any(v in arrays for v in inner.outvars if not isinstance(v, equations.Literal)):
        return ()
    return tuple(i for i in range(shape[0]) if i not in used)


def _is_used(inner: Jaxpr, var: Var) -> bool:
    return any(var is v for eqn in inner.eqns for v in eqn.invars) or any(
        var is v for v in inner.outvars
    )
