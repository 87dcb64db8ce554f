"""Checks a `Target` step by step and returns its `TargetReport`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxrng_doctor._util.gc_pause import gc_paused
from jaxrng_doctor._util.time_limit import OutOfTime, within
from jaxrng_doctor._util.tracebacks import failure, in_a_line, internal_error
from jaxrng_doctor.analysis.facts.build import program_facts
from jaxrng_doctor.analysis.facts.draws import as_draws, cut_loops, not_run
from jaxrng_doctor.analysis.keys.compute import compute_keys
from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.engine import Engine
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.analysis.listing import listing
from jaxrng_doctor.analysis.listing.cost import takes_long
from jaxrng_doctor.checking import compare_outputs
from jaxrng_doctor.checking.pictures import with_pictures
from jaxrng_doctor.jax_internals import check_assumptions
from jaxrng_doctor.model.errors import AnalysisFault, TargetError, UsageError
from jaxrng_doctor.model.facts import ProgramFacts
from jaxrng_doctor.model.findings import (
    EVERYTHING,
    Choices,
    Comparison,
    Failure,
    Gap,
    Stage,
)
from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.rules import codes_forbidding_run, judge
from jaxrng_doctor.suppression.policy import apply
from jaxrng_doctor.tracing.array_call import ArrayCall, array_call
from jaxrng_doctor.tracing.draws import key_impl
from jaxrng_doctor.tracing.program import Trace, trace_program

_TIMEOUT = 60.0

OnStage = Callable[[Stage, str], None]
"""Called when a stage begins, with e.g. `("trace", "tracing noise.py:add_noise")`."""


def examine(
    target: Target,
    *,
    run: bool = True,
    timeout: float | None = None,
    choices: Choices = EVERYTHING,
    detail: bool = False,
    progress: OnStage = lambda stage, text: None,
) -> TargetReport:
    """Trace `target`, follow its keys, compute them, run the target and apply the rules.

    With `run=False` nothing is executed on arrays, and every finding is inferred. With `detail`
    the report contains data that only some formats show: see `detailed`. `timeout` is in seconds,
    for each of the two runs. Raises `TargetError` if the target cannot be traced; if it fails
    when it is run, the report has the failure and the findings from the trace. `progress` is
    called at the beginning of each stage.
    """
    progress("trace", f"tracing {target.name}")
    call, trace = traced(target)
    try:
        return _examine(target, call, trace, run, timeout, choices, detail, progress)
    except Exception as error:
        raise TargetError(internal_error(target.name, error)) from error


def traced(target: Target) -> tuple[ArrayCall, Trace]:
    try:
        call = array_call(target)
    except (TargetError, UsageError):
        raise
    except Exception as error:
        raise TargetError(internal_error(target.name, error)) from error
    try:
        return call, trace_program(call)
    except TargetError:
        raise
    except AnalysisFault as fault:
        raise TargetError(internal_error(target.name, fault.__cause__ or fault)) from fault
    except (Exception, SystemExit) as error:
        raise TargetError(failure("trace", target.name, error)) from error


def inspect(
    target: Target,
    *,
    every: bool = False,
    run: bool = True,
    timeout: float | None = None,
    choices: Choices = EVERYTHING,
    progress: OnStage = lambda stage, text: None,
) -> Listing:
    """Trace `target` and return its program; `every` includes equations without keys.

    Only key computations are executed, only with `run`, and for at most `timeout` seconds.
    Without a `timeout`, they are skipped if they would take long to compile. Raises `TargetError`
    if the target cannot be traced.
    """
    progress("trace", f"tracing {target.name}")
    _, trace = traced(target)
    try:
        progress("analysis", f"analysing {target.name}")
        return _inspect(target, trace, every, run, timeout, choices)
    except Exception as error:
        raise TargetError(internal_error(target.name, error)) from error


def _inspect(
    target: Target,
    trace: Trace,
    every: bool,
    run: bool,
    timeout: float | None,
    choices: Choices,
) -> Listing:
    computed: list[Ledger] = []

    def compute() -> Ledger:
        ledger = compute_keys(trace, variables=True)
        computed.append(ledger)
        return ledger

    why = "" if run else "nothing was run"
    if run and timeout is None and takes_long(trace):
        why = f"that would take long; --timeout {_TIMEOUT:g} gives it a minute"
    found = diagnose(trace, run=not why, timeout=timeout or _TIMEOUT, compute=compute)
    judged, unjudged = judge(found.facts, choices.select)
    findings, _ = apply(judged, replace(choices, expect=target.expect))
    if not why and (found.unfinished or not computed):
        why = found.unfinished.removeprefix("not run: ") or "see the gaps"
    # A thread that was given up may still come to an end, too late.
    ledger = Ledger() if why else computed[0]
    with gc_paused():
        return listing(
            target.name,
            trace,
            ledger,
            findings,
            (*found.gaps, *unjudged),
            every=every,
            not_computed=why,
        )


def _examine(
    target: Target,
    call: ArrayCall,
    trace: Trace,
    run: bool,
    timeout: float | None,
    choices: Choices,
    detail: bool,
    progress: OnStage,
) -> TargetReport:
    progress("analysis", f"analysing {target.name}")
    found = diagnose(
        trace,
        run=run,
        timeout=timeout,
        compute=functools.partial(all_keys, trace) if detail else None,
        computing=lambda: progress("run", f"computing the keys of {target.name}"),
    )
    comparison: Comparison | None = None
    failed: Failure | None = None
    if run and not found.unfinished:
        progress("run", f"running {target.name}")
        comparison, failed = _comparison(target, call, trace, timeout)
    elif run:
        comparison = Comparison(unavailable=found.unfinished)
    choices = replace(choices, expect=target.expect)
    judged, unjudged = judge(found.facts, choices.select)
    findings, suppressed = apply(judged, choices)
    report = TargetReport(
        target=target.name,
        findings=findings,
        comparison=comparison,
        draws=as_draws(found.facts.draws),
        gaps=(*found.gaps, *unjudged),
        suppressed=suppressed,
        failure=failed,
        lines=trace.place,
        choices=choices,
    )
    return detailed(report, trace, found) if detail else report


@dataclass(frozen=True)
class Diagnosis:
    """The analysis of one trace. `unfinished`: why not all keys were computed.

    `draws` are the uses that correspond to `facts.draws`; `ledger` has their keys and those of
    `splits`.
    """

    facts: ProgramFacts
    draws: tuple[Use, ...]
    splits: tuple[Use, ...]
    gaps: tuple[Gap, ...]
    ledger: Ledger
    unfinished: str = ""


def diagnose(
    trace: Trace,
    *,
    run: bool,
    timeout: float | None = None,
    compute: Callable[[], Ledger] | None = None,
    computing: Callable[[], None] = lambda: None,
) -> Diagnosis:
    """Follow the keys of a trace, and compute them if `run`, for at most `timeout` seconds.

    `compute` replaces the default computation; `computing` is called when it begins.
    """
    engine = Engine(trace)
    engine.run()
    gaps = [*map(Gap, check_assumptions.broken()), *trace.gaps, *engine.gaps]
    ledger, unfinished = Ledger(), ""
    if run and (forbidden := _forbids_run(trace, engine)):
        unfinished = f"not run: it may not terminate ({forbidden})"
    elif run:
        computing()
        ledger, in_time = _keys(compute or (lambda: compute_keys(trace)), timeout, gaps)
        unfinished = "" if in_time else "not run: computing its keys took too long"
        gaps += [*not_run(trace, ledger), *cut_loops(engine.draws, ledger)]
        if ledger.lacking:
            gaps.append(Gap(f"the keys of variables could not be computed: {ledger.lacking}"))
    return Diagnosis(
        program_facts(trace, engine, ledger),
        tuple(engine.draws),
        tuple(engine.splits),
        tuple(dict.fromkeys(gaps)),
        ledger,
        unfinished,
    )


def detailed(report: TargetReport, trace: Trace, found: Diagnosis) -> TargetReport:
    """The report with data that is slow to compute and that only some formats show."""
    eqns = [draw.at.eqn for draw in found.draws]
    tables = [found.ledger.keys.get(draw.path) for draw in found.draws]
    findings, unseen = with_pictures(report.findings, found.facts.draws, eqns, tables)
    report = replace(report, findings=findings, gaps=(*report.gaps, *unseen))
    why = ""
    if found.draws and not found.ledger.keys:
        why = found.unfinished.removeprefix("not run: ")
        why = why or ("see the gaps" if report.gaps else "nothing was run")
    try:
        shown = listing(
            report.target, trace, found.ledger, report.findings, report.gaps, not_computed=why
        )
    except Exception as error:
        gap = Gap(f"the program could not be shown: {in_a_line(error)}")
        return replace(report, gaps=(*report.gaps, gap))
    return replace(report, listing=shown)


def _forbids_run(trace: Trace, engine: Engine) -> str:
    """The rules by which the program may not terminate, as the trace alone shows; else `""`."""
    forbidding = codes_forbidding_run({key_impl(draw.at.eqn) for draw in engine.draws})
    if not forbidding:
        return ""
    findings, unjudged = judge(program_facts(trace, engine, Ledger()))
    found = {finding.code for finding in findings}
    return ", ".join(code for code in forbidding if unjudged or code in found)


def _keys(
    compute: Callable[[], Ledger],
    timeout: float | None,
    gaps: list[Gap],
) -> tuple[Ledger, bool]:
    """The key table, empty and with a gap if it cannot be computed; and whether it was in time."""
    try:
        return within(timeout, compute), True
    except OutOfTime:
        gaps.append(Gap(f"the keys were not computed: timed out after {timeout:g} s"))
        return Ledger(), False
    except Exception as error:
        # Findings that cannot be proven are still reported as inferred.
        gaps.append(Gap(f"the keys could not be computed: {in_a_line(error)}"))
        return Ledger(), True


def all_keys(trace: Trace) -> Ledger:
    """The keys of all variables, for a listing; only those of draws if that fails."""
    try:
        return compute_keys(trace, variables=True)
    except Exception as error:
        return replace(compute_keys(trace), lacking=in_a_line(error))


def _comparison(
    target: Target,
    call: ArrayCall,
    trace: Trace,
    timeout: float | None,
) -> tuple[Comparison | None, Failure | None]:
    try:
        return within(timeout, lambda: compare_outputs.compare(call, trace)), None
    except OutOfTime:
        return Comparison(unavailable=f"the function timed out after {timeout:g} s"), None
    except (Exception, SystemExit) as error:
        return None, failure("run", target.name, error)
