"""NumPy's and Python's random numbers, drawn while a function is traced.

Such numbers become constants of the traced function. Generators leave no equation,
but drawing moves their state: it is read before and after. The functions of the two
modules are wrapped meanwhile, to know the lines.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxrng_doctor.findings import Place
from jaxrng_doctor.trace import places

# What makes, seeds or describes generators, and draws nothing from them.
_NOT_DRAWING = frozenset(
    {"Random", "SystemRandom", "getstate", "setstate", "seed", "get_state", "set_state"}
    | {name for name in np.random.__all__ if name[0].isupper() or "bit_generator" in name}
    | {"test", "default_rng"}
)
_RESETTING = ("seed", "set_state", "setstate")


@dataclass(frozen=True, slots=True)
class HostDraw:
    """One draw: which function (`""` for a generator's method), and where, if that is known.

    `generator` is the generator that moved, where it was not a module's own.
    """

    library: str
    function: str
    place: Place | None
    generator: Any = None


@dataclass
class HostRng:
    """What was drawn; complete once `watching_host_rng()` is closed.

    `states` has, for each library, the state that its own generator was last seen in.
    """

    states: dict[str, Any]
    draws: list[HostDraw] = field(default_factory=list)
    made: list[tuple[Any, str, Place | None]] = field(default_factory=list)

    def look(self) -> None:
        """Note a draw of each library whose own generator has moved, unless one is noted."""
        noted = {draw.library for draw in self.draws if draw.function}
        for library, now in _own_states().items():
            if library not in noted and now != self.states[library]:
                self.draws.append(HostDraw(library, _MODULES[library], None))


_MODULES = {"NumPy": "numpy.random", "Python": "random"}


def _own_states() -> dict[str, Any]:
    return {"NumPy": repr(np.random.get_state()), "Python": random.getstate()}


def generators() -> list[Any]:
    """NumPy's generators, all but the one behind `np.random.normal` and the like."""
    kinds = (np.random.Generator, np.random.RandomState)
    own = getattr(np.random.get_state, "__self__", None)
    return [g for g in gc.get_objects() if type(g) in kinds and g is not own]


class Standing:
    """Where the generators stand now."""

    def __init__(self) -> None:
        self._own = _own_states()
        self._others = [(g, _state(g)) for g in generators()]

    def moved(self) -> str:
        """The library whose generator has been drawn from since, `""` if none."""
        now = _own_states()
        if any(state != _state(g) for g, state in self._others):
            return "NumPy"
        return next((library for library in now if now[library] != self._own[library]), "")


@contextlib.contextmanager
def watching_host_rng(known: Sequence[Any] | None = None) -> Iterator[HostRng]:
    """Note every draw from the host's generators until the context closes.

    States are only read, so the program draws what it always draws. `known` are the
    `generators()`, where somebody has looked for them already.
    """
    seen = HostRng(_own_states())
    others = [(g, _state(g)) for g in (generators() if known is None else known)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_wrapped(np.random, np.random.__all__, "NumPy", seen))
        stack.enter_context(_wrapped(random, random.__all__, "Python", seen))
        yield seen
    for generator, before, place in (*((g, b, None) for g, b in others), *seen.made):
        if before != _state(generator):
            seen.draws.append(HostDraw("NumPy", "", place, generator))
    seen.look()


@contextlib.contextmanager
def preserving_host_rng(known: Sequence[Any]) -> Iterator[None]:
    """Afterwards the `known` and the modules' own generators go on as if nothing had been drawn."""
    streams = [g.bit_generator for g in known if isinstance(g, np.random.Generator)]
    states = [stream.state for stream in streams]
    olds = [(g, g.get_state()) for g in known if isinstance(g, np.random.RandomState)]
    own, python = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        for stream, state in zip(streams, states, strict=True):
            stream.state = state
        for old, legacy in olds:
            old.set_state(legacy)
        np.random.set_state(own)
        random.setstate(python)


def _state(generator: Any) -> str:
    if isinstance(generator, np.random.Generator):
        return repr(generator.bit_generator.state)
    return repr(generator.get_state())


@contextlib.contextmanager
def _wrapped(module: Any, names: Sequence[str], library: str, seen: HostRng) -> Iterator[None]:
    originals = {n: getattr(module, n) for n in names if n not in _NOT_DRAWING}
    for name, original in originals.items():
        setattr(module, name, _noting(original, f"{module.__name__}.{name}", library, seen))
    for name in set(_RESETTING) & set(names):
        originals[name] = getattr(module, name)
        setattr(module, name, _resetting(originals[name], seen))
    if "default_rng" in names:
        originals["default_rng"] = module.default_rng
        setattr(module, "default_rng", _keeping(module.default_rng, seen))  # noqa: B010
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(module, name, original)


def _noting(
    original: Callable[..., Any], name: str, library: str, seen: HostRng
) -> Callable[..., Any]:
    @functools.wraps(original)
    def noted(*args: Any, **kwargs: Any) -> Any:
        seen.draws.append(HostDraw(library, name, places.innermost(places.python_stack())))
        return original(*args, **kwargs)

    return noted


def _resetting(original: Callable[..., Any], seen: HostRng) -> Callable[..., Any]:
    """To set a state is not to draw: what comes after is compared with the new state."""

    @functools.wraps(original)
    def reset(*args: Any, **kwargs: Any) -> Any:
        seen.look()
        result = original(*args, **kwargs)
        seen.states = _own_states()
        return result

    return reset


def _keeping(original: Callable[..., Any], seen: HostRng) -> Callable[..., Any]:
    """A generator that is made while tracing is looked at again at the end."""

    @functools.wraps(original)
    def default_rng(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        seen.made.append((made, _state(made), places.innermost(places.python_stack())))
        return made

    return default_rng
