"""The consultation: from a `Target` to its `TargetReport`, one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jaxrng_doctor import outcome
from jaxrng_doctor.diagnosis import as_draws, draw_facts
from jaxrng_doctor.errors import TargetError
from jaxrng_doctor.findings import Comparison, Failure, Gap, TargetReport
from jaxrng_doctor.ledger import KeyTable, compute_keys
from jaxrng_doctor.limits import OutOfTime, within
from jaxrng_doctor.lineage.engine import Engine
from jaxrng_doctor.lineage.use import Path
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppress import apply
from jaxrng_doctor.target import Target
from jaxrng_doctor.trace.call import ArrayCall, array_call
from jaxrng_doctor.trace.program import Trace, trace_program
from jaxrng_doctor.tracebacks import doctors_own, failure


def examine(
    target: Target,
    *,
    run: bool = True,
    timeout: float | None = None,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> TargetReport:
    """Trace `target`, follow its keys, prove, run, judge.

    With `run=False` nothing is executed on arrays, and every finding is inferred.
    `timeout` is in seconds, for each of the two runs. Raises `TargetError` if the
    target cannot be traced; one that fails as it is run is reported with what the
    trace alone shows, and the failure.
    """
    call = array_call(target)
    progress(f"tracing {target.name}")
    try:
        trace = trace_program(call)
    except (Exception, SystemExit) as error:
        raise TargetError(failure("trace", target.name, error)) from error
    try:
        engine = Engine(trace)
        engine.run()
    except Exception as error:
        raise TargetError(doctors_own(target.name, error)) from error
    gaps = [*trace.gaps, *engine.gaps]
    tables: Mapping[Path, KeyTable] = {}
    comparison: Comparison | None = None
    failed: Failure | None = None
    if run:
        progress(f"computing the keys of {target.name}")
        tables, in_time = _keys(trace, timeout, gaps)
        progress(f"running {target.name}")
        if in_time:
            comparison, failed = _comparison(target, call, trace, timeout)
        else:
            comparison = Comparison(unavailable="not run: its keys alone took too long to compute")
    facts = draw_facts(engine.draws, tables)
    findings, suppressed = apply(judge(facts), expect=target.expect, select=select, ignore=ignore)
    return TargetReport(
        target=target.name,
        findings=findings,
        comparison=comparison,
        draws=as_draws(facts),
        gaps=tuple(dict.fromkeys(gaps)),
        suppressed=suppressed,
        failure=failed,
    )


def _keys(
    trace: Trace,
    timeout: float | None,
    gaps: list[Gap],
) -> tuple[Mapping[Path, KeyTable], bool]:
    """The ledger, empty with a gap if it cannot be computed; and whether it ended in time."""
    try:
        return within(timeout, lambda: compute_keys(trace)), True
    except OutOfTime:
        gaps.append(Gap(f"the keys were not computed: stopped after {timeout:g} s"))
        return {}, False
    except Exception as error:
        # What cannot be proven is still reported as inferred; it must never look clean.
        first = str(error).strip().partition("\n")[0]
        gaps.append(Gap(f"the keys could not be computed: {type(error).__name__}: {first}"))
        return {}, True


def _comparison(
    target: Target,
    call: ArrayCall,
    trace: Trace,
    timeout: float | None,
) -> tuple[Comparison | None, Failure | None]:
    try:
        return within(timeout, lambda: outcome.compare(call, trace)), None
    except OutOfTime:
        return Comparison(
            unavailable=f"the function did not end: stopped after {timeout:g} s"
        ), None
    except (Exception, SystemExit) as error:
        return None, failure("run", target.name, error)
