"""Keys across calls: in come the calls of a program, out come the key values that come twice."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxrng_doctor.counting import numbered
from jaxrng_doctor.facts import CallDraw, Repeated
from jaxrng_doctor.keytables import KeyTable
from jaxrng_doctor.trace.equations import Frame
from jaxrng_doctor.trace.jaxprs import key_words
from jaxrng_doctor.trace.places import parting_library, users_place
from jaxrng_doctor.watching.compiled import Compiled


@dataclass(frozen=True)
class EagerDraw:
    """A draw outside of compiled functions; `function` is the transformed one that it is in."""

    number: int
    sampler: str
    way: tuple[Frame, ...]
    key: Any
    function: str = ""


def repeated_keys(
    functions: Sequence[Compiled], eager: Sequence[EagerDraw]
) -> tuple[Repeated, ...]:
    """Every key drawn from in more than one call; those of one pair of draws together."""
    by_width: dict[int, list[_Uses]] = defaultdict(list)
    for uses in (*_of_eager(eager), *_of_functions(functions)):
        by_width[uses.keys.shape[1]].append(uses)
    pairs: dict[Any, list[_Pair]] = defaultdict(list)
    for sources in by_width.values():
        for key, (first, *rest) in _shared(sources):
            for second in rest:
                pairs[_where(first), _where(second)].append((key, first, second))
    ways = {draw.number: draw.way for draw in eager}
    ways |= {call.number: call.way for function in functions for call in function.calls}
    return tuple(_repeated(pair, ways) for pair in pairs.values())


_Pair = tuple[bytes, CallDraw, CallDraw]


def _repeated(pair: Sequence[_Pair], ways: Mapping[int, tuple[Frame, ...]]) -> Repeated:
    key, first, second = pair[0]
    seconds = Counter(key for key, *_ in pair)
    libraries = {parting_library(ways[a.number], ways[b.number])[0] for _, a, b in pair}
    library = "" if "" in libraries else min(libraries)
    times = tuple(1 + n for n in seconds.values())
    return Repeated(first, second, times, hexadecimal(key), library)


@dataclass(frozen=True)
class _Uses:
    """Keys that were drawn from: uint32, shape (uses, words); the call of each, shape (uses,).

    `draw` makes the words for one use, which few need.
    """

    keys: np.ndarray
    calls: np.ndarray
    draw: Callable[[int], CallDraw]


def _shared(sources: Sequence[_Uses]) -> Iterator[tuple[bytes, list[CallDraw]]]:
    """Each key of more than one call, the first such call first, with one draw of each call."""
    keys = np.concatenate([uses.keys for uses in sources])
    calls = np.concatenate([uses.calls for uses in sources])
    starts = np.cumsum([0, *(len(uses.calls) for uses in sources)])
    numbers = numbered(keys)
    order = np.lexsort((calls, numbers))
    number, call = numbers[order], calls[order]
    is_next = np.diff(number, prepend=-1) != 0
    alone = is_next | (np.diff(call, prepend=-1) != 0)  # the first use of a key in its call
    order, is_next = order[alone], is_next[alone]
    begin = np.flatnonzero(is_next)
    size = np.diff(begin, append=len(order))
    groups = [order[b : b + n] for b, n in zip(begin[size > 1], size[size > 1], strict=True)]
    for group in sorted(groups, key=lambda group: calls[group[0]]):
        where = np.searchsorted(starts, group, side="right") - 1
        draws = [sources[w].draw(int(use - starts[w])) for w, use in zip(where, group, strict=True)]
        yield keys[group[0]].tobytes(), draws


def _where(draw: CallDraw) -> Any:
    return draw.sampler, draw.place, draw.function


def call_draw(draw: EagerDraw) -> CallDraw:
    """A draw that is a call of its own."""
    place = users_place(draw.way)
    return CallDraw(f"jax.random.{draw.sampler}", place, draw.function, place, draw.number)


def _of_eager(draws: Sequence[EagerDraw]) -> Iterator[_Uses]:
    by_width: dict[int, list[tuple[np.ndarray, EagerDraw]]] = defaultdict(list)
    for draw in draws:
        words = np.asarray(key_words(draw.key))
        rows = words.reshape(-1, words.shape[-1])
        for row in rows if len(rows) == 1 else np.unique(rows, axis=0):
            by_width[len(row)].append((row, draw))
    for each in by_width.values():
        keys, made = zip(*each, strict=True)
        numbers = np.array([draw.number for draw in made])
        yield _Uses(np.stack(keys), numbers, functools.partial(_nth, made))


def _nth(draws: Sequence[EagerDraw], use: int) -> CallDraw:
    return call_draw(draws[use])


def _of_functions(functions: Sequence[Compiled]) -> Iterator[_Uses]:
    constant: dict[Any, int] = {}
    for function in functions:
        if function.compares_calls:
            yield from _of_calls(function, [call.number for call in function.calls])
        elif function.calls:
            # That it repeats its own keys is for RNG011 to tell, whatever its signatures.
            own = (function.name, *(draw.place for draw in function.diagnosis.facts.draws))
            number = constant.setdefault(own, function.calls[0].number)
            yield from _of_calls(function, [number] * len(function.calls))


def _of_calls(function: Compiled, numbers: Sequence[int]) -> Iterator[_Uses]:
    """What each call draws from; the keys of calls with the very same arrays are computed once."""
    started: dict[tuple[int, ...], Any] = {}
    ids = [tuple(map(id, call.values)) for call in function.calls]
    for call, each in zip(function.calls, ids, strict=True):
        if each not in started:
            started[each] = function.start(call.values)
    ledgers = {each: function.program.finish(outputs) for each, outputs in started.items()}
    for which, use in enumerate(function.diagnosis.draws):
        tables = [ledgers[each].keys.get(use.path) for each in ids]
        if tables and all(table is not None for table in tables):
            yield _of_draw(
                function, which, numbers, [table for table in tables if table is not None]
            )


def _of_draw(
    function: Compiled, which: int, numbers: Sequence[int], tables: Sequence[KeyTable]
) -> _Uses:
    """The keys of one draw in all calls of its function."""
    words = np.stack([table.words.reshape(-1, table.words.shape[-1]) for table in tables])
    reached = np.stack([table.reached.reshape(-1) for table in tables])
    at = np.nonzero(reached)[0]
    facts = function.diagnosis.facts.draws[which]

    def draw(use: int) -> CallDraw:
        place = users_place(function.calls[at[use]].way)
        return CallDraw(facts.sampler, facts.place, function.name, place, numbers[at[use]])

    return _Uses(words[reached], np.array(numbers)[at], draw)


def hexadecimal(key: bytes) -> str:
    """The words of a key, as they are shown."""
    return " ".join(f"{word:08x}" for word in np.frombuffer(key, np.uint32).tolist())
