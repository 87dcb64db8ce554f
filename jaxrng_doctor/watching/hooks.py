"""What a watched program does: its jitted calls and its draws outside of them, as they come.

Hooks in JAX hand each to the open `Listener`s. Nothing that the program computes changes:
a call is shown after JAX has traced it, and noted once it was made.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import jax

from jaxrng_doctor._util.time_limit import is_ours
from jaxrng_doctor._util.tracebacks import unseen
from jaxrng_doctor.jax_internals import patches, running
from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import AnyJaxpr
from jaxrng_doctor.jax_internals.files import JAX_DIR
from jaxrng_doctor.jax_internals.patches import Patch, attribute, harmless
from jaxrng_doctor.jax_internals.settings import checks_leaks, hides_loops
from jaxrng_doctor.jax_internals.tracers import concrete
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing.eager_loops import LoopCall, each_eager_loop, is_dispatched, is_making
from jaxrng_doctor.tracing.host_rng import Standing
from jaxrng_doctor.tracing.vmap_sites import recording_vmaps
from jaxrng_doctor.watching.ahead_of_time import each_call_of_compiled
from jaxrng_doctor.watching.fast_path import Noted, Shortcuts
from jaxrng_doctor.watching.program_stack import outermost_sampler
from jaxrng_doctor.watching.subprocesses import other_processes
from jaxrng_doctor.watching.transformed import CALLING, MAKING, OF_JAX, Transformed

_NO_USES = frozenset({"clone", "fold_in", "key_data", "key_impl", "wrap_key_data"})

# What JAX compiles by itself, after it has traced the function with its vmaps dissolved.
_LOOPING = ("cond", "fori_loop", "map", "scan", "switch", "while_loop")

_state = threading.local()
_open: list[Listener] = []
_shortcuts = Shortcuts()
_numbers = itertools.count(1)


class Listener(Protocol):
    """Somebody who watches. None of these raises anything."""

    def jitted(self, call: JitCall, loop: Transformed | None) -> Noted | None:
        """A call of a jitted function, from outside of any other, is about to be made.

        `loop` is the loop or branch that JAX makes it for, where nothing else compiles that.
        """

    def jitted_within(self, call: JitCall, around: tuple[int, str] | None) -> None:
        """A call of a jitted function inside of an eager vmap or derivative is about to be made.

        Its arguments are what these hand to it. `around` is that of `used`.
        """

    def looped_within(self, loop: LoopCall, around: tuple[int, str] | None) -> None:
        """A loop or branch inside of an eager vmap or derivative is about to be made.

        `around` is that of `used`.
        """

    def looped(self, loop: LoopCall) -> Noted | None:
        """A checkpoint that nothing is around is about to be called."""

    def transformed(self, call: Transformed) -> None:
        """A function made by `jax.vmap` or `jax.grad` is called outside of compiled functions."""

    def returned(self, error: Exception | None) -> None:
        """The call of a transformed function has ended, and has raised `error`."""

    def used(self, op: str, key: Any, around: tuple[int, str] | None) -> None:
        """A key is drawn from or split outside of compiled functions; in a vmap, all its keys.

        `op` is the function's name in `jax.random`. `around`: the number and the title of the
        transformed call that it is in.
        """

    def drew_while_tracing(self, library: str, source: str, is_alone: bool) -> None:
        """A function, `"name at file:line"`, drew from NumPy's or Python's generators.

        Unless it `is_alone`, another thread may have drawn instead.
        """

    def missed(self, what: str) -> None:
        """Something was seen too late to be followed."""

    def gap(self, message: str, place: Place | None = None) -> None:
        """Something cannot be followed, or a part of the doctor has failed."""


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hand everything that happens in the program to `listener`, in all threads."""
    hooks: dict[str, Callable[[], Any]] = {
        # The first: it looks for JAX's primitives by a trace.
        "loops": lambda: each_eager_loop(_looped, _checkpointing),
        "traces": lambda: running.each_trace(_trace_begins, _trace_ends),
        "jitted calls": lambda: running.each_jit_call(_jitted),
        "runs of jitted calls": lambda: running.each_jit_run(_run_begins, _run_ends),
        "repeated calls": lambda: running.slow_path_where(_made),
        "served calls": lambda: running.serving_jit_calls(_serve),
        "draws": lambda: running.each_eager_use(_used),
        "compiled calls": lambda: each_call_of_compiled(_called_compiled),
        "transformed functions": showing_transformations,
        "vmaps": recording_vmaps,
        "processes": lambda: other_processes(listener.gap, _open),
    }
    with contextlib.ExitStack() as stack:
        for what, hook in hooks.items():
            patches.enter(stack, f"watching {what}", hook)
        _open.append(listener)
        _forget()  # what was called before anybody listened
        try:
            yield
        finally:
            _open.remove(listener)
            _forget()  # what went the slow way would stay on it for good


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """What this thread does inside is the doctor's own work, not the program's."""
    before = getattr(_state, "paused", False)
    _state.paused = True
    try:
        yield
    finally:
        _state.paused = before


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """What happens inside is not for the one who has begun to listen last."""
    left = _open.pop()
    _forget()
    try:
        yield
    finally:
        _open.append(left)
        _forget()


