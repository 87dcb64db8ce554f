"""Finds draws with equal keys in several processes, from the first calls of each.

Equal keys alone are not a fault: parameters must be equal in all processes. They are a fault if the
drawn numbers are combined with data that differs between the processes.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.jax_internals.jaxprs import aval_of
from jaxrng_doctor.model.facts import CallUse, EqualKeysInProcesses
from jaxrng_doctor.tracing.meets_data import meets_inputs
from jaxrng_doctor.tracing.places import users_place
from jaxrng_doctor.watching.compiled_function import Compiled, RecordedCall
from jaxrng_doctor.watching.repeated_keys import hexadecimal
from jaxrng_doctor.watching.sharded_arrays import digest

_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class FirstCall:
    """One call: a digest of each draw's keys and of each input's data; `b""` if there is none."""

    keys: tuple[bytes, ...]
    data: tuple[bytes, ...]


FirstCalls = dict[Any, tuple[FirstCall, ...]]
"""The first calls of each function in one process, by `_known_by`."""


def first_calls(functions: Sequence[Compiled]) -> FirstCalls:
    """The sampled calls of each function. Computes their keys and waits for the samples."""
    return {
        known: tuple(_first_call(function, call) for function, call in calls)
        for known, calls in _by_function(functions).items()
    }


def equal_in_processes(
    functions: Sequence[Compiled], processes: Mapping[int, FirstCalls]
) -> tuple[EqualKeysInProcesses, ...]:
    """The draws of `functions` that have the same keys in several of the `processes`."""
    return tuple(_found(functions, processes))


def _found(
    functions: Sequence[Compiled], processes: Mapping[int, FirstCalls]
) -> Iterator[EqualKeysInProcesses]:
    for known, calls in _by_function(functions).items():
        each = {process: first.get(known, ()) for process, first in processes.items()}
        compared = [
            (function, call, {p: first[n] for p, first in each.items() if n < len(first)})
            for n, (function, call) in enumerate(calls)
        ]
        compared = [one for one in compared if len(one[2]) > 1]
        for draw in range(len(calls[0][0].diagnosis.draws)):
            shared = [
                (function, call, *found)
                for function, call, same in compared
                if (found := _shared(function, draw, same)) is not None
            ]
            if shared:
                yield _equal_in_processes(draw, *shared[0], len(shared), len(compared))


def _equal_in_processes(
    draw: int,
    function: Compiled,
    call: RecordedCall,
    processes: tuple[int, ...],
    inputs: Sequence[int],
    calls: int,
    compared: int,
) -> EqualKeysInProcesses:
    trace, path = function.program.trace, function.diagnosis.draws[draw].path
    facts = function.diagnosis.facts.draws[draw]
    table = function.program.finish(function.start(call)).keys[path]
    met = (trace.inputs[i][1] for i in inputs if meets_inputs(trace.jaxpr, (i,), path))
    return EqualKeysInProcesses(
        CallUse(facts.sampler, facts.place, function.name, users_place(call.way), call.number),
        processes,
        tuple(name for name in itertools.islice(met, _MOST_NAMES) if name),
        calls,
        compared,
        hexadecimal(table.words[table.reached][0].tobytes()),
    )


def _shared(
    function: Compiled, draw: int, same: Mapping[int, FirstCall]
) -> tuple[tuple[int, ...], list[int]] | None:
    """The processes in which one call draws from the same keys, and the inputs that differ.

    `None` if the drawn numbers are not combined with data that differs.
    """
    groups: dict[bytes, list[int]] = defaultdict(list)
    for process, call in sorted(same.items()):
        groups[call.keys[draw]].append(process)
    groups.pop(b"", None)
    trace, path = function.program.trace, function.diagnosis.draws[draw].path
    for processes in groups.values():
        columns = zip(*(same[process].data for process in processes), strict=True)
        differing = [i for i, column in enumerate(columns) if len({*column} - {b""}) > 1]
        if differing and meets_inputs(trace.jaxpr, differing, path):
            return tuple(processes), differing
    return None


def _by_function(functions: Sequence[Compiled]) -> dict[Any, list[tuple[Compiled, RecordedCall]]]:
    """The calls whose data was sampled, in order, by the `_known_by` of their function."""
    found: dict[Any, list[tuple[Compiled, RecordedCall]]] = defaultdict(list)
    for function in functions:
        for call in function.calls:
            if call.data is not None:
                found[_known_by(function)].append((function, call))
    return found


def _known_by(function: Compiled) -> Any:
    """What identifies a function in all processes: plain data."""
    draws = tuple((d.sampler, d.place, d.shape) for d in function.diagnosis.facts.draws)
    shapes = tuple(str(aval_of(value)) for value in function.program.trace.values)
    return function.name, draws, shapes


def _first_call(function: Compiled, call: RecordedCall) -> FirstCall:
    tables = function.program.finish(function.start(call)).keys
    keys = []
    for use in function.diagnosis.draws:
        table = tables.get(use.path)
        drawn = table is not None and table.reached.any()
        keys.append(digest(table.words[table.reached]) if table is not None and drawn else b"")
    data = {**function.captured, **(call.data or {})}
    inputs = range(len(function.program.trace.inputs))
    return FirstCall(tuple(keys), tuple(digest(data[i]) if i in data else b"" for i in inputs))
