"""Compares the processes of `jax.distributed`: process 0 reports for all.

The others send it their reports, and what is needed to compare keys between processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.jax_internals.call_hooks import distributed
from jaxrng_doctor.model.facts import EqualKeysInProcesses, ProgramFacts
from jaxrng_doctor.model.findings import Choices, Gap
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.watching import build_reports, hooks
from jaxrng_doctor.watching.compiled_function import Compiled
from jaxrng_doctor.watching.cross_process import FirstCalls, equal_in_processes, first_calls
from jaxrng_doctor.watching.kv_transport import Mailbox
from jaxrng_doctor.watching.merge_reports import merged

Targets = tuple[TargetReport, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a process sends to process 0: its reports and its first calls."""

    targets: Targets
    calls: FirstCalls


class ProcessMerge:
    """Merges the reports of all processes at the end of a watched program.

    `detail`: see `Recorder`. `process`: the number of this process if it sends its reports to
    process 0, else 0. `handed_over`: whether process 0 reads them.
    """

    def __init__(self, *, detail: bool = False) -> None:
        self.detail = detail
        self.process = 0
        self.handed_over = False

    def merge(self, targets: Targets, functions: Sequence[Compiled], choices: Choices) -> Targets:
        """The reports of this process. Waits for up to half a minute; raises no `Exception`."""
        found = distributed()
        if found is None:
            return targets
        client, index, count = found
        if client is None:
            why = "the program itself has shut jax.distributed down"
            return (
                *targets,
                self._between([Gap(f"the processes were not compared: {why}")], choices),
            )
        gaps: list[Gap] = []
        with hooks.paused():
            first = _first_calls(functions, gaps)
            mailbox = Mailbox(client, index)
            try:
                if index == 0:
                    summaries = _collected(mailbox, count, gaps)
                    shared = _equal_in_processes(functions, first, summaries, gaps)
                    own = (*targets, self._between(gaps, choices, shared))
                    return merged(own, {i: s.targets for i, s in summaries.items()}, count)
                self.process = index
                own = (*targets, self._between(gaps, choices))
                self.handed_over = mailbox.post(Summary(own, first))
                why = "" if self.handed_over else "process 0 stopped waiting"
            except Exception as error:
                why = in_a_line(error)
        if why:
            gaps.append(Gap(f"the processes were not compared: {why}"))
        return (*targets, self._between(gaps, choices)) if gaps else targets

    def _between(
        self, gaps: Sequence[Gap], choices: Choices, shared: tuple[EqualKeysInProcesses, ...] = ()
    ) -> TargetReport:
        facts = ProgramFacts(equal_in_processes=shared)
        return build_reports.of_several(
            build_reports.BETWEEN, facts, gaps, choices, detail=self.detail
        )


def _first_calls(functions: Sequence[Compiled], gaps: list[Gap]) -> FirstCalls:
    try:
        return first_calls(functions)
    except Exception as error:
        gaps.append(_not_compared(error))
        return {}


def _collected(mailbox: Mailbox, count: int, gaps: list[Gap]) -> dict[int, Summary]:
    found: dict[int, Summary] = {}
    for index, came in mailbox.collect(range(1, count)):
        if isinstance(came, Summary):
            found[index] = came
        else:
            why = in_a_line(came)
            gaps.append(Gap(f"process {index} of {count} handed over no report: {why}"))
    return found


def _equal_in_processes(
    functions: Sequence[Compiled],
    first: FirstCalls,
    others: Mapping[int, Summary],
    gaps: list[Gap],
) -> tuple[EqualKeysInProcesses, ...]:
    try:
        return equal_in_processes(
            functions, {0: first, **{i: other.calls for i, other in others.items()}}
        )
    except Exception as error:
        gaps.append(_not_compared(error))
        return ()


def _not_compared(error: Exception) -> Gap:
    return Gap(f"the keys of the processes could not be compared: {in_a_line(error)}")
