"""Keys across calls: in come the calls of a program, out come the key values that come twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxrng_doctor.facts import CallDraw, Repeated
from jaxrng_doctor.trace.draws import is_key
from jaxrng_doctor.trace.equations import Frame
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
    users: dict[bytes, dict[int, CallDraw]] = defaultdict(dict)
    for key, draw in (*_of_eager(eager), *_of_compiled(functions)):
        users[key].setdefault(draw.number, draw)
    pairs: dict[Any, list[tuple[bytes, CallDraw, CallDraw]]] = defaultdict(list)
    for key, draws in users.items():
        first, *rest = (draws[number] for number in sorted(draws))
        for second in rest:
            pairs[_where(first), _where(second)].append((key, first, second))
    ways = {draw.number: draw.way for draw in eager}
    ways |= {call.number: call.way for function in functions for call in function.calls}
    return tuple(_repeated(pair, ways) for pair in pairs.values())


def _repeated(
    pair: Sequence[tuple[bytes, CallDraw, CallDraw]], ways: Mapping[int, tuple[Frame, ...]]
) -> Repeated:
    key, first, second = pair[0]
    seconds = Counter(key for key, *_ in pair)
    libraries = {parting_library(ways[a.number], ways[b.number])[0] for _, a, b in pair}
    library = "" if "" in libraries else min(libraries)
    times = tuple(1 + n for n in seconds.values())
    return Repeated(first, second, times, _hexadecimal(key), library)


def _where(draw: CallDraw) -> Any:
    return draw.sampler, draw.place, draw.function


def call_draw(draw: EagerDraw) -> CallDraw:
    """A draw that is a call of its own."""
    place = users_place(draw.way)
    return CallDraw(f"jax.random.{draw.sampler}", place, draw.function, place, draw.number)


def _of_eager(draws: Iterable[EagerDraw]) -> Iterator[tuple[bytes, CallDraw]]:
    for draw in draws:
        words = _words(draw.key)
        for row in np.unique(words.reshape(-1, words.shape[-1]), axis=0):
            yield row.tobytes(), call_draw(draw)


def _of_compiled(functions: Iterable[Compiled]) -> Iterator[tuple[bytes, CallDraw]]:
    constant: dict[Any, int] = {}
    for function in functions:
        seen: dict[bytes, list[tuple[bytes, int]]] = {}
        facts = function.diagnosis.facts.draws
        for call in function.calls:
            given = b"|".join(b"" if v is None else _words(v).tobytes() for v in call.values)
            if given not in seen:
                seen[given] = _keys(function, call.values)
            place = users_place(call.way)
            number = call.number
            if not function.compares_calls:
                # That it repeats its own keys is for RNG011 to tell, whatever its signatures.
                own = (function.name, *(draw.place for draw in facts))
                number = constant.setdefault(own, number)
            for key, which in seen[given]:
                draw = facts[which]
                yield key, CallDraw(draw.sampler, draw.place, function.name, place, number)


def _keys(function: Compiled, values: Sequence[Any]) -> list[tuple[bytes, int]]:
    """Each key that such a call draws from, with the number of the draw."""
    ledger = function.keys_of(values)
    found = []
    for which, path in enumerate(function.diagnosis.paths):
        table = ledger.keys.get(path)
        if table is not None:
            rows = table.words.reshape(-1, table.words.shape[-1])[table.reached.reshape(-1)]
            found += [(row.tobytes(), which) for row in np.unique(rows, axis=0)]
    return found


def _words(value: Any) -> np.ndarray:
    if hasattr(value, "dtype") and is_key(value):
        value = jax.random.key_data(value)
    return np.ascontiguousarray(jax.device_get(value))


def _hexadecimal(key: bytes) -> str:
    return " ".join(f"{word:08x}" for word in np.frombuffer(key, np.uint32).tolist())
