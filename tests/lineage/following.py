"""Runs the lineage analysis on a program, for tests of what it finds."""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.analysis.lineage.engine import Engine
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.tracing.array_call import array_call
from jaxrng_doctor.tracing.program import Trace, trace_program


def followed(fn: Any, *args: Any) -> tuple[Trace, Engine]:
    trace = trace_program(array_call(Target("fn", fn, args)))
    engine = Engine(trace)
    engine.run()
    return trace, engine