def _is_paused() -> bool:
    return getattr(_state, "paused", False) or is_ours()


def _in_device_map() -> bool:
    """In a call of one, whose draws are known from its arguments."""
    return getattr(_state, "in_device_map", False)


def _forget() -> None:
    with harmless("making ready for calls that come again"):
        _shortcuts.clear()
        running.forget_fast_paths()


def _trace_begins(source: str) -> tuple[str, Standing] | None:
    if source.partition(" at ")[2].startswith(JAX_DIR):  # such as what it makes of a loop's body
        source = loop.source if (loop := getattr(_state, "loop", None)) else ""
    return (source, Standing()) if source and not _is_paused() else None


def _trace_ends(began: tuple[str, Standing] | None) -> None:
    library = began[1].moved() if began else ""
    if began and library:
        for listener in _open:
            listener.drew_while_tracing(library, began[0], began[1].is_alone())


def _jitted(call: JitCall, plain: bool) -> None:
    if _is_paused() or _in_device_map() or is_making():
        return
    around = getattr(_state, "around", None)
    if is_dispatched(call) and (around is not None or not plain):
        return  # of what was shown already
    if not plain:
        for listener in _open:
            listener.jitted_within(call, around)
    else:
        loop = getattr(_state, "loop", None)
        noted = [listener.jitted(call, loop) for listener in list(_open)]
        # `lower` and `eval_shape` come by here too, and run nothing.
        coming = _state.coming if getattr(_state, "runs", 0) else []
        _state.coming = [*coming, (call, [each for each in noted if each is not None])]


def _run_begins(jaxpr: AnyJaxpr) -> Any:
    _state.runs = getattr(_state, "runs", 0) + 1
    if jaxpr is None and _state.runs == 1:
        _state.coming = []
    return None if jaxpr is None else _coming(jaxpr)


def _run_ends(coming: Any, jaxpr: AnyJaxpr) -> None:
    """What has run is what was `coming`, and no call that JAX has made within, which came later."""
    _state.runs -= 1
    _state.pending = None if jaxpr is None else coming or _coming(jaxpr)


def _coming(jaxpr: AnyJaxpr) -> Any:
    """The latest call of this jaxpr that was coming."""
    coming = getattr(_state, "coming", [])
    for index in reversed(range(len(coming))):
        if coming[index][0].jaxpr is jaxpr:
            _state.coming = coming[:index]
            return coming[index]
    return None


def _made() -> bool:
    call, noted = getattr(_state, "pending", None) or (None, ())
    if _is_paused() or call is None:
        return False
    _state.pending = None
    wanted = [each for each in noted if each.made()]
    if getattr(_state, "is_serving", False):
        _state.served = call.jaxpr
        return False  # a shortcut is left to C++ from now on
    if wanted:
        # Without a shortcut its like takes the slow way, and is noted all the same.
        with paused(), harmless("serving calls of its like"):
            _shortcuts.add(call, wanted)
    return bool(wanted)


