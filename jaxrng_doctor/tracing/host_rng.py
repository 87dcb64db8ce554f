"""Detects draws from NumPy's and Python's generators while a function is traced.

Such numbers become constants of the traced function. Generators leave no equation, but a draw
changes their state, so the state is compared before and after. The functions of the two modules
are wrapped meanwhile, to find the line and the thread of each draw: draws of other threads do
not belong to the trace. If only the state shows a draw, its thread may be in doubt.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxrng_doctor.jax_internals.patches import Make, Patch, attribute, together
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing import places
from jaxrng_doctor.tracing.other_threads import Others

# Names that make, seed or describe generators, and do not draw.
_NOT_DRAWING = frozenset(
    {"Random", "SystemRandom", "getstate", "setstate", "seed", "get_state", "set_state"}
    | {name for name in np.random.__all__ if name[0].isupper() or "bit_generator" in name}
    | {"test", "default_rng"}
)
_RESETTING = ("seed", "set_state", "setstate")


@dataclass(frozen=True, slots=True)
class HostDraw:
    """One draw from the generators of `library`, `"NumPy"` or `"Python"`.

    `function`: the function that drew; the module if only its state shows the draw; `""` for the
    draws of `generator`, which is not a module's own. `place`: the place of the call, or of the
    one that made `generator`; `None` if unknown.
    """

    library: str
    function: str
    place: Place | None
    generator: Any = None


@dataclass(eq=False)
class HostRng:
    """The draws of this thread; complete once `watching_host_rng()` is closed.

    `states`: for each library, the last seen state of its module's own generator. `made`: the
    generators made meanwhile, each with its first state and the place of the call. `doubts`: the
    libraries with a generator that changed while another thread ran that may have drawn from it.
    `elsewhere`: the libraries whose functions another thread has called.
    """

    states: dict[str, Any]
    draws: list[HostDraw] = field(default_factory=list)
    made: list[tuple[Any, str, Place | None]] = field(default_factory=list)
    doubts: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    thread: int = field(default_factory=threading.get_ident)
    others: Others = field(default_factory=Others)

    def is_alone(self) -> bool:
        """Whether no other thread can have drawn since this was made."""
        return not (self.elsewhere or self.others.may_have_drawn())

    def look(self) -> None:
        """Note a draw for each module's own generator that has changed, unless one is noted."""
        noted = {draw.library for draw in self.draws if draw.function} | self.elsewhere
        for library, now in _own_states().items():
            if library not in noted and now != self.states[library]:
                self.moved(HostDraw(library, _MODULES[library], None))

    def moved(self, draw: HostDraw) -> None:
        """Note a draw that only the state of its generator shows; a doubt if not alone."""
        if self.is_alone():
            self.draws.append(draw)
        else:
            self.doubts.add(draw.library)


_MODULES = {"NumPy": "numpy.random", "Python": "random"}


def doubt(library: str) -> str:
    """The message of the gap for draws that may be another thread's."""
    changed = f"the state of a {library} generator changed while a function was traced"
    return f"{changed}, by its draws or by another thread"


def _own_states() -> dict[str, Any]:
    return {"NumPy": _comparable(np.random.get_state()), "Python": random.getstate()}


def generators() -> list[Any]:
    """All of NumPy's generators except the module's own, which `np.random.normal` draws from."""
    kinds = (np.random.Generator, np.random.RandomState)
    own = getattr(np.random.get_state, "__self__", None)
    return [g for g in gc.get_objects() if type(g) in kinds and g is not own]


class GeneratorStates:
    """The states of NumPy's generators and of the modules' own, at the time this is made."""

    def __init__(self) -> None:
        self._threads = Others()
        self._own = _own_states()
        self._others = [(g, _state(g)) for g in generators()]

    def moved(self) -> str:
        """The library with a generator that has been drawn from since, `""` if there is none."""
        now = _own_states()
        if any(state != _state(g) for g, state in self._others):
            return "NumPy"
        return next((library for library in now if now[library] != self._own[library]), "")

    def is_alone(self) -> bool:
        """Whether no other thread can have drawn since."""
        return not self._threads.may_have_drawn()


