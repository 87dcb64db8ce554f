"""Notes what a watched program does, and says at the end what is wrong with it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from jaxrng_doctor.diagnosis import as_draws
from jaxrng_doctor.doctor import detailed
from jaxrng_doctor.errors import FirstFinding
from jaxrng_doctor.facts import HostDrawFacts, ProgramFacts, Repeated
from jaxrng_doctor.findings import (
    SEVERITIES,
    Choices,
    Draw,
    Gap,
    Place,
    Severity,
    TargetReport,
)
from jaxrng_doctor.finishing import finish
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppress import apply
from jaxrng_doctor.trace.call import is_array
from jaxrng_doctor.trace.calldata import JitCall
from jaxrng_doctor.trace.equations import Frame, function_of, is_mutable, open_jaxpr
from jaxrng_doctor.trace.files import is_sampler_file
from jaxrng_doctor.trace.jaxprs import distributed
from jaxrng_doctor.trace.places import is_machinery, is_users, python_stack, users_place
from jaxrng_doctor.tracebacks import in_a_line
from jaxrng_doctor.watching import calls, repeats
from jaxrng_doctor.watching.compiled import Compiled, Made, compiled, transformed
from jaxrng_doctor.watching.hostdata import SPREAD, Spread
from jaxrng_doctor.watching.merging import known_by
from jaxrng_doctor.watching.repeats import EagerDraw

FIRST_CALLS = 8
"""Of so many calls of each function the data are sampled, to be compared between processes."""

ACROSS = "across calls"
"""The name under which the keys that repeat from call to call are reported."""

MOST_CALLS = 1 << 20
"""So many calls and draws are kept to be compared, of a few hundred bytes each."""


class Recorder:
    """A `Listener`. `key_values`: keep the keys of each call, to find those that come twice.

    `detail`: keep also what the details of a report are made of, see `doctor.detailed`.
    `samples`: in a program of several processes, keep samples of each function's first calls.
    With `stop_at` it raises `FirstFinding` into the program as soon as there is a finding as
    grave as that.
    """

    def __init__(
        self,
        choices: Choices,
        *,
        key_values: bool = True,
        samples: bool = False,
        stop_at: Severity | None = None,
        detail: bool = False,
    ) -> None:
        self.key_values = key_values
        self.detail = detail
        self._samples = samples
        self._choices = choices
        self._stop_at = stop_at
        self._functions: dict[Any, Compiled | None] = {}
        self._held: list[Any] = []  # so that an `id` stays theirs
        self._waiting: dict[int, JitCall] = {}
        self._eager: list[EagerDraw] = []
        self._gaps: dict[Gap, None] = {}  # each once: a loop comes by again and again
        self._host_draws: dict[tuple[str, str], HostDrawFacts] = {}
        self._ways: dict[Any, tuple[Frame, ...]] = {}
        self._within: dict[Any, int] = {}  # the numbers of calls that were transformed
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._latest = threading.local()

    # -- while the program runs ------------------------------------------------------------

    def jitted(self, call: JitCall, loop: calls.Transformed | None) -> _Noted | None:
        known, function = id(call.jaxpr), None
        if any(call.donated) or known in self._functions:
            function = self.first(call, loop)
            if function is None or not self.notes(function):
                self.miss(function)
                return None
        elif _asks_for_shapes():
            return None
        else:
            # Not before it was made: compiled code names the lines that it was first traced from.
            self._waiting[known] = call
        return _Noted(self, call, loop, function)

    def first(self, call: JitCall, loop: calls.Transformed | None = None) -> Compiled | None:
        """The function of `call`, examined if this is the first call of its signature."""
        known = id(call.jaxpr)
        if known in self._functions:
            return self._functions[known]  # as in every step of a loop
        self._waiting.pop(known, None)
        source = function_of(call.jaxpr)
        moved = source in self._host_draws
        examine = functools.partial(compiled, call, moved=moved, loop=loop, detail=self.detail)
        return self._function(known, call.jaxpr, source[0], examine)

    def transformed(self, call: calls.Transformed) -> None:
        leaves = [x for x in jax.tree_util.tree_leaves((call.args, call.kwargs)) if is_array(x)]
        code = getattr(call.original, "__code__", call.original)
        shapes = tuple((x.shape, str(x.dtype)) for x in leaves)
        known = (call.name, id(code), shapes)
        again = known in self._functions
        examine = functools.partial(transformed, call, detail=self.detail)
        function = self._function(known, (code, call.fun), call.name, examine)
        if again and self.key_values and function is not None and function.draws_out_of_sight:
            what = f"calls of {call.title} are not compared: it draws inside of compiled code"
            self._gap(what, users_place(_way()))

    def miss(self, function: Compiled | None) -> None:
        gap = None if function is None or not self.key_values else function.if_called_again
        if gap is not None:
            self._gap(gap.message, gap.place)

    def _gap(self, message: str, place: Place | None = None) -> None:
        self._gaps[Gap(message, place)] = None

    def notes(self, function: Compiled) -> bool:
        """The keys of its next call are worth keeping: constant ones are known after the first."""
        repeats = function.compares_calls or not function.calls
        return self.key_values and function.computes and repeats

    def prepared(
        self,
        function: Compiled,
        leaves: Sequence[Any],
        donated: Sequence[bool],
        before: Mapping[int, Any],
    ) -> Callable[[], None]:
        """What notes a call with these leaves, once it was made."""
        try:
            with calls.deaf() if donated or function.refs else contextlib.nullcontext():
                values = function.values_of(leaves, donated, before)
        except Spread:
            return functools.partial(self._spread, function)
        except Exception:
            return _nothing  # of no use to the call either, as an array that was donated before
        return functools.partial(self.note, function, values, self._data_of(function, leaves))

    def _data_of(self, function: Compiled, leaves: Sequence[Any]) -> dict[int, Any] | None:
        """Samples of the data of a call, if it is one of the first and other processes run too."""
        if not self._samples or len(function.calls) >= FIRST_CALLS or not distributed():
            return None
        try:
            with calls.deaf():
                return function.data_of(leaves)
        except Exception:
            return None

    def note(
        self, function: Compiled, values: tuple[Any, ...], data: dict[int, Any] | None
    ) -> None:
        number = self._number()
        if number is None:
            return
        note = Made(number, self._way(), values, data)
        with self._lock:
            function.calls.append(note)
        self._stop_if_repeated(note.number)

    def _number(self) -> int | None:
        """Of the next call, `None` where so many are kept that more would fill the memory."""
        number = next(self._numbers)
        if number == MOST_CALLS + 1:
            self._gap(f"calls after the first {MOST_CALLS:,} are not compared")
        return number if number <= MOST_CALLS else None

    def _spread(self, function: Compiled) -> None:
        self._gap(f"calls of {function.name} are not compared: {SPREAD}")

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
                    self._gap(f"{name} could not be examined: {in_a_line(error)}")
                found = self._functions[known]
                if found is not None:
                    self._stop_if_found(found.diagnosis.facts)
        return self._functions[known]

    def drew_while_tracing(self, library: str, source: str) -> None:
        name, _, where = source.partition(" at ")
        path, _, line = where.rpartition(":")
        place = Place(path, int(line), function=name) if is_users(path) else None
        self._host_draws[name, path] = HostDrawFacts(library, "", place)

    def missed(self, what: str) -> None:
        self._gap(f"{what} was not followed", users_place(_way()))

    def drew(self, sampler: str, key: Any, around: tuple[int, str] | None) -> None:
        if not self.key_values:
            return
        outermost = _outermost_sampler()
        if outermost is not None and outermost is getattr(self._latest, "frame", None):
            return  # a sampler that calls another one
        self._latest.frame = outermost
        with self._lock:
            number = self._within.get(around) or self._number()
            if number is None:
                return
            if around is not None:
                self._within[around] = number
            function = "" if around is None else around[1]
            draw = EagerDraw(number, sampler, self._way(), key, function)
            self._eager.append(draw)
        self._stop_if_repeated(draw.number)

    def _stop_if_repeated(self, number: int) -> None:
        # Ever more rarely: each time all keys are compared.
        if self._stop_at and number.bit_count() == 1:
            with self._lock, calls.deaf():
                self._stop_if_found(ProgramFacts(repeated=self._repeated(self.functions())))

    def _repeated(self, functions: Sequence[Compiled]) -> tuple[Repeated, ...]:
        """The keys that come twice; where they cannot be compared, none and a gap."""
        try:
            return repeats.repeated_keys(functions, self._eager)
        except Exception as error:
            self._gap(f"the calls could not be compared: {in_a_line(error)}")
            return ()

    def _stop_if_found(self, facts: ProgramFacts) -> None:
        if self._stop_at:
            findings, _ = apply(judge(facts), self._choices)
            grave = SEVERITIES[: SEVERITIES.index(self._stop_at) + 1]
            if any(finding.severity in grave for finding in findings):
                raise FirstFinding

    def functions(self) -> list[Compiled]:
        """Those that draw, as far as they could be examined."""
        return [f for f in self._functions.values() if f is not None]

    # -- at the end ------------------------------------------------------------------------

    def reports(self) -> tuple[TargetReport, ...]:
        """A report for each function that draws, and one of what only several calls show."""
        self._stop_at = None
        for call in list(self._waiting.values()):
            self.first(call)  # it was lowered, and never called by its name
        with self._lock, calls.deaf():
            functions = self.functions()
            told: set[Any] = set()
            found = []
            for function in functions:
                # What two signatures of one function share is told once.
                new = [f for f in judge(function.diagnosis.facts) if known_by(f) not in told]
                told.update(map(known_by, new))
                findings, suppressed = apply(new, self._choices)
                report = TargetReport(
                    function.name,
                    findings,
                    draws=as_draws(function.diagnosis.facts.draws),
                    gaps=function.diagnosis.gaps,
                    suppressed=suppressed,
                    lines=function.program.trace.place,
                    choices=self._choices,
                )
                if self.detail:
                    trace = function.program.trace
                    report = detailed(report, trace, function.diagnosis)
                found.append(report)
            found.append(self._across(functions))
            return finish(found)

    def _across(self, functions: Sequence[Compiled]) -> TargetReport:
        # A second trace showed the lines, unless there was none, or it drew nothing any more.
        told = {function_of(f.jaxpr) for f in functions if f.jaxpr and f.diagnosis.facts.host_draws}
        facts = ProgramFacts(
            host_draws=tuple(d for source, d in self._host_draws.items() if source not in told),
            repeated=self._repeated(functions),
        )
        findings, suppressed = apply(judge(facts), self._choices)
        draws = (repeats.call_draw(draw) for draw in self._eager)
        seen = dict.fromkeys(Draw(d.sampler, d.place, "a key of the program") for d in draws)
        return TargetReport(
            ACROSS,
            findings,
            draws=tuple(seen),
            gaps=tuple(self._gaps),
            suppressed=suppressed,
            choices=self._choices,
        )


class _Noted:
    """A jitted call, to be noted once it was made, and its like again. `function` if known."""

    def __init__(
        self,
        recorder: Recorder,
        call: JitCall,
        loop: calls.Transformed | None,
        function: Compiled | None,
    ) -> None:
        self._recorder = recorder
        self._loop = loop
        self._function = function
        self._donated = call.donated if any(call.donated) else ()
        self._call: JitCall | None = call
        self._before = _in_refs((*call.flat, *open_jaxpr(call.jaxpr)[1]))
        self._note = self.again(call.flat) if self._donated else None

    def made(self) -> bool:
        call, loop, note = self._call, self._loop, self._note
        self._call = self._loop = self._note = None  # its arguments may be large
        if call is None:
            return False
        if self._function is None:
            self._function = self._recorder.first(call, loop)
        if self._function is None or not self._recorder.notes(self._function):
            return False
        (note or self.again(call.flat))()
        self._before = {}
        return self._function.compares_calls or self._function.if_called_again is not None

    def again(self, leaves: Sequence[Any]) -> Callable[[], None]:
        if self._function is None:
            return _nothing
        if self._function.calls and not self._recorder.notes(self._function):
            self._recorder.miss(self._function)
            return _nothing
        return self._recorder.prepared(self._function, leaves, self._donated, self._before)


def _in_refs(values: Sequence[Any]) -> dict[int, Any]:
    """What is in those of the values that are mutable refs, by their `id`."""
    found: dict[int, Any] = {}
    for value in filter(is_mutable, values):
        # One that was freed is of no use to the call either.
        with calls.deaf(), contextlib.suppress(Exception):
            found[id(value)] = value[...]
    return found


def _nothing() -> None:
    pass


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
