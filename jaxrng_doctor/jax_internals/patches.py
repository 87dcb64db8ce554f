"""The registry of all patches of other packages' code, with one dispatcher per place.

A place is an attribute of a module, class or object, or an item of a dict. While at least one
handler is registered for it, the place holds a dispatcher, which calls the handlers, the latest
first, and the original last. Handlers can be added and removed in any order and in any thread.
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
"""Takes the function below a handler (`None` if there is none) and returns the handler.

A handler is called in every thread, and has to check itself which thread it is in.
"""

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
        """The owner's own value, `_MISSING` if it has none or only inherits one."""
        return (self.owner if self.is_item else vars(self.owner)).get(self.name, _MISSING)

    def value(self) -> Any:
        """The value, `None` for a missing item. Raises `AttributeError` for a missing attribute."""
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
    """One call of a handler, with the result (in a tuple) or error of the function it called."""

    handler: Handler
    outcome: tuple[Any, ...] = ()
    error: BaseException | None = None


_state = threading.local()


def _running() -> list[_Call]:
    """The handler calls that are running in this thread, the latest last."""
    if not hasattr(_state, "calls"):
        _state.calls = []
    calls: list[_Call] = _state.calls
    return calls


class Handler:
    """One of the handlers of a place, between the dispatcher and the function `below`.

    If the handler fails, the failure is reported, and the call has the result that it would have
    without the handler. Exceptions of the call itself are raised.
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
        """`function`, wrapped for the handler to call: its exceptions are those of the call."""

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
                raise  # if equal, the program raised both: the hook called it in another way
            failed(f"the hook on {self.title}", fault)
            return result


class _Slot:
    """A place with its original value and its handlers."""

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
        """Whether the slot has handlers, or other code has not patched the place meanwhile."""
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
        # If other code has patched the place meanwhile, its patch stays. It may call the
        # dispatcher, which only calls the original from now on.
        if not self.handlers and self.place.raw() is self.dispatcher:
            if self.raw is _MISSING:
                self.place.remove()
            else:
                self.place.put(self.raw)


# A slot lives as long as its dispatcher. `from jax import vmap` may keep the dispatcher forever;
# that of a stream is freed with the stream.
_slots: weakref.WeakValueDictionary[tuple[int, Any, bool], _Slot] = weakref.WeakValueDictionary()


def _slot(place: _Place) -> _Slot:
    found = _slots.get(place.key)
    if found is None or not found.holds():
        # The slot holds the owner, so the `id` in the key is not reused.
        found = _slots[place.key] = _Slot(place)
    return found


def patched() -> list[tuple[str, Handler]]:
    """All registered handlers, each with the title of its place."""
    with _lock:
        return [(s.place.title, handler) for s in _slots.values() for handler in s.handlers]


class Patch:
    """Handlers that are registered while at least one `with` block is open in any thread."""

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
                except Exception as error:  # the place does not exist or cannot be patched
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
    """A patch of `owner.name`; `make` takes the original and returns the handler."""
    return Patch((_Place(owner, name), make))


def item(owner: dict[Any, Any], key: Any, make: Make) -> Patch:
    """A patch of `owner[key]`; `make` takes the original, `None` if there is none."""
    return Patch((_Place(owner, key, is_item=True), make))


def together(*patches: Patch) -> Patch:
    """One patch with the handlers of several."""
    return Patch(*(hook for patch in patches for hook in patch._hooks))


def calling_function(above: int = 0) -> str:
    """The name of the function that called the patched one, skipping frames of jaxrng-doctor.

    With `above`, the name of the function that many frames further out. `""` if there is none.
    """
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(OWN_DIR):
        frame = frame.f_back  # type: ignore[assignment]
    while above and frame is not None:
        frame, above = frame.f_back, above - 1  # type: ignore[assignment]
    return "" if frame is None else frame.f_code.co_name


# -- failures of handlers -----------------------------------------------------------------

_receivers: list[Callable[[str], None]] = []


@contextlib.contextmanager
def receiving_faults(receive: Callable[[str], None]) -> Iterator[None]:
    """While open, call `receive(message)` for each handler that fails, in any thread."""
    _receivers.append(receive)
    try:
        yield
    finally:
        _receivers.remove(receive)


@contextlib.contextmanager
def harmless(what: str) -> Iterator[None]:
    """Report exceptions of jaxrng-doctor's code inside, and do not raise them in the program."""
    try:
        yield
    except Exception as error:
        failed(what, error)


def enter(stack: contextlib.ExitStack, what: str, opening: Callable[[], Any]) -> None:
    """Enter a context of jaxrng-doctor on `stack`; a failure is only reported."""
    with harmless(what):
        stack.enter_context(opening())


def failed(what: str, error: BaseException) -> None:
    """Report that a part of jaxrng-doctor has failed; the program continues without it."""
    for receive in tuple(_receivers):
        receive(f"{what} failed: {in_a_line(error)}")
