"""Notes what a watched program does, and says at the end what is wrong with it."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxrng_doctor.diagnosis import as_draws
from jaxrng_doctor.doctor import finish
from jaxrng_doctor.facts import ProgramFacts
from jaxrng_doctor.findings import Draw, Finding, Gap, TargetReport
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppress import apply
from jaxrng_doctor.trace.call import is_array
from jaxrng_doctor.trace.equations import Frame, function_of
from jaxrng_doctor.trace.jaxprs import JitCall, is_sampler_file
from jaxrng_doctor.trace.places import is_machinery, is_users, python_stack, users_place
from jaxrng_doctor.tracebacks import in_a_line
from jaxrng_doctor.watching import calls, repeats
from jaxrng_doctor.watching.compiled import Compiled, Made, compiled, transformed
from jaxrng_doctor.watching.repeats import EagerDraw

ACROSS = "across calls"
"""The name under which the keys that repeat from call to call are reported."""


class Recorder:
    """A `Listener`. `key_values`: keep the keys of each call, to find those that come twice."""

    def __init__(self, *, key_values: bool = True) -> None:
        self.key_values = key_values
        self._functions: dict[Any, Compiled | None] = {}
        self._held: list[Any] = []  # so that an `id` stays theirs
        self._waiting: dict[int, JitCall] = {}
        self._eager: list[EagerDraw] = []
        self._gaps: list[Gap] = []
        self._ways: dict[Any, tuple[Frame, ...]] = {}
        self._within: dict[Any, int] = {}  # the numbers of calls that were transformed
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._latest = threading.local()

    # -- while the program runs ------------------------------------------------------------

    def jitted(self, call: JitCall) -> calls.Made | None:
        known = id(call.jaxpr)
        values: tuple[Any, ...] | None = None
        if call.donates or known in self._functions:
            function = self._first(call)
            if function is None or not self.key_values:
                return None
            if not function.compares_calls and function.calls:
                return None
            if call.donates:
                with calls.deaf():
                    values = function.values_of(call.flat, copy=True)
        elif _asks_for_shapes():
            return None
        else:
            # Not before it was made: compiled code names the lines that it was first traced from.
            self._waiting[known] = call

        def made() -> bool:
            function = self._first(call)
            if function is None or not self.key_values:
                return False
            if function.compares_calls or not function.calls:
                self._note(function, function.values_of(call.flat) if values is None else values)
            return function.compares_calls

        return made

    def _first(self, call: JitCall) -> Compiled | None:
        """The function of `call`, examined if this is the first call of its signature."""
        known = id(call.jaxpr)
        if known in self._functions:
            return self._functions[known]  # as in every step of a loop
        self._waiting.pop(known, None)
        name = function_of(call.jaxpr)[0]
        return self._function(known, call.jaxpr, name, lambda: compiled(call))

    def transformed(self, call: calls.Transformed) -> None:
        leaves = [x for x in jax.tree_util.tree_leaves((call.args, call.kwargs)) if is_array(x)]
        code = getattr(call.original, "__code__", call.original)
        shapes = tuple((x.shape, str(x.dtype)) for x in leaves)
        known = (call.name, id(code), shapes)
        again = known in self._functions
        function = self._function(known, (code, call.fun), call.name, lambda: transformed(call))
        if again and self.key_values and function is not None and function.draws_out_of_sight:
            what = f"calls of {call.title} are not compared: it draws inside of compiled code"
            self._gaps.append(Gap(what, users_place(_way())))

    def _note(self, function: Compiled, values: tuple[Any, ...]) -> None:
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

    def drew(self, sampler: str, key: Any, around: tuple[int, str] | None) -> None:
        if not self.key_values:
            return
        outermost = _outermost_sampler()
        if outermost is not None and outermost is getattr(self._latest, "frame", None):
            return  # a sampler that calls another one
        self._latest.frame = outermost
        with self._lock:
            number = self._within.get(around) or next(self._numbers)
            if around is not None:
                self._within[around] = number
            function = "" if around is None else around[1]
            draw = EagerDraw(number, sampler, self._way(), key, function)
            self._eager.append(draw)

    # -- at the end ------------------------------------------------------------------------

    def reports(
        self, select: Sequence[str] | None = None, ignore: Sequence[str] | None = None
    ) -> tuple[TargetReport, ...]:
        """A report for each function that draws, and one of what only several calls show."""
        for call in list(self._waiting.values()):
            self._first(call)  # it was lowered, and never called by its name
        with self._lock, calls.deaf():
            functions = [f for f in self._functions.values() if f is not None]
            told: set[Any] = set()
            found = []
            for function in functions:
                # What two signatures of one function share is told once.
                new = [f for f in judge(function.diagnosis.facts) if _key(f) not in told]
                told.update(map(_key, new))
                findings, suppressed = apply(new, select=select, ignore=ignore)
                found.append(
                    TargetReport(
                        function.name,
                        findings,
                        draws=as_draws(function.diagnosis.facts.draws),
                        gaps=function.diagnosis.gaps,
                        suppressed=suppressed,
                        lines=function.program.trace.place,
                    )
                )
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


def _asks_for_shapes() -> bool:
    """`jax.eval_shape` traces a function: nothing is drawn."""
    stack = itertools.takewhile(lambda f: is_machinery(f.code.co_filename), python_stack())
    return any(frame.code.co_name in ("eval_shape", "jit_eval_shape") for frame in stack)


def _outermost_sampler() -> Any:
    """The running frame of the function of `jax.random` that the user called."""
    frame, found = sys._getframe(1), None
    while frame is not None and not is_users(frame.f_code.co_filename):
        if is_sampler_file(frame.f_code.co_filename):
            found = frame
        frame = frame.f_back  # type: ignore[assignment]
    return found
