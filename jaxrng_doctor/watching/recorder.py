"""Notes what a watched program does, and says at the end what is wrong with it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from jaxrng_doctor.errors import FirstFinding
from jaxrng_doctor.facts import HostDrawFacts, ProgramFacts, Repeated
from jaxrng_doctor.findings import (
    SEVERITIES,
    Choices,
    Draw,
    Finding,
    Gap,
    Place,
    Severity,
    TargetReport,
)
from jaxrng_doctor.finishing import finish
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppress import apply
from jaxrng_doctor.trace.calldata import JitCall
from jaxrng_doctor.trace.eager_loops import LoopCall
from jaxrng_doctor.trace.equations import Frame, function_of
from jaxrng_doctor.trace.hostrng import doubt
from jaxrng_doctor.trace.jaxprs import distributed
from jaxrng_doctor.trace.outputs import is_array
from jaxrng_doctor.trace.places import is_users, users_place
from jaxrng_doctor.tracebacks import in_a_line
from jaxrng_doctor.watching import calls, repeats, reporting
from jaxrng_doctor.watching.compiled import Compiled, Made, compiled, may_use_keys, transformed
from jaxrng_doctor.watching.hostdata import SPREAD, Spread
from jaxrng_doctor.watching.inner import InnerCall, inner_call
from jaxrng_doctor.watching.loops import Loops, TooMany
from jaxrng_doctor.watching.noted import NotedCall, nothing
from jaxrng_doctor.watching.repeats import EagerUse
from jaxrng_doctor.watching.stack import asks_for_shapes, outermost_sampler, way_here

FIRST_CALLS = 8
"""Of so many calls of each function the data are sampled, to be compared between processes."""

MOST_CALLS = 1 << 20
"""So many calls and draws are kept to be compared, of a few hundred bytes each."""


class Recorder:
    """A `Listener`. `key_values`: keep the keys of each call, to find those that come twice.

    `detail`: keep also what the details of a report are made of, see `doctor.detailed`.
    `samples`: in a program of several processes, keep samples of each function's first calls.
    With `stop_at` it raises `FirstFinding` into the program as soon as there is a finding as
    grave as that, which must be among those that `new` leaves.
    """

    def __init__(
        self,
        choices: Choices,
        *,
        key_values: bool = True,
        samples: bool = False,
        stop_at: Severity | None = None,
        new: Callable[[Sequence[Finding]], Sequence[Finding]] = tuple,
        detail: bool = False,
    ) -> None:
        self.key_values = key_values
        self.detail = detail
        self._samples = samples
        self._choices = choices
        self._stop_at = stop_at
        self._new = new
        self._functions: dict[Any, Compiled | None] = {}
        self._held: list[Any] = []  # so that an `id` stays theirs
        self._waiting: dict[int, JitCall] = {}
        self._eager: list[EagerUse] = []
        self._gaps: dict[Gap, None] = {}  # each once: a loop comes by again and again
        self._host_draws: dict[tuple[str, str], tuple[HostDrawFacts, bool]] = {}
        self._ways: dict[Any, tuple[Frame, ...]] = {}
        self._within: dict[Any, int] = {}  # the numbers of calls that were transformed
        self._inner: set[int] = set()  # functions that only transformed ones call, whose they are
        self._owed: dict[int, list[InnerCall]] = {}
        self._loops = Loops()
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._latest = threading.local()

    # -- while the program runs ------------------------------------------------------------

    def jitted(self, call: JitCall, loop: calls.Transformed | None) -> NotedCall | None:
        known, function = id(call.jaxpr), None
        self._inner.discard(known)
        if any(call.donated) or known in self._functions:
            function = self.first(call, loop)
            if function is None or not self.notes(function):
                self.miss(function)
                return None
        elif asks_for_shapes():
            return None
        else:
            # Not before it was made: compiled code names the lines that it was first traced from.
            self._waiting[known] = call
        return NotedCall(self, call, loop, function)

    def first(self, call: JitCall, loop: calls.Transformed | None = None) -> Compiled | None:
        """The function of `call`, examined if this is the first call of its signature."""
        known = id(call.jaxpr)
        if known in self._functions:
            return self._functions[known]  # as in every step of a loop
        self._waiting.pop(known, None)
        source = function_of(call.jaxpr)
        moved = source in self._host_draws
        examine = functools.partial(compiled, call, moved=moved, loop=loop, detail=self.detail)
        function = self._function(known, call.jaxpr, source[0], examine)
        for owed in self._owed.pop(known, ()):
            self._note_inner(function, owed)
        return function

    def jitted_within(
        self, call: JitCall, around: tuple[int, str] | None, in_full: bool = False
    ) -> None:
        known = id(call.jaxpr)
        if not self.key_values:
            return
        if known not in self._functions and not may_use_keys(call):
            self._function(known, call.jaxpr, "", lambda: None)
        function, inner = self._functions.get(known), None
        if known in self._functions and (function is None or not self.notes(function)):
            return  # as most of what is called in there: JAX's own functions
        if asks_for_shapes():
            return
        with calls.deaf(), contextlib.suppress(Exception):
            inner = inner_call(call, self._way(), around, in_full)
        if inner is None:
            return
        if around is None:
            name = function_of(call.jaxpr)[0]
            self.missed(f"{name} inside of a vmap or derivative made before watching began")
        if function is not None:
            self._note_inner(function, inner)
            return
        # Not before it was made, and outside of what is around it.
        if known not in self._waiting:
            self._waiting[known] = inner.example
            if around is not None:
                self._inner.add(known)
        self._owed.setdefault(known, []).append(inner)

    def looped_within(self, loop: LoopCall, around: tuple[int, str] | None) -> None:
        if not self.key_values:
            return
        name = loop.primitive.name
        try:
            with self._lock, calls.deaf():
                call = self._loops.call_of(loop)
        except TooMany:
            self._gap(f"so many different calls of {name} are not compared", self._here())
        except Exception as error:
            self._gap(f"calls of {name} are not compared: {in_a_line(error)}", self._here())
        else:
            if call is not None:
                whole = getattr(self._latest, "transformed", None)
                in_full = whole is not None and not whole.draws_out_of_sight
                self.jitted_within(call, around, in_full)

    def returned(self) -> None:
        self._latest.transformed = None
        for known in list(self._owed):
            if known in self._waiting:
                self.first(self._waiting[known])

    def _note_inner(self, function: Compiled | None, inner: InnerCall) -> None:
        if function is None or not self.notes(function):
            return
        try:
            values = function.values_of(inner.leaves)
        except Spread:
            self._spread(function)
        except Exception:
            return  # of no use to the call either
        else:
            number = self._number(inner.around)
            if number is not None:
                vmaps = function.vmaps_of(inner.vmaps)
                self._keep(function, Made(number, inner.way, values, vmaps, in_full=inner.in_full))

    def transformed(self, call: calls.Transformed) -> None:
        leaves = [x for x in jax.tree_util.tree_leaves((call.args, call.kwargs)) if is_array(x)]
        code = getattr(call.original, "__code__", call.original)
        shapes = tuple((x.shape, str(x.dtype)) for x in leaves)
        known = (call.name, id(code), shapes)
        again = known in self._functions
        examine = functools.partial(transformed, call, detail=self.detail)
        function = self._function(known, (code, call.fun), call.name, examine)
        self._latest.transformed = function
        if again and self.key_values and function is not None and function.draws_out_of_sight:
            why = "in a loop it draws for some examples of a vmap"
            self._gap(f"calls of {call.title} are not compared: {why}", self._here())

    def miss(self, function: Compiled | None) -> None:
        gap = None if function is None or not self.key_values else function.if_called_again
        if gap is not None:
            self._gap(gap.message, gap.place)

    @staticmethod
    def _here() -> Place | None:
        return users_place(way_here())

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
            return nothing  # of no use to the call either, as an array that was donated before
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
        self._keep(function, Made(number, self._way(), values, data=data))

    def _keep(self, function: Compiled, made: Made) -> None:
        with self._lock:
            function.calls.append(made)
        self._stop_if_repeated(made.number)

    def _number(self, around: tuple[int, str] | None = None) -> int | None:
        """Of the next call, `None` where so many are kept that more would fill the memory.

        All that is in one transformed call, `around`, has one number.
        """
        with self._lock:
            number = self._within.get(around) or next(self._numbers)
            if around is not None:
                self._within[around] = number
        if number == MOST_CALLS + 1:
            self._gap(f"calls after the first {MOST_CALLS:,} are not compared")
        return number if number <= MOST_CALLS else None

    def _spread(self, function: Compiled) -> None:
        self._gap(f"calls of {function.name} are not compared: {SPREAD}")

    def _way(self) -> tuple[Frame, ...]:
        """The way here, kept once: a loop comes by the same way in each step."""
        way = way_here()
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

    def drew_while_tracing(self, library: str, source: str, is_alone: bool) -> None:
        name, _, where = source.partition(" at ")
        path, _, line = where.rpartition(":")
        is_place = line.isdecimal() and is_users(path)
        place = Place(path, int(line), function=name) if is_place else None
        self._host_draws[name, path] = HostDrawFacts(library, "", place), is_alone

    def missed(self, what: str) -> None:
        self._gap(f"{what} was not followed", self._here())

    def used(self, op: str, key: Any, around: tuple[int, str] | None) -> None:
        if not self.key_values:
            return
        outermost = outermost_sampler()
        if outermost is not None and outermost is getattr(self._latest, "frame", None):
            return  # a sampler that calls another one
        self._latest.frame = outermost
        number = self._number(around)
        if number is None:
            return
        function = "" if around is None else around[1]
        with self._lock:
            self._eager.append(EagerUse(number, op, self._way(), key, function))
        self._stop_if_repeated(number)

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
            if any(finding.severity in grave for finding in self._new(findings)):
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
            shown = [f for known, f in self._functions.items() if f and known not in self._inner]
            found = [
                *reporting.of_functions(shown, self._choices, detail=self.detail),
                self._across(functions),
            ]
            return finish(found)

    def _across(self, functions: Sequence[Compiled]) -> TargetReport:
        # A second trace showed the lines, unless there was none, or it drew nothing any more.
        told = {function_of(f.jaxpr) for f in functions if f.jaxpr and f.diagnosis.facts.host_draws}
        drew = [draw for source, draw in self._host_draws.items() if source not in told]
        for draw, is_alone in drew:
            if not is_alone:
                self._gap(doubt(draw.library))
        facts = ProgramFacts(
            host_draws=tuple(draw for draw, is_alone in drew if is_alone),
            repeated=self._repeated(functions),
        )
        uses = map(repeats.call_use, self._eager)
        draws = [Draw(u.op, u.place, "a key of the program") for u in uses if not u.is_split]
        gaps = tuple(self._gaps)
        return reporting.of_several(
            reporting.ACROSS, facts, gaps, self._choices, detail=self.detail, draws=draws
        )
