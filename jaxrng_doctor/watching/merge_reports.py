"""Merges the reports of several processes into one.

What several processes found is reported once. What process 0 did not find is reported with the
processes that found it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxrng_doctor.model.findings import Finding, Gap
from jaxrng_doctor.model.report import TargetReport

_MOST_NAMED = 4


def known_by(finding: Finding) -> Any:
    """What identifies a finding in all signatures of a function, and in all processes.

    Not the message: it names the scopes, which differ from one trace of a line to the next.
    """
    if finding.place is None:
        return finding.code, finding.message
    return finding.code, finding.place, frozenset(r.place for r in finding.related)


_KINDS: dict[str, Callable[[Any], Any]] = {
    "findings": lambda finding: (known_by(finding), finding.severity),
    "suppressed": lambda suppressed: known_by(suppressed.finding),
    "gaps": lambda gap: gap,
    "draws": lambda draw: draw,
}


def merged(
    own: Sequence[TargetReport], others: Mapping[int, Sequence[TargetReport]], count: int
) -> tuple[TargetReport, ...]:
    """The targets of process 0, `own`, with what only `others` have; `count` processes in total."""
    targets = list(own)
    at: dict[Any, int] = {}
    for number, target in enumerate(own):
        at.setdefault(_who(target), number)
    for kind, key in _KINDS.items():
        seen = {key(one) for target in own for one in getattr(target, kind)}
        for target, one, processes in _new(kind, key, others):
            if key(one) in seen:
                continue
            if _who(target) not in at:
                at[_who(target)] = len(targets)
                targets.append(replace(target, findings=(), suppressed=(), gaps=(), draws=()))
            mine = targets[at[_who(target)]]
            more: dict[str, Any] = {
                kind: (*getattr(mine, kind), _reported(one, _named(processes, count)))
            }
            targets[at[_who(target)]] = replace(mine, **more)
    return tuple(targets)


def _new(
    kind: str, key: Callable[[Any], Any], others: Mapping[int, Sequence[TargetReport]]
) -> list[tuple[TargetReport, Any, list[int]]]:
    """Each item of one kind, such as each gap, with its target and the processes that have it."""
    found: dict[Any, tuple[TargetReport, Any, list[int]]] = {}
    for process, targets in others.items():
        for target in targets:
            for one in getattr(target, kind):
                processes = found.setdefault(key(one), (target, one, []))[2]
                if process not in processes:
                    processes.append(process)
    return list(found.values())


def _who(target: TargetReport) -> Any:
    return target.target, target.lines


def _reported(one: Any, who: str) -> Any:
    if isinstance(one, Finding):
        return replace(one, notes=(*one.notes, f"seen in {who}, not in process 0"))
    if isinstance(one, Gap):
        return Gap(f"in {who}: {one.message}", one.place)
    return one


def _named(processes: Sequence[int], count: int) -> str:
    if len(processes) == 1:
        return f"process {processes[0]} of {count}"
    if len(processes) > _MOST_NAMED:
        return (
            f"{len(processes):,} of {count:,} processes, the first of them process {processes[0]}"
        )
    *most, last = map(str, processes)
    return f"processes {', '.join(most)} and {last} of {count}"
