"""Finds the keys that repeat across the calls of a program."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxrng_doctor.analysis.facts.key_reuse import use_facts
from jaxrng_doctor.analysis.keys.counts import numbered
from jaxrng_doctor.analysis.keys.tables import KeyTable
from jaxrng_doctor.checking.examine import Diagnosis
from jaxrng_doctor.jax_internals.equations import Frame
from jaxrng_doctor.jax_internals.jaxprs import key_words
from jaxrng_doctor.model.facts import RBG, CallUse, Repeated
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing.places import diverging_library, users_place
from jaxrng_doctor.tracing.scopes import EqnPath
from jaxrng_doctor.watching.child_keys import children_of
from jaxrng_doctor.watching.compiled_function import Compiled


@dataclass(frozen=True)
class EagerUse:
    """A draw or split outside of compiled functions.

    `number`: that of its call in the program. `op`: its name in `jax.random`. `way`: its stack.
    `values`: only its key. `function`: the transformed call around it, `""` if there is none.
    """

    number: int
    op: str
    way: tuple[Frame, ...]
    values: tuple[Any, ...]
    function: str = ""


def repeated_keys(functions: Sequence[Compiled], eager: Sequence[EagerUse]) -> tuple[Repeated, ...]:
    """Every key that is used in more than one call, grouped by the pair of uses."""
    by_width: dict[int, list[_Uses]] = defaultdict(list)
    for uses in (*_of_eager(eager), *_of_functions(functions)):
        by_width[uses.keys.shape[1]].append(uses)
    pairs: dict[Any, list[_Pair]] = defaultdict(list)
    for sources in by_width.values():
        draws = [uses for uses in sources if not uses.are_splits]
        drawn = dict(_shared(draws)) if draws else {}
        found = [(key, first, second) for key, (first, *rest) in drawn.items() for second in rest]
        if len(draws) < len(sources):
            found += _after_splits(dict(_shared(sources)), drawn)
        for key, first, second in found:
            pairs[_where(first), _where(second)].append((key, first, second))
    ways = {use.number: use.way for use in eager}
    ways |= {call.number: call.way for function in functions for call in function.calls}
    return tuple(_repeated(pair, ways) for pair in pairs.values())


_Pair = tuple[bytes, CallUse, CallUse]


def _repeated(pair: Sequence[_Pair], ways: Mapping[int, tuple[Frame, ...]]) -> Repeated:
    key, first, second = pair[0]
    seconds = Counter(key for key, *_ in pair)
    libraries = {diverging_library(ways[a.number], ways[b.number])[0] for _, a, b in pair}
    library = "" if "" in libraries else min(libraries)
    times = tuple(1 + n for n in seconds.values())
    one_call = len({again.call for _, _, again in pair}) == 1
    return Repeated(first, second, times, hexadecimal(key), library, one_call)


@dataclass(frozen=True)
class _Uses:
    """Keys that were used, either all by draws or, with `are_splits`, all by splits.

    `keys`: uint32, shape (uses, words). `calls`: the number of the call of each, shape (uses,).
    `use`: creates the `CallUse` of one of them by its index; few are needed.
    """

    keys: np.ndarray
    calls: np.ndarray
    use: Callable[[int], CallUse]
    are_splits: bool = False


def _shared(sources: Sequence[_Uses]) -> Iterator[tuple[bytes, list[CallUse]]]:
    """Each key of more than one call, ordered by its first call, with one use of each call.

    If a call both draws from the key and splits it, there is one use of each kind.
    """
    keys = np.concatenate([uses.keys for uses in sources])
    calls = np.concatenate([uses.calls for uses in sources])
    starts = np.cumsum([0, *(len(uses.calls) for uses in sources)])
    kinds = np.repeat([uses.are_splits for uses in sources], np.diff(starts))
    numbers = numbered(keys)
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


def _after_splits(
    shared: Mapping[bytes, Sequence[CallUse]], drawn: Mapping[bytes, Sequence[CallUse]]
) -> Iterator[_Pair]:
    """The pairs of uses of a key in `shared` of which at least one is a split.

    `drawn` has the keys that several calls draw from. Consequences are left out: the children of a
    key that is split twice, and that key itself if one of its children is drawn from again after
    the second split.
    """
    pairs = [(key, *pair) for key, uses in shared.items() for pair in _after_split(uses)]
    again = {key: [use.number for use in uses if use.is_split][1:2] for key, uses in shared.items()}
    again = {key: numbers for key, numbers in again.items() if numbers}
    children = children_of([key for key, *_ in pairs if key in again])
    parents = {child: key for key, found in children.items() for child in found}
    for key, first, second in pairs:
        follows = key in parents and second.number >= again[parents[key]][0]
        # If a child is drawn from again after the second split, the child is reported instead.
        is_new = (
            first.is_split
            and second.is_split
            and any(
                drawn[child][-1].number >= second.number
                for child in children[key]
                if child in drawn
            )
        )
        if not follows and not is_new:
            yield key, first, second


def _after_split(uses: Sequence[CallUse]) -> Iterator[tuple[CallUse, CallUse]]:
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
    return use.op, use.place, use.function


def call_use(use: EagerUse) -> CallUse:
    """The `CallUse` of an eager use, which counts as a separate call."""
    place = users_place(use.way)
    op = use.op if use.op == "split" else f"jax.random.{use.op}"
    return CallUse(op, place, use.function, place, use.number)


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
        yield _Uses(np.stack(keys), numbers, functools.partial(_nth, made), are_splits)


def _nth(uses: Sequence[EagerUse], number: int) -> CallUse:
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
    for op, place, path, width in _own_uses(function.diagnosis):
        tables = [ledgers[each].keys.get(path) for each in ids]
        calls = zip(tables, function.calls, strict=True)
        tables = [_one_by_one(t, width) if t and call.in_full else t for t, call in calls]
        known = [t for t in tables if t is not None and width in (0, t.words.shape[-1])]
        if known and len(known) == len(tables):
            yield _of_use(function, op, place, numbers, known)


_WORDS = {"fry": 2, **dict.fromkeys(RBG, 4)}
"""The number of words of a key, by impl."""


def _own_uses(diagnosis: Diagnosis) -> Iterator[tuple[str, Place | None, EqnPath, int]]:
    """The draws and splits of a function: op, place, path, and number of words of a key.

    The number is 0 if unknown. Splits of which no child is used are left out.
    """
    for use, facts in zip(diagnosis.draws, diagnosis.facts.draws, strict=True):
        # A draw from several keys at once has lost its vmap, and so which of its examples draw.
        yield facts.sampler, facts.place, use.path, _WORDS.get(facts.impl, 0)
    for use in diagnosis.splits:
        split = use_facts(use)
        if split.is_split and not split.is_unused:
            yield split.op, split.place, use.path, 0


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
    op: str,
    place: Place | None,
    numbers: Sequence[int],
    tables: Sequence[KeyTable],
) -> _Uses:
    """The keys of one draw or split in all calls of its function."""
    words = np.concatenate([table.words.reshape(-1, table.words.shape[-1]) for table in tables])
    reached = np.concatenate([table.reached.reshape(-1) for table in tables])
    at = np.repeat(np.arange(len(tables)), [table.reached.size for table in tables])[reached]

    def use(number: int) -> CallUse:
        call = users_place(function.calls[at[number]].way)
        return CallUse(op, place, function.name, call, numbers[at[number]])

    return _Uses(words[reached], np.array(numbers)[at], use, op == "split")


def hexadecimal(key: bytes) -> str:
    """The words of a key, as shown in reports."""
    return " ".join(f"{word:08x}" for word in np.frombuffer(key, np.uint32).tolist())
