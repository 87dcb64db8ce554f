"""Finds the keys that repeat across the calls of a program."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from jaxrng_doctor._util.groups import Groups
from jaxrng_doctor.analysis.facts.key_reuse import use_facts
from jaxrng_doctor.analysis.keys.counts import numbered
from jaxrng_doctor.analysis.keys.tables import KeyTable
from jaxrng_doctor.analysis.lineage.causes import origin
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.jax_internals.equations import Frame
from jaxrng_doctor.jax_internals.jaxprs import key_words
from jaxrng_doctor.model.facts import RBG, CallUse, Repeated
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing.places import (
    calling_library,
    diverging_calls,
    diverging_library,
    is_users,
    users_place,
    way,
)
from jaxrng_doctor.tracing.scopes import EqnPath
from jaxrng_doctor.watching.child_keys import children_of
from jaxrng_doctor.watching.compiled_function import Compiled


@dataclass(frozen=True)
class EagerUse:
    """A draw or split outside of compiled functions.

    `number`: that of its call in the program. `op`: its name in `jax.random`. `way`: its stack.
    `values`: only its key. `function`: the transformed call around it, `""` if there is none.
    `clone`: the number of the `jax.random.clone` that made the key, 0 if none did.
    """

    number: int
    op: str
    way: tuple[Frame, ...]
    values: tuple[Any, ...]
    function: str = ""
    clone: int = 0


def repeated_keys(functions: Sequence[Compiled], eager: Sequence[EagerUse]) -> tuple[Repeated, ...]:
    """Every key that is used in more than one call, grouped by the pair of uses."""
    by_width: dict[int, list[_Uses]] = defaultdict(list)
    causes = Groups()
    for uses in (*_of_eager(eager), *_of_functions(functions)):
        by_width[uses.keys.shape[1]].append(uses)
    pairs: dict[Any, list[_Pair]] = defaultdict(list)
    for sources in by_width.values():
        draws = [uses for uses in sources if not uses.are_splits]
        drawn = list(_shared(draws)) if draws else []
        # Also the later uses among themselves, in case a comment says that the first is intended.
        found = [
            pair
            for key, (first, *rest) in drawn
            for pair in (
                *((key, first, second) for second in rest),
                *((key, one, other) for one, other in itertools.pairwise(rest)),
            )
        ]
        shared = dict(_shared(sources)) if len(draws) < len(sources) else {}
        splits = _repeated_splits(shared)
        found += _after_splits(shared, dict(drawn), splits)
        for key, first, second in found:
            one, other = _diverging(first, second)
            node = _where(one), _where(other)
            pairs[node].append((key, one, other))
            if (parent := splits.parent_of(key, second)) is not None:
                causes.join(node, ("key", parent))
    for node, pair in pairs.items():
        _, first, second = pair[0]
        causes.join(node, *(("key", key) for key, *_ in pair))
        if any(use.function or use.library for use in (first, second)):
            causes.join(node, ("calls", first.call, second.call, first.root, second.root))
    return tuple(_repeated(pair, causes.number_of(node)) for node, pair in pairs.items())


@dataclass(frozen=True, slots=True)
class _Use(CallUse):
    """A use with its `way`, and the input of its function that its key is made of, if known.

    `root` is `""` for an eager use, and for a function that a library calls.
    """

    way: tuple[Frame, ...] = ()
    root: str = ""

    @property
    def plain(self) -> CallUse:
        return CallUse(**{f.name: getattr(self, f.name) for f in fields(CallUse)})


_Pair = tuple[bytes, _Use, _Use]


def _diverging(first: _Use, second: _Use) -> tuple[_Use, _Use]:
    """The uses with the calls at which their ways diverge."""
    (one, other), calls_back = diverging_calls(first.way, second.way)
    return replace(first, call=one), replace(second, call=other, is_callback=calls_back)


def _repeated(pair: Sequence[_Pair], cause: int) -> Repeated:
    key, first, second = pair[0]
    libraries = {diverging_library(a.way, b.way)[0] for _, a, b in pair}
    uses: dict[bytes, set[Any]] = defaultdict(set)
    for each, *both in pair:
        uses[each].update((use.number, use.place) for use in both)
    return Repeated(
        first.plain,
        second.plain,
        tuple(map(len, uses.values())),
        hexadecimal(key),
        library="" if "" in libraries else min(libraries),
        cause_id=cause,
        uses=tuple((each, frozenset(used)) for each, used in uses.items()),
    )


@dataclass(frozen=True)
class _Uses:
    """Keys that were used, either all by draws or, with `are_splits`, all by splits.

    `keys`: uint32, shape (uses, words). `calls`: the number of the call of each, shape (uses,).
    `clones`: the number of the clone that the key of each is made of, or 0, shape (uses,).
    `use`: creates the `_Use` of one of them by its index; few are needed.
    """

    keys: np.ndarray
    calls: np.ndarray
    clones: np.ndarray
    use: Callable[[int], _Use]
    are_splits: bool = False


def _shared(sources: Sequence[_Uses]) -> Iterator[tuple[bytes, list[_Use]]]:
    """Each key of more than one call, ordered by its first call, with one use of each call.

    If a call both draws from the key and splits it, there is one use of each kind. The user says by
    `jax.random.clone` that a key is to be used once more: a clone is another key.
    """
    keys = np.concatenate([uses.keys for uses in sources])
    calls = np.concatenate([uses.calls for uses in sources])
    clones = np.concatenate([uses.clones for uses in sources])
    starts = np.cumsum([0, *(len(uses.calls) for uses in sources)])
    kinds = np.repeat([uses.are_splits for uses in sources], np.diff(starts))
    numbers = numbered(keys if not clones.any() else np.column_stack([keys, clones]))
    order = np.lexsort((kinds, calls, numbers))
    number, call, kind = numbers[order], calls[order], kinds[order]
    is_next = np.diff(number, prepend=-1) != 0
    # The first use of each kind of a key in a call.
    alone = is_next | (np.diff(call, prepend=-1) != 0) | (np.diff(kind, prepend=False))
    order, is_next, call = order[alone], is_next[alone], call[alone]
    begin = np.flatnonzero(is_next)
    end = np.append(begin[1:], len(order))
    several = call[begin] != call[end - 1]
    groups = [order[b:e] for b, e in zip(begin[several], end[several], strict=True)]
    for group in sorted(groups, key=lambda group: calls[group[0]]):
        where = np.searchsorted(starts, group, side="right") - 1
        uses = [sources[w].use(int(use - starts[w])) for w, use in zip(where, group, strict=True)]
        yield keys[group[0]].tobytes(), uses


@dataclass(frozen=True)
class _RepeatedSplits:
    """The keys that several uses split: the number of the second split of each, and its children.

    `parents`: the key that each of these children is made of.
    """

    again: Mapping[bytes, int]
    children: Mapping[bytes, Collection[bytes]]
    parents: Mapping[bytes, bytes]

    def parent_of(self, key: bytes, second: CallUse) -> bytes | None:
        """The key whose second split, before the second use of `key`, makes `key` once more.

        If both uses follow both splits, they may be of one child, but values do not show which.
        """
        parent = self.parents.get(key)
        return parent if parent is not None and self.again[parent] <= second.number else None


def _repeated_splits(shared: Mapping[bytes, Sequence[CallUse]]) -> _RepeatedSplits:
    splits = {key: [use.number for use in uses if use.is_split] for key, uses in shared.items()}
    again = {key: numbers[1] for key, numbers in splits.items() if len(numbers) > 1}
    children = children_of(list(again)) if again else {}
    parents = {child: key for key, found in children.items() for child in found}
    return _RepeatedSplits(again, children, parents)


def _after_splits(
    shared: Mapping[bytes, Sequence[_Use]],
    drawn: Mapping[bytes, Sequence[_Use]],
    splits: _RepeatedSplits,
) -> Iterator[_Pair]:
    """The pairs of uses of a key in `shared` of which at least one is a split.

    `drawn` has the keys that several calls draw from. Consequences are left out: the children of a
    key that is split twice, and that key itself if one of its children is drawn from again after
    the second split.
    """
    pairs = [(key, *pair) for key, uses in shared.items() for pair in _after_split(uses)]
    for key, first, second in pairs:
        follows = key in splits.parents and second.number >= splits.again[splits.parents[key]]
        # If a child is drawn from again after the second split, the child is reported instead.
        is_new = (
            first.is_split
            and second.is_split
            and any(
                drawn[child][-1].number >= second.number
                for child in splits.children[key]
                if child in drawn
            )
        )
        if not follows and not is_new:
            yield key, first, second


def _after_split(uses: Sequence[_Use]) -> Iterator[tuple[_Use, _Use]]:
    """The pairs of uses in different calls of which at least one is a split.

    A draw and a split if there are both; else two splits.
    """
    first = uses[0]
    others = [use for use in uses if use.number != first.number]
    mixed = next((use for use in others if use.is_split != first.is_split), None)
    if mixed is not None:
        yield first, mixed
    elif all(use.is_split for use in uses):
        # A split at one place, repeated in several calls, shows in the draws from its children.
        seen = {first.place}
        for second in others:
            if second.place not in seen:
                seen.add(second.place)
                yield first, second


def _where(use: CallUse) -> Any:
    return use.op, use.place, use.function, use.call


def call_use(use: EagerUse) -> _Use:
    """The `CallUse` of an eager use, which counts as a separate call."""
    place = users_place(use.way)
    op = use.op if use.op == "split" else f"jax.random.{use.op}"
    library = calling_library(use.way).partition(".")[0]
    return _Use(op, place, use.function, place, use.number, library, way=use.way)


def _of_eager(uses: Sequence[EagerUse]) -> Iterator[_Uses]:
    by_kind: dict[Any, list[tuple[np.ndarray, EagerUse]]] = defaultdict(list)
    for use in uses:
        (key,) = use.values
        words = np.asarray(key_words(key))
        rows = words.reshape(-1, words.shape[-1])
        for row in rows if len(rows) == 1 else np.unique(rows, axis=0):
            by_kind[len(row), use.op == "split"].append((row, use))
    for (_, are_splits), each in by_kind.items():
        keys, made = zip(*each, strict=True)
        numbers = np.array([use.number for use in made])
        clones = np.array([use.clone for use in made], np.uint32)
        yield _Uses(np.stack(keys), numbers, clones, functools.partial(_nth, made), are_splits)


def _nth(uses: Sequence[EagerUse], number: int) -> _Use:
    return call_use(uses[number])


def _of_functions(functions: Sequence[Compiled]) -> Iterator[_Uses]:
    for function in functions:
        if function.calls:
            yield from _of_calls(function, [call.number for call in function.calls])


def _of_calls(function: Compiled, numbers: Sequence[int]) -> Iterator[_Uses]:
    """The uses of each call. The keys of calls with identical arrays are computed once."""
    started: dict[Any, Any] = {}
    ids = [(tuple(map(id, call.values)), call.vmaps) for call in function.calls]
    for call, each in zip(function.calls, ids, strict=True):
        if each not in started:
            started[each] = function.start(call)
    ledgers = {each: function.program.finish(outputs) for each, outputs in started.items()}
    for own in _own_uses(function):
        width = own.width
        tables = [ledgers[each].keys.get(own.path) for each in ids]
        calls = zip(tables, function.calls, strict=True)
        tables = [_one_by_one(t, width) if t and call.in_full else t for t, call in calls]
        known = [t for t in tables if t is not None and width in (0, t.words.shape[-1])]
        if known and len(known) == len(tables):
            yield _of_use(function, own, numbers, known)


_WORDS = {"fry": 2, **dict.fromkeys(RBG, 4)}
"""The number of words of a key, by impl."""


@dataclass(frozen=True, slots=True)
class _OwnUse:
    """A draw or split of a function. `width`: the number of words of a key, 0 if unknown.

    `library`: the library that calls `jax.random` there, `""` if the user does. `root`: the name of
    the input that the key is made of, and its number among the key inputs, `None` if unknown.
    """

    op: str
    place: Place | None
    path: EqnPath
    width: int
    library: str
    root: tuple[str, int | None]


def _own_uses(function: Compiled) -> Iterator[_OwnUse]:
    """The draws and splits of a function, without splits of which no child is used."""
    diagnosis, program = function.diagnosis, function.program
    names = [program.trace.inputs[i][1] for i in program.wanted]

    def own(use: Use, op: str, place: Place | None, width: int) -> _OwnUse:
        root = origin(use.keys[0])
        name = str(root.params) if root.op == "input" else ""
        number = names.index(name) if names.count(name) == 1 else None
        library = calling_library(way(use.at)).partition(".")[0]
        return _OwnUse(op, place, use.path, width, library, (name, number))

    for use, facts in zip(diagnosis.draws, diagnosis.facts.draws, strict=True):
        # A draw from several keys at once has lost its vmap, and so which of its examples draw.
        yield own(use, facts.sampler, facts.place, _WORDS.get(facts.impl, 0))
    for use in diagnosis.splits:
        split = use_facts(use)
        if split.is_split and not split.is_unused:
            yield own(use, split.op, split.place, 0)


def _one_by_one(table: KeyTable, width: int) -> KeyTable:
    """The table with a separate row for each key of `width` words; unchanged if `width` is 0.

    words: uint32, shape (*scope sizes, keys, words of a key).
    """
    if not width:
        return table
    count = table.words.shape[-1] // width
    words = table.words.reshape(*table.reached.shape, count, width)
    if width == _WORDS["rbg"]:
        words = words[..., :1, :]  # such a draw uses only the first of them (RNG012)
    return KeyTable(words, np.broadcast_to(table.reached[..., None], words.shape[:-1]))


def _of_use(
    function: Compiled,
    own: _OwnUse,
    numbers: Sequence[int],
    tables: Sequence[KeyTable],
) -> _Uses:
    """The keys of one draw or split in all calls of its function."""
    name, number = own.root
    clones = np.zeros(len(tables), np.uint32)
    if number is not None:
        clones[:] = [call.clones[number] if call.clones else 0 for call in function.calls]
    in_library = own.place is not None and not is_users(own.place.path)
    words = np.concatenate([table.words.reshape(-1, table.words.shape[-1]) for table in tables])
    reached = np.concatenate([table.reached.reshape(-1) for table in tables])
    at = np.repeat(np.arange(len(tables)), [table.reached.size for table in tables])[reached]

    def use(number: int) -> _Use:
        call = function.calls[at[number]]
        return _Use(
            own.op,
            own.place,
            function.name if function.is_users else "",
            users_place(call.way),
            numbers[at[number]],
            own.library,
            in_library,
            way=call.way,
            root="" if calling_library(call.way) else name,
        )

    return _Uses(words[reached], np.array(numbers)[at], clones[at], use, own.op == "split")


def hexadecimal(key: bytes) -> str:
    """The words of a key, as shown in reports."""
    return " ".join(f"{word:08x}" for word in np.frombuffer(key, np.uint32).tolist())