def _serve(fun: Any, info: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The outputs of a call that is noted like one before it, in a tuple; else `None`."""
    if getattr(_state, "is_serving", False) or _is_paused() or not running.is_plain():
        return None
    shortcut = _shortcuts.get(fun, info)
    leaves = None if shortcut is None else shortcut.leaves(args, kwargs)
    if shortcut is None or leaves is None:
        return None
    notes = [noted.again(leaves) for noted in shortcut.noted]
    _state.is_serving, _state.served = True, None
    try:
        outs = shortcut.call(*args, **kwargs)
    finally:
        _state.is_serving = False
    if _state.served is None:  # it never came to Python: it was the signature of the shortcut
        for note in notes:
            note()
    elif _state.served is not shortcut.jaxpr:
        _shortcuts.drop(shortcut)
    return (outs,)


def _looped(loop: LoopCall) -> None:
    if not (_is_paused() or _in_device_map()):
        for listener in _open:
            listener.looped_within(loop, getattr(_state, "around", None))


@contextlib.contextmanager
def _checkpointing(loop: LoopCall) -> Iterator[None]:
    """A checkpoint that nothing is around, while it runs."""
    if _is_paused() or _in_device_map():
        yield
        return
    noted = [listener.looped(loop) for listener in _open]
    with paused():  # what JAX makes of its parts is known from the whole
        yield
    for each in filter(None, noted):
        each.made()


def _called_compiled(name: str) -> None:
    if not _is_paused():
        for listener in _open:
            listener.missed(f"a call of {name}.lower(…).compile()")


def _used(function: str, key: Any, plain: bool) -> None:
    if (
        _is_paused()
        or _in_device_map()
        or function in _NO_USES
        or not hasattr(jax.random, function)
    ):
        return
    around: tuple[int, str] | None = getattr(_state, "around", None)
    with paused():
        value = concrete(key)
    is_within = around is not None or not plain
    what = f"jax.random.{function} inside of a vmap or derivative" if is_within else ""
    leaks = is_within and checks_leaks()
    for listener in _open:
        if is_within and around is None:
            listener.missed(f"{what} that was not seen being made")
        if leaks:  # to note it would be to keep its tracers
            listener.missed(f"{what} while JAX checks for leaked tracers")
        elif value is not None:
            listener.used(function, value, around)


@contextlib.contextmanager
def showing_transformations() -> Iterator[None]:
    """Show each function that is transformed from now on, as it is called, to who listens then."""
    with contextlib.ExitStack() as stack:
        for name in MAKING:
            if hasattr(jax, name):  # up to 0.7 shard_map is not there
                stack.enter_context(_patch(name, _making))
        for name in OF_JAX:
            home = running.home_of_transformations
            stack.enter_context(_patch(name, _making, home))
        for name in CALLING:
            stack.enter_context(_patch(name, _calling))
        for name in _LOOPING:
            stack.enter_context(_patch(name, _looping, jax.lax))
        yield


@functools.cache
def _patch(name: str, showing: Callable[[str, Any], Callable[..., Any]], home: Any = jax) -> Patch:
    return attribute(home, name, functools.partial(showing, name))


def _making(name: str, original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def transformation(*args: Any, **kwargs: Any) -> Any:
        with unseen:
            made = original(*args, **kwargs)
        fun = args[0] if args else kwargs.get("fun")
        if not callable(made):
            return made
        if fun is None:
            return _making(name, made)  # a decorator, which takes the function later

        @functools.wraps(made)
        def transformed(*xs: Any, **options: Any) -> Any:
            with unseen, _shown(name, fun, made, xs, options):
                return made(*xs, **options)

        if hasattr(made, "lower"):  # what `pmap` returns on 0.6, which `wraps` cannot look into
            transformed.lower = made.lower  # type: ignore[attr-defined]
        return transformed

    return transformation


def _calling(name: str, original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def transformation(fun: Any, *args: Any, **kwargs: Any) -> Any:
        primals = args[0] if name == "jvp" and args else args
        with unseen, _shown(name, fun, fun, tuple(primals), {}):
            return original(fun, *args, **kwargs)

    return transformation


def _looping(name: str, original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def loop(*args: Any, **kwargs: Any) -> Any:
        with unseen:
            if _is_paused() or not running.is_plain():
                return original(*args, **kwargs)
            for listener in _open if hides_loops() else ():
                listener.missed(f"{name} under jax_disable_jit and jax_scan3")
            body = next(filter(callable, reversed([*args, *kwargs.values()])), original)
            if name == "map" and (len(args) > 2 or kwargs.get("batch_size") is not None):
                # Partly a loop, partly an eager vmap.
                with _shown(name, body, original, args, kwargs):
                    return original(*args, **kwargs)
            _state.loop = Transformed(name, body, original, args, kwargs)
            try:
                return original(*args, **kwargs)
            finally:
                _state.loop = None

    return loop


@contextlib.contextmanager
def _shown(name: str, original: Any, fun: Any, args: Any, kwargs: Any) -> Iterator[None]:
    # What a transformation of JAX's own is made of is known from the whole, and how it splits a key
    # or draws is its own affair.
    is_heard = bool(_open) and not _is_paused() and getattr(_state, "around", None) is None
    if not (is_heard and running.is_plain()) or outermost_sampler() is not None:
        yield
        return
    call, title, is_device_map = Transformed(name, original, fun, args, kwargs), name, False
    with harmless(f"watching {name}"):
        title, is_device_map = call.title, call.is_device_map
        for listener in _open:
            listener.transformed(call)
    _state.around, _state.in_device_map = (next(_numbers), title), is_device_map
    raised = None
    try:
        yield
    except Exception as error:
        raised = error
        raise
    finally:
        _state.around, _state.in_device_map = None, False
        with harmless(f"watching {name}"):
            for listener in _open:
                listener.returned(raised)
