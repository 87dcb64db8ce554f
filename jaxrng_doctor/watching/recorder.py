"""Notes what a watched program does, and says at the end what is wrong with it."""

from __future__ import annotations

import functools
import itertools
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxrng_doctor.diagnosis import as_draws
from jaxrng_doctor.doctor import detailed, finish
from jaxrng_doctor.facts import ProgramFacts
from jaxrng_doctor.findings import Draw, Finding, Gap, TargetReport
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppress import apply
from jaxrng_doctor.trace.call import is_array
from jaxrng_doctor.trace.calldata import JitCall
from jaxrng_doctor.trace.equations import Frame, function_of
from jaxrng_doctor.trace.files import is_sampler_file
from jaxrng_doctor.trace.places import is_machinery, is_users, python_stack, users_place
from jaxrng_doctor.tracebacks import in_a_line
from jaxrng_doctor.watching import calls, repeats
from jaxrng_doctor.watching.compiled import Compiled, Made, compiled, transformed
from jaxrng_doctor.watching.repeats import EagerDraw

ACROSS = "across calls"
"""The name under which the keys that repeat from call to call are reported."""


class Recorder:
    """A `Listener`. `key_values`: keep the keys of each call, to find those that come twice.

    `detail`: keep also what the details of a report are made of, see `doctor.detailed`.
    """

    def __init__(self, *, key_values: bool = True, detail: bool = False) -> None:
        self.key_values = key_values
        self.detail = detail
        self._functions: dict[Any, Compiled | None] = {}
        self._held: list[Any] = []  # so that an `id` stays theirs
        self._waiting: dict[int, JitCall] = {}
        self._eager: list[EagerDraw] = []
        self._gaps: list[Gap] = []
        self._ways: dict[Any, tuple[Frame, ...]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._latest = threading.local()

    # -- while the program runs ------------------------------------------------------------

    def jitted(self, call: JitCall) -> _Noted | None:
        known, function = id(call.jaxpr), None
        if any(call.donated) or known in self._functions:
            function = self.first(call)
            if function is None or not self.notes(function):
                return None
        else:
            # Not before it was made: compiled code names the lines that it was first traced from.
            self._waiting[known] = call
        return _Noted(self, call, function)

    def first(self, call: JitCall) -> Compiled | None:
        """The function of `call`, examined if this is the first call of its signature."""
        known = id(call.jaxpr)
        if known in self._functions:
            return self._functions[known]  # as in every step of a loop
        self._waiting.pop(known, None)
        name = function_of(call.jaxpr)[0]
        return self._function(known, call.jaxpr, name, lambda: compiled(call, detail=self.detail))

    def transformed(self, call: calls.Transformed) -> bool:
        leaves = [x for x in jax.tree_util.tree_leaves((call.args, call.kwargs)) if is_array(x)]
        code = getattr(call.original, "__code__", call.original)
        shapes = tuple((x.shape, str(x.dtype)) for x in leaves)
        function = self._function(
            (call.name, id(code), shapes),
            (code, call.fun),
            call.name,
            lambda: transformed(call, detail=self.detail),
        )
        # After its first call, what it captured may be another value.
        if function is None or (function.calls and None in function.flat):
            return False
        if self.key_values:
            self.note(function, function.values_of(leaves))
        return True

    def notes(self, function: Compiled) -> bool:
        """The keys of its next call are worth keeping: constant ones are known after the first."""
        return self.key_values and (function.compares_calls or not function.calls)

    def note(self, function: Compiled, values: tuple[Any, ...]) -> None:
        note = Made(next(self._numbers), self._way(), values)
        with self._lock:
            function.calls.append(note)

    def _way(self) -> tuple[Frame, ...]:
        """The way here, kept once: a loop comes by the same way in each step."""
        way = _way()
        return self._ways.setdefault(tuple((id(f.code), f.lasti) for f in way), way)

    def _function(
        self, known: Any, held: Any, name: str, examine: Callable[[], Compiled | None]
    ) -> Compiled | None:
        if known in self._functions:
            return self._functions[known]
        with self._lock, calls.deaf():
            if known not in self._functions:
                self._held.append(held)
                try:
                    self._functions[known] = examine()
                except (Exception, SystemExit) as error:
                    # The program goes on as if nobody looked; that nobody could is in the report.
                    self._functions[known] = None
                    self._gaps.append(Gap(f"{name} could not be examined: {in_a_line(error)}"))
        return self._functions[known]

    def missed(self, what: str) -> None:
        self._gaps.append(Gap(f"{what} was not followed", users_place(_way())))

    def drew(self, sampler: str, key: Any) -> None:
        if not self.key_values:
            return
        outermost = _outermost_sampler()
        if outermost is not None and outermost is getattr(self._latest, "frame", None):
            return  # a sampler that calls another one
        self._latest.frame = outermost
        draw = EagerDraw(next(self._numbers), sampler, self._way(), key)
        with self._lock:
            self._eager.append(draw)

    # -- at the end ------------------------------------------------------------------------

    def reports(
        self, select: Sequence[str] | None = None, ignore: Sequence[str] | None = None
    ) -> tuple[TargetReport, ...]:
        """A report for each function that draws, and one of what only several calls show."""
        for call in list(self._waiting.values()):
            self.first(call)  # it was lowered, and never called by its name
        with self._lock, calls.deaf():
            functions = [f for f in self._functions.values() if f is not None]
            told: set[Any] = set()
            found = []
            for function in functions:
                # What two signatures of one function share is told once.
                new = [f for f in judge(function.diagnosis.facts) if _key(f) not in told]
                told.update(map(_key, new))
                findings, suppressed = apply(new, select=select, ignore=ignore)
                report = TargetReport(
                    function.name,
                    findings,
                    draws=as_draws(function.diagnosis.facts.draws),
                    gaps=function.diagnosis.gaps,
                    suppressed=suppressed,
                    lines=function.program.trace.place,
                )
                if self.detail:
                    trace = function.program.trace
                    report = detailed(report, trace, function.diagnosis)
                found.append(report)
            found.append(self._across(functions, select, ignore))
            return finish(found, select=select, ignore=ignore)

    def _across(
        self,
        functions: Sequence[Compiled],
        select: Sequence[str] | None,
        ignore: Sequence[str] | None,
    ) -> TargetReport:
        gaps = list(dict.fromkeys(self._gaps))
        facts = ProgramFacts()
        try:
            facts = ProgramFacts(repeated=repeats.repeated_keys(functions, self._eager))
        except Exception as error:
            gaps.append(Gap(f"the calls could not be compared: {in_a_line(error)}"))
        findings, suppressed = apply(judge(facts), select=select, ignore=ignore)
        draws = (repeats.call_draw(draw) for draw in self._eager)
        seen = dict.fromkeys(Draw(d.sampler, d.place, "a key of the program") for d in draws)
        return TargetReport(ACROSS, findings, None, tuple(seen), tuple(gaps), suppressed)


class _Noted:
    """A jitted call, to be noted once it was made, and its like again. `function` if known."""

    def __init__(self, recorder: Recorder, call: JitCall, function: Compiled | None) -> None:
        self._recorder = recorder
        self._function = function
        self._donated = call.donated if any(call.donated) else ()
        self._call: JitCall | None = call
        self._note = self.again(call.flat) if self._donated else None

    def made(self) -> bool:
        call, note = self._call, self._note
        self._call = self._note = None  # its arguments may be large
        if call is None:
            return False
        if self._function is None:
            self._function = self._recorder.first(call)
        if self._function is None or not self._recorder.notes(self._function):
            return False
        (note or self.again(call.flat))()
        return self._function.compares_calls

    def again(self, leaves: Sequence[Any]) -> Callable[[], None]:
        if self._function is None:
            return _nothing
        try:
            if self._donated:
                with calls.deaf():
                    values = self._function.values_of(leaves, self._donated)
            else:
                values = self._function.values_of(leaves)
        except Exception:
            return _nothing  # of no use to the call either, as an array that was donated before
        return functools.partial(self._recorder.note, self._function, values)


def _nothing() -> None:
    pass


def _key(finding: Finding) -> Any:
    return finding.code, finding.place, finding.message


def _way() -> tuple[Frame, ...]:
    """The way here, innermost first: the user's frame, or where a library came here, all of it."""
    found: list[Frame] = []
    for frame in python_stack():
        if not is_machinery(frame.code.co_filename):
            found.append(frame)
            if is_users(found[0].code.co_filename):
                break
    return tuple(found)


def _outermost_sampler() -> Any:
    """The running frame of the function of `jax.random` that the user called."""
    frame, found = sys._getframe(1), None
    while frame is not None and not is_users(frame.f_code.co_filename):
        if is_sampler_file(frame.f_code.co_filename):
            found = frame
        frame = frame.f_back  # type: ignore[assignment]
    return found
