"""Records what a watched program does, and reports its findings at the end."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.jax_internals import check_assumptions
from jaxrng_doctor.jax_internals.call_hooks import distributed
from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import function_of
from jaxrng_doctor.model.errors import FirstFinding
from jaxrng_doctor.model.facts import ProgramFacts, Repeated
from jaxrng_doctor.model.findings import (
    SEVERITIES,
    Choices,
    Draw,
    Finding,
    Gap,
    Place,
    Severity,
)
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.rules import judge
from jaxrng_doctor.suppression.policy import apply
from jaxrng_doctor.suppression.unused import finish
from jaxrng_doctor.tracing.eager_loops import LoopCall
from jaxrng_doctor.tracing.places import is_users
from jaxrng_doctor.watching import build_reports, hooks, repeated_keys
from jaxrng_doctor.watching.compiled_function import (
    Compiled,
    RecordedCall,
    compiled,
    may_use_keys,
    transformed,
)
from jaxrng_doctor.watching.eager_loop_calls import Loops, TooMany
from jaxrng_doctor.watching.host_draws import HostDraws
from jaxrng_doctor.watching.inner_calls import InnerCall, inner_call
from jaxrng_doctor.watching.pending_call import NotedCall, nothing
from jaxrng_doctor.watching.program_stack import (
    Ways,
    asks_for_shapes,
    outermost_sampler,
    place_here,
    way_here,
)
from jaxrng_doctor.watching.repeated_keys import EagerUse
from jaxrng_doctor.watching.retained_arrays import LOST, Held, are_same
from jaxrng_doctor.watching.sharded_arrays import SPREAD, Spread
from jaxrng_doctor.watching.transformed import Transformed

FIRST_CALLS = 8
"""How many calls of each function have their data sampled, to be compared between processes."""

MOST_CALLS = 1 << 20
"""The maximum number of calls and draws kept for comparison, of a few hundred bytes each."""


class Recorder:
    """A `Listener` that records calls and reports findings.

    `key_values`: keep the keys of each call, to find keys that repeat. `detail`: also keep the data
    for detailed reports, see `examine.detailed`. `samples`: in a program of several processes, keep
    samples of each function's first calls. With `stop_at`, it raises `FirstFinding` in the program
    at the first finding of at least that severity, among the findings that `new` returns.
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
        self._held: list[Any] = []  # keeps their `id`s valid
        self._arrays = Held()
        self._waiting: dict[int, JitCall] = {}
        self._eager: list[EagerUse] = []
        self._gaps: dict[Gap, None] = {}  # a set: loops repeat them
        self._host_draws = HostDraws()
        self._ways = Ways()
        self._others: dict[Any, list[Any]] = {}  # device maps: what else the first call got
        self._within: dict[Any, int] = {}  # the numbers of transformed calls
        self._inner: set[int] = set()  # called only in transformed functions, which report them
        self._owed: dict[int, list[InnerCall]] = {}
        self._loops = Loops()
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._latest = threading.local()
        self._clones: dict[int, tuple[Any, int]] = {}  # by `id`, with the key to keep it valid

    # -- while the program runs ------------------------------------------------------------

    def jitted(self, call: JitCall, loop: Transformed | None) -> NotedCall | None:
        known, function = id(call.jaxpr), None
        self._inner.discard(known)
        self._arrays.before_donation(call.flat, call.donated)
        if any(call.donated) or known in self._functions:
            function = self.first(call, loop)
            if function is None or not self.notes(function):
                self.miss(function)
                return None
        elif asks_for_shapes():
            return None
        else:
            # Examined only after the call: compiled code names the lines of its first trace.
            self._waiting[known] = call
        return NotedCall(self, call, loop, function)

    def first(self, call: JitCall, loop: Transformed | None = None) -> Compiled | None:
        """The function of `call`, examined if this is the first call of its signature."""
        known = id(call.jaxpr)
        if known in self._functions:
            return self._functions[known]  # such as in every step of a loop
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
            return  # most calls in there are of JAX's own functions
        if asks_for_shapes():
            return
        try:
            with hooks.paused():
                inner = inner_call(call, self._ways.here(), around, in_full)
        except Exception as error:
            self._uncompared(function_of(call.jaxpr)[0], error)
        if inner is None:
            return
        if around is None:
            name = function_of(call.jaxpr)[0]
            self.missed(f"{name} inside of a vmap or derivative that was not seen being made")
        if function is not None:
            self._note_inner(function, inner)
            return
        # Examined only after the call, outside of the transformation around it.
        if known not in self._waiting:
            self._waiting[known] = inner.example
            if around is not None:
                self._inner.add(known)
        self._owed.setdefault(known, []).append(inner)

    def looped_within(self, loop: LoopCall, around: tuple[int, str] | None) -> None:
        call = self._call_of(loop) if self.key_values else None
        if call is not None:
            whole = getattr(self._latest, "transformed", None)
            in_full = whole is not None and not whole.has_uncountable_draws
            self.jitted_within(call, around, in_full)

    def looped(self, loop: LoopCall) -> NotedCall | None:
        call = self._call_of(loop)
        return None if call is None else self.jitted(call, None)

    def _call_of(self, loop: LoopCall) -> JitCall | None:
        name = loop.name
        try:
            with self._lock, hooks.paused():
                return self._loops.call_of(loop)
        except TooMany:
            self.gap(
                f"too many different calls of {name}: later ones are not compared", place_here()
            )
        except Exception as error:
            self._uncompared(name, error)
        return None

    def returned(self, error: Exception | None) -> None:
        known = getattr(self._latest, "known", None)
        self._latest.transformed = None
        note, self._latest.note = getattr(self._latest, "note", nothing), nothing
        if error is None:
            note()
        if error is not None and known and self._functions.get(known, self) is None:
            # If it failed to be examined for the same reason, the program itself is at fault.
            self._gaps.pop(build_reports.not_examined(known[0], error), None)
            del self._functions[known]
        for known in list(self._owed):
            if known in self._waiting:
                self.first(self._waiting[known])

    def _note_inner(self, function: Compiled | None, inner: InnerCall) -> None:
        if function is None or not self.notes(function):
            return
        try:
            values = function.values_of(inner.leaves)
        except Spread:
            self._uncompared(function.name, SPREAD)
        except Exception as error:
            self._uncompared(function.name, error)
        else:
            number = self._number(inner.around)
            if number is not None:
                vmaps = function.vmaps_of(inner.vmaps)
                kept = tuple(map(self._arrays.keep, values))
                self._keep(
                    function, RecordedCall(number, inner.way, kept, vmaps, in_full=inner.in_full)
                )

    def transformed(self, call: Transformed) -> None:
        leaves, (known, held) = call.arrays(), call.known_by()
        again = known in self._functions
        examine = functools.partial(transformed, call, detail=self.detail)
        function = self._function(known, held, call.name, examine)
        self._latest.transformed, self._latest.known = function, known
        if function is None or not self.key_values:
            return
        if call.is_device_map:
            if not are_same(call.others(), self._others.setdefault(known, call.others())):
                self.gap(f"calls of {call.title} with other values than arrays are not compared")
            elif self.notes(function):  # it may donate any of them
                self._latest.note = self.prepared(function, leaves, (True,) * len(leaves), {})
        elif again and function.has_uncountable_draws:
            why = "in a loop it draws for some examples of a vmap"
            self.gap(f"calls of {call.title} are not compared: {why}", place_here())

    def miss(self, function: Compiled | None) -> None:
        gap = None if function is None or not self.key_values else function.if_called_again
        if gap is not None:
            self.gap(gap.message, gap.place)

    def gap(self, message: str, place: Place | None = None) -> None:
        self._gaps[Gap(message, place)] = None

    def notes(self, function: Compiled) -> bool:
        """Whether the keys of its next call are to be kept, and can be computed."""
        is_known = function.if_called_again is None or not function.calls
        return self.key_values and function.computes and is_known

    def prepared(
        self,
        function: Compiled,
        leaves: Sequence[Any],
        donated: Sequence[bool],
        before: Mapping[int, Any],
    ) -> Callable[[], None]:
        """A function that notes a call with these leaves, to be called once it was made."""
        self._arrays.before_donation(leaves, donated)
        try:
            with hooks.paused() if donated or function.refs else contextlib.nullcontext():
                values = function.values_of(leaves, donated, before)
        except Spread:
            return functools.partial(self._uncompared, function.name, SPREAD)
        except Exception as error:
            # If an array was donated before, the call fails, too, and this function is not called.
            return functools.partial(self._uncompared, function.name, error)
        clones = tuple(0 if j is None else self._clone(leaves[j]) for j in function.flat)
        data = self._data_of(function, leaves)
        return functools.partial(self.note, function, values, data, clones if any(clones) else ())

    def _data_of(self, function: Compiled, leaves: Sequence[Any]) -> dict[int, Any] | None:
        """Samples of the data of a first call in a program of several processes; else `None`."""
        if not self._samples or len(function.calls) >= FIRST_CALLS or not distributed():
            return None
        try:
            with hooks.paused():
                return function.data_of(leaves)
        except Exception as error:
            self._uncompared(f"{function.name} in several processes", error)
            return None

    def note(
        self,
        function: Compiled,
        values: tuple[Any, ...],
        data: dict[int, Any] | None,
        clones: tuple[int, ...],
    ) -> None:
        number = self._number()
        if number is None:
            return
        kept = tuple(map(self._arrays.keep, values))
        way = self._ways.here()
        self._keep(function, RecordedCall(number, way, kept, data=data, clones=clones))

    def _keep(self, function: Compiled, made: RecordedCall) -> None:
        with self._lock:
            function.calls.append(made)
        self._stop_if_repeated(made.number)

    def _number(self, around: tuple[int, str] | None = None) -> int | None:
        """The number of the next call; `None` after `MOST_CALLS` calls, to bound the memory.

        Everything inside one transformed call, `around`, has the same number.
        """
        with self._lock:
            number = self._within.get(around) or next(self._numbers)
            if around is not None:
                self._within[around] = number
        if number == MOST_CALLS + 1:
            self.gap(f"calls after the first {MOST_CALLS:,} are not compared")
        return number if number <= MOST_CALLS else None

    def _uncompared(self, name: str, why: str | Exception) -> None:
        reason = why if isinstance(why, str) else in_a_line(why)
        self.gap(f"calls of {name} are not compared: {reason}", place_here())

    def _function(
        self, known: Any, held: Any, name: str, examine: Callable[[], Compiled | None]
    ) -> Compiled | None:
        if known in self._functions:
            return self._functions[known]
        with self._lock, hooks.paused():
            if known not in self._functions:
                self._held.append(held)
                try:
                    self._functions[known] = examine()
                except (Exception, SystemExit) as error:
                    # The program continues as if it were not watched; the report has a gap.
                    self._functions[known] = None
                    self._gaps[build_reports.not_examined(name, error)] = None
                found = self._functions[known]
                if found is not None:
                    self._stop_if_found(found.diagnosis.facts)
        return self._functions[known]

    def drew_while_tracing(self, library: str, source: str, is_alone: bool) -> None:
        self._host_draws.note(library, source, is_alone)

    def missed(self, what: str) -> None:
        self.gap(f"{what} was not followed", place_here())

    def cloned(self, key: Any) -> None:
        if is_users(way_here()[0].code.co_filename):
            with self._lock:
                self._clones[id(key)] = key, len(self._clones) + 1

    def _clone(self, key: Any) -> int:
        """The number of the clone that the user made this key by, 0 if it is none."""
        return self._clones.get(id(key), (key, 0))[1]

    def used(self, op: str, key: Any, around: tuple[int, str] | None) -> None:
        if not self.key_values:
            return
        outermost = outermost_sampler()
        if outermost is not None and outermost is getattr(self._latest, "frame", None):
            return  # one sampler calls another: this is one draw
        self._latest.frame = outermost
        number = self._number(around)
        if number is None:
            return
        function = "" if around is None else around[1]
        with self._lock:
            kept = (self._arrays.keep(key),)
            # Whole, to show which calls of a helper draw from the same key.
            way, clone = self._ways.here(whole=True), self._clone(key)
            self._eager.append(EagerUse(number, op, way, kept, function, clone))
        self._stop_if_repeated(number)

    def _stop_if_repeated(self, number: int) -> None:
        # Only when the number of calls has doubled, because all keys are compared each time.
        if self._stop_at and number.bit_count() == 1:
            with self._lock, hooks.paused():
                self._stop_if_found(ProgramFacts(repeated=self._repeated(self.functions())))

    def _repeated(self, functions: Sequence[Compiled]) -> tuple[Repeated, ...]:
        """The keys that repeat across calls; none, and a gap, if they cannot be compared."""
        try:
            lost = [self._arrays.lose(function.calls) for function in functions]
            if self._arrays.lose(self._eager) or any(lost):
                self.gap(f"some calls are not compared: {LOST}")
            return repeated_keys.repeated_keys(functions, self._eager)
        except Exception as error:
            self.gap(f"the calls could not be compared: {in_a_line(error)}")
            return ()

    def _stop_if_found(self, facts: ProgramFacts) -> None:
        if self._stop_at:
            findings, _ = apply(judge(facts, self._choices.select)[0], self._choices)
            grave = SEVERITIES[: SEVERITIES.index(self._stop_at) + 1]
            if any(finding.severity in grave for finding in self._new(findings)):
                raise FirstFinding

    def functions(self) -> list[Compiled]:
        """The functions that could be examined, without those that use no key."""
        return [f for f in self._functions.values() if f is not None]

    # -- at the end ------------------------------------------------------------------------

    def reports(self) -> tuple[TargetReport, ...]:
        """A report for each function that uses keys, and one of what only several calls show."""
        self._stop_at = None
        for call in list(self._waiting.values()):
            self.first(call)  # it was lowered, but never called directly
        with self._lock, hooks.paused():
            functions = self.functions()
            shown = [f for known, f in self._functions.items() if f and known not in self._inner]
            repeated = self._repeated(functions)
            of_each = build_reports.of_functions(shown, repeated, self._choices, detail=self.detail)
            return finish([*of_each, self._across(functions, repeated)])

    def _across(
        self, functions: Sequence[Compiled], repeated: tuple[Repeated, ...]
    ) -> TargetReport:
        known = {
            function_of(f.jaxpr) for f in functions if f.jaxpr and f.diagnosis.facts.host_draws
        }
        drew, doubts = self._host_draws.but(known)
        for doubt in doubts:
            self.gap(doubt)
        facts = ProgramFacts(host_draws=drew, repeated=repeated)
        uses = map(repeated_keys.call_use, self._eager)
        draws = [Draw(u.op, u.place, "a key of the program") for u in uses if not u.is_split]
        gaps = (*map(Gap, check_assumptions.broken(watch=True)), *self._gaps)
        return build_reports.of_several(
            build_reports.ACROSS, facts, gaps, self._choices, detail=self.detail, draws=draws
        )
