"""Several processes (`jax.distributed`): in come the reports of all, out comes one, in process 0.

The others hand theirs over, with what is needed to compare keys between processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxrng_doctor.facts import Alike, ProgramFacts
from jaxrng_doctor.findings import Choices, Gap, TargetReport
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppress import apply
from jaxrng_doctor.trace.jaxprs import distributed
from jaxrng_doctor.tracebacks import in_a_line
from jaxrng_doctor.watching import calls
from jaxrng_doctor.watching.alike import FirstCalls, alike, first_calls
from jaxrng_doctor.watching.compiled import Compiled
from jaxrng_doctor.watching.mailbox import Mailbox
from jaxrng_doctor.watching.merging import merged

BETWEEN = "between processes"
"""The name under which is reported what only several processes together show."""

Targets = tuple[TargetReport, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a process hands over."""

    targets: Targets
    calls: FirstCalls


class Meeting:
    """The end of a watched program.

    `process`: the number of a process whose report is process 0's to tell, else 0.
    `handed_over`: process 0 has it.
    """

    def __init__(self) -> None:
        self.process = 0
        self.handed_over = False

    def hold(self, targets: Targets, functions: Sequence[Compiled], choices: Choices) -> Targets:
        """What is to be told in this process; raises nothing, and waits for half a minute."""
        found = distributed()
        if found is None:
            return targets
        client, index, count = found
        if client is None:
            why = "the program itself has shut jax.distributed down"
            return (*targets, _between([Gap(f"the processes were not compared: {why}")], choices))
        gaps: list[Gap] = []
        with calls.deaf():
            own = Summary(targets, _first_calls(functions, gaps))
            try:
                if index == 0:
                    return _together(own, Mailbox(client, 0), count, functions, choices, gaps)
                self.process = index
                self.handed_over = Mailbox(client, index).post(own)
                why = "" if self.handed_over else "process 0 waited no longer"
            except Exception as error:
                why = in_a_line(error)
        if why:
            gaps.append(Gap(f"the processes were not compared: {why}"))
        return (*targets, _between(gaps, choices)) if gaps else targets


def _first_calls(functions: Sequence[Compiled], gaps: list[Gap]) -> FirstCalls:
    try:
        return first_calls(functions)
    except Exception as error:
        gaps.append(_not_compared(error))
        return {}


def _together(
    own: Summary,
    mailbox: Mailbox,
    count: int,
    functions: Sequence[Compiled],
    choices: Choices,
    gaps: list[Gap],
) -> Targets:
    """The report of process 0, which is that of all."""
    summaries = {0: own}
    for index, came in mailbox.collect(range(1, count)):
        if isinstance(came, Summary):
            summaries[index] = came
        else:
            why = in_a_line(came)
            gaps.append(Gap(f"process {index} of {count} has handed over no report: {why}"))
    others = {index: summary.targets for index, summary in summaries.items() if index}
    shared: tuple[Alike, ...] = ()
    try:
        every = {index: summary.calls for index, summary in summaries.items()}
        shared = tuple(alike(functions, every))
    except Exception as error:
        gaps.append(_not_compared(error))
    between = _between(gaps, choices, shared)
    return (*merged(own.targets, others, count), between)


def _between(gaps: Sequence[Gap], choices: Choices, shared: tuple[Alike, ...] = ()) -> TargetReport:
    findings, suppressed = apply(judge(ProgramFacts(alike=shared)), choices)
    return TargetReport(BETWEEN, findings, gaps=tuple(gaps), suppressed=suppressed, choices=choices)


def _not_compared(error: Exception) -> Gap:
    return Gap(f"the keys of the processes could not be compared: {in_a_line(error)}")