@contextlib.contextmanager
def watching_host_rng(known: Sequence[Any] | None = None) -> Iterator[HostRng]:
    """Note every draw of this thread from NumPy's and Python's generators while open.

    States are only read, so the program draws the same numbers as always. `known` is the result
    of `generators()`, if the caller already has it.
    """
    others = [(g, _state(g)) for g in (generators() if known is None else known)]
    with _noting_draws() as seen:
        yield seen
    for generator, before, place in (*((g, b, None) for g, b in others), *seen.made):
        if before != _state(generator):
            seen.moved(HostDraw("NumPy", "", place, generator))
    seen.look()


@contextlib.contextmanager
def preserving_host_rng(known: Sequence[Any]) -> Iterator[None]:
    """Restore the states of the generators in `known` and of the modules' own at the end.

    Generators that another thread may have drawn from meanwhile are left unchanged: restoring
    them would repeat its numbers.
    """
    streams = [g.bit_generator for g in known if isinstance(g, np.random.Generator)]
    states = [stream.state for stream in streams]
    olds = [(g, g.get_state()) for g in known if isinstance(g, np.random.RandomState)]
    own, python = np.random.get_state(), random.getstate()
    try:
        with _noting_draws() as seen:
            yield
    finally:
        alone, here = True, {draw.library for draw in seen.draws} - seen.elsewhere
        try:
            alone = seen.is_alone()
        finally:
            if alone:
                for stream, state in zip(streams, states, strict=True):
                    stream.state = state
                for old, legacy in olds:
                    old.set_state(legacy)
            if alone or "NumPy" in here:
                np.random.set_state(own)
            if alone or "Python" in here:
                random.setstate(python)


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return _comparable(generator.bit_generator.state)
    return _comparable(generator.get_state())


def _comparable(state: Any) -> Any:
    """A NumPy generator's state, with arrays as bytes: as text they would take milliseconds."""
    if isinstance(state, dict):
        return {name: _comparable(part) for name, part in state.items()}
    if isinstance(state, tuple):
        return tuple(map(_comparable, state))
    return state.tobytes() if isinstance(state, np.ndarray) else state


# -- wrappers of the modules' functions --------------------------------------------------

_open: list[HostRng] = []


@contextlib.contextmanager
def _noting_draws() -> Iterator[HostRng]:
    seen = HostRng(_own_states())
    with _NUMPYS, _PYTHONS:
        _open.append(seen)
        try:
            yield seen
        finally:
            _open.remove(seen)


def _of_this_thread(drawn: str = "") -> list[HostRng]:
    """The open `HostRng`s of this thread. The others note that it drew from the library `drawn`."""
    own, everyone = threading.get_ident(), tuple(_open)
    for seen in everyone:
        if drawn and seen.thread != own:
            seen.elsewhere.add(drawn)
    return [seen for seen in everyone if seen.thread == own]


def _wrapping(module: Any, names: Sequence[str], library: str) -> Patch:
    def making(name: str) -> Make | None:
        if name in _RESETTING:
            return functools.partial(_resetting, library=library)
        if name == "default_rng":
            return _keeping
        title = f"{module.__name__}.{name}"
        drawing = name not in _NOT_DRAWING
        return functools.partial(_noting, name=title, library=library) if drawing else None

    makes = {name: make for name in names if (make := making(name)) is not None}
    return together(*(attribute(module, name, make) for name, make in makes.items()))


def _noting(original: Callable[..., Any], name: str, library: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def noted(*args: Any, **kwargs: Any) -> Any:
        for seen in _of_this_thread(library):
            seen.draws.append(HostDraw(library, name, places.innermost(places.python_stack())))
        return original(*args, **kwargs)

    return noted


def _resetting(original: Callable[..., Any], library: str) -> Callable[..., Any]:
    """Wrap a function that sets a state, which is not a draw.

    Draws before it are noted first; later states are compared with the new one.
    """

    @functools.wraps(original)
    def reset(*args: Any, **kwargs: Any) -> Any:
        mine = _of_this_thread(library)
        for seen in mine:
            seen.look()
        result = original(*args, **kwargs)
        for seen in mine:
            seen.states = _own_states()
        return result

    return reset


def _keeping(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `default_rng`: the states of the generators that it makes are compared at the end."""

    @functools.wraps(original)
    def default_rng(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        for seen in _of_this_thread():
            seen.made.append((made, _state(made), places.innermost(places.python_stack())))
        return made

    return default_rng


_NUMPYS = _wrapping(np.random, np.random.__all__, "NumPy")
_PYTHONS = _wrapping(random, random.__all__, "Python")
