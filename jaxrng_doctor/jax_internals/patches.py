"""The registry of all that is patched in somebody else's code: one dispatcher for one place.

A place is an attribute of a module, class or object, or an item of a dict. While at least one
handler is registered for it, the place holds a dispatcher, which calls the handlers, the latest
first, and the original last. Handlers come and go in any order and in any thread.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from jaxrng_doctor._util.paths import OWN_DIR
from jaxrng_doctor._util.tracebacks import in_a_line, unseen

Make = Callable[[Any], Callable[..., Any]]
"""Gets what a handler may call in the end, and returns the handler. The handler itself has to see
from which thread it is called."""

_MISSING: Any = object()
_lock = threading.RLock()


@dataclass(frozen=True)
class _Place:
    owner: Any
    name: Any
    is_item: bool = False

    @property
    def key(self) -> tuple[int, Any, bool]:
        return id(self.owner), self.name, self.is_item

    @property
    def title(self) -> str:
        if self.is_item:
            return f"the rule of {self.name}"
        home = getattr(self.owner, "__name__", None) or getattr(self.owner, "name", self.owner)
        return f"{home}.{self.name}"

    def raw(self) -> Any:
        """What the owner itself holds there, `_MISSING` if it only inherits it."""
        return (self.owner if self.is_item else vars(self.owner)).get(self.name, _MISSING)

    def value(self) -> Any:
        """What is called there, `None` where no rule is. Raises `AttributeError`."""
        return self.owner.get(self.name) if self.is_item else getattr(self.owner, self.name)

    def put(self, raw: Any) -> None:
        if self.is_item:
            self.owner[self.name] = raw
        else:
            setattr(self.owner, self.name, raw)

    def remove(self) -> None:
        if self.is_item:
            del self.owner[self.name]
        else:
            delattr(self.owner, self.name)


@dataclass(slots=True)
class _Call:
    """One call of a handler: what came of the call that it made itself."""

    handler: Handler
    outcome: tuple[Any, ...] = ()
    error: BaseException | None = None


_state = threading.local()


def _running() -> list[_Call]:
    """The calls of handlers that run in this thread, the latest last."""
    if not hasattr(_state, "calls"):
        _state.calls = []
    calls: list[_Call] = _state.calls
    return calls


class Handler:
    """One of the handlers of a place, between the dispatcher and what is `below` it.

    A handler that fails is reported, and the call is what it would have been without it. What the
    call itself raises is raised.
    """

    def __init__(self, make: Make, below: Any, title: str) -> None:
        self.make = make
        self.below = below
        self.title = title
        self.run = make(None if below is None else self._call_below)

    def _call_below(self, *args: Any, **kwargs: Any) -> Any:
        call = self._current()
        with unseen:
            try:
                result = self.below(*args, **kwargs)
            except BaseException as error:
                call.error = error
                raise
            call.outcome = (result,)
            return result

    def theirs(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, for the handler to call: what it raises, the call itself raises."""

        def run(*args: Any, **kwargs: Any) -> Any:
            with unseen:
                try:
                    return function(*args, **kwargs)
                except BaseException as error:
                    self._current().error = error
                    raise

        return run

    def _current(self) -> _Call:
        own = (call for call in reversed(_running()) if call.handler is self)
        return next(own, None) or _Call(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call, calls = _Call(self), _running()
        calls.append(call)
        with unseen:
            try:
                return self.run(*args, **kwargs)
            except Exception as error:
                if error is call.error or self.below is None:
                    raise
                if call.error is not None:
                    raise call.error from call.error.__cause__
                fault = error
            finally:
                calls.pop()
            if call.outcome:
                failed(f"the hook on {self.title}", fault)
                return call.outcome[0]
            try:
                result = self.below(*args, **kwargs)
            except Exception as error:
                if in_a_line(error) != in_a_line(fault):
                    failed(f"the hook on {self.title}", fault)
                raise  # else it was the program's own, which the hook had called in another way
            failed(f"the hook on {self.title}", fault)
            return result


class _Slot:
    """A place, what it held before, and its handlers."""

    def __init__(self, place: _Place) -> None:
        self.place = place
        self.raw, self.original = place.raw(), place.value()
        self.handlers: list[Handler] = []
        self.top = self.original

        def dispatch(*args: Any, **kwargs: Any) -> Any:
            with unseen:
                return self.top(*args, **kwargs)

        self.dispatcher: Any = dispatch
        if self.original is not None:
            self.dispatcher = functools.wraps(self.original)(dispatch)

    def holds(self) -> bool:
        """The place still holds what it is known to hold: nobody else has patched it since."""
        now = self.place.raw()
        return bool(self.handlers) or now is self.raw or now is self.dispatcher

    def add(self, make: Make) -> Handler:
        handler = Handler(make, self.top, self.place.title)
        if not self.handlers:
            self.place.put(self.dispatcher)
        self.handlers.append(handler)
        self.top = handler
        return handler

    def drop(self, handler: Handler) -> None:
        self.handlers.remove(handler)
        below = self.original
        for each in self.handlers:
            each.below = below
            below = each
        self.top = below
        # Where somebody else has patched the place meanwhile, that stays; the dispatcher, which
        # that may call, only calls the original from now on.
        if not self.handlers and self.place.raw() is self.dispatcher:
            if self.raw is _MISSING:
                self.place.remove()
            else:
                self.place.put(self.raw)


# A slot lives as long as its dispatcher: `from jax import vmap` may have taken it to stay, while
# that of a stream goes with the stream.
_slots: weakref.WeakValueDictionary[tuple[int, Any, bool], _Slot] = weakref.WeakValueDictionary()


def _slot(place: _Place) -> _Slot:
    found = _slots.get(place.key)
    if found is None or not found.holds():
        # The owner is held by it, so that its `id` stays its own.
        found = _slots[place.key] = _Slot(place)
    return found


def patched() -> list[tuple[str, Handler]]:
    """All handlers that are registered now, with the places that they are at."""
    with _lock:
        return [(s.place.title, handler) for s in _slots.values() for handler in s.handlers]


class Patch:
    """Handlers that are registered while at least one `with` block is open, in any thread."""

    def __init__(self, *hooks: tuple[_Place, Make]) -> None:
        self._hooks = hooks
        self._open = 0
        self._registered: list[tuple[_Slot, Handler]] = []

    def __enter__(self) -> None:
        with _lock:
            self._open += 1
            if self._open > 1:
                return
            for place, make in self._hooks:
                try:
                    slot = _slot(place)
                    self._registered.append((slot, slot.add(make)))
                except Exception as error:  # it is not there, or cannot be replaced
                    failed(f"the hook on {place.title}", error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _lock:
            self._open -= 1
            while self._registered and not self._open:
                slot, handler = self._registered.pop()
                slot.drop(handler)


def attribute(owner: object, name: str, make: Make) -> Patch:
    """A patch of `owner.name`; `make` gets the original and returns the handler."""
    return Patch((_Place(owner, name), make))


def item(owner: dict[Any, Any], key: Any, make: Make) -> Patch:
    """A patch of `owner[key]`; `make` gets the original, `None` where there is none."""
    return Patch((_Place(owner, key, is_item=True), make))


def together(*patches: Patch) -> Patch:
    """Several as one."""
    return Patch(*(hook for patch in patches for hook in patch._hooks))


def calling_function(above: int = 0) -> str:
    """The name of the function that has called the patched one, past all that is the doctor's.

    Or of the one so many calls `above` it.
    """
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(OWN_DIR):
        frame = frame.f_back  # type: ignore[assignment]
    while above and frame is not None:
        frame, above = frame.f_back, above - 1  # type: ignore[assignment]
    return "" if frame is None else frame.f_code.co_name


# -- faults of the handlers ---------------------------------------------------------------

_receivers: list[Callable[[str], None]] = []


@contextlib.contextmanager
def receiving_faults(receive: Callable[[str], None]) -> Iterator[None]:
    """While open, `receive(message)` for each handler that fails, in whatever thread."""
    _receivers.append(receive)
    try:
        yield
    finally:
        _receivers.remove(receive)


@contextlib.contextmanager
def harmless(what: str) -> Iterator[None]:
    """What fails inside is the doctor's own, is reported, and is not the program's to know."""
    try:
        yield
    except Exception as error:
        failed(what, error)


def enter(stack: contextlib.ExitStack, what: str, opening: Callable[[], Any]) -> None:
    """Enter a context of the doctor's; that this fails is reported, and no more."""
    with harmless(what):
        stack.enter_context(opening())


def failed(what: str, error: BaseException) -> None:
    """Report that a part of the doctor has failed: the program goes on as if it were not there."""
    for receive in tuple(_receivers):
        receive(f"{what} failed: {in_a_line(error)}")
