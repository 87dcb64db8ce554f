"""Reports the jitted calls of a watched program, and its draws outside of them, as they happen.

Hooks in JAX pass each of them to the open `Listener`s. The results of the program do not change:
a listener gets a call after JAX has traced it, and notes it once it was made.
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
from jaxrng_doctor.jax_internals import call_hooks, patches, stacks
from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import AnyJaxpr
from jaxrng_doctor.jax_internals.files import JAX_DIR
from jaxrng_doctor.jax_internals.patches import Patch, attribute, harmless
from jaxrng_doctor.jax_internals.settings import checks_leaks, hides_loops
from jaxrng_doctor.jax_internals.tracers import concrete
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing.eager_loops import (
    LoopCall,
    each_eager_loop,
    is_dispatched,
    is_transforming,
)
from jaxrng_doctor.tracing.host_rng import GeneratorStates
from jaxrng_doctor.tracing.vmap_sites import recording_vmaps
from jaxrng_doctor.watching.ahead_of_time import each_call_of_compiled
from jaxrng_doctor.watching.fast_path import Noted, Shortcuts
from jaxrng_doctor.watching.program_stack import outermost_sampler
from jaxrng_doctor.watching.subprocesses import other_processes
from jaxrng_doctor.watching.transformed import CALLING, MAKING, OF_JAX, Transformed

_NO_USES = frozenset({"clone", "fold_in", "key_data", "key_impl", "wrap_key_data"})

# JAX itself compiles these, after it has traced the body with its vmaps transformed away.
_LOOPING = ("cond", "switch", *stacks.LOOPS)

_state = threading.local()
_open: list[Listener] = []
_shortcuts = Shortcuts()
_numbers = itertools.count(1)


class Listener(Protocol):
    """An observer of the program. Its methods raise no `Exception`."""

    def jitted(self, call: JitCall, loop: Transformed | None) -> Noted | None:
        """A call of a jitted function outside of any other transformation is about to be made.

        `loop` is the loop or branch that JAX makes it for, if the program runs one eagerly.
        """

    def jitted_within(self, call: JitCall, around: tuple[int, str] | None) -> None:
        """A call of a jitted function inside an eager vmap or derivative is about to be made.

        Its arguments are what these pass to it. `around`: see `used`.
        """

    def looped_within(self, loop: LoopCall, around: tuple[int, str] | None) -> None:
        """A loop or branch inside an eager vmap or derivative is about to be run.

        `around`: see `used`.
        """

    def looped(self, loop: LoopCall) -> Noted | None:
        """A `checkpoint` outside of any other transformation is about to be called."""

    def transformed(self, call: Transformed) -> None:
        """A function made by `jax.vmap`, `jax.grad` or the like is about to be called eagerly."""

    def returned(self, error: Exception | None) -> None:
        """The call of a transformed function has ended; `error` is what it raised, if anything."""

    def used(self, op: str, key: Any, around: tuple[int, str] | None) -> None:
        """A key is drawn from or split outside of compiled functions.

        `key`: the key, or in a vmap the keys of all examples. `op`: the name of the function in
        `jax.random`. `around`: the number and the title of the transformed call around it.
        """

    def cloned(self, key: Any) -> None:
        """`jax.random.clone` was called outside of transformations, and returned `key`."""

    def drew_while_tracing(self, library: str, source: str, is_alone: bool) -> None:
        """A function drew from the generators of `library`, NumPy or Python, while it was traced.

        `source` is `"name at file:line"`. Unless `is_alone`, another thread may have drawn
        instead.
        """

    def missed(self, what: str) -> None:
        """`what` happens at the current line, and is not followed."""

    def gap(self, message: str, place: Place | None = None) -> None:
        """Something cannot be followed, or there was an internal error."""


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Pass everything that happens in the program to `listener`, in all threads."""
    hooks: dict[str, Callable[[], Any]] = {
        # First, because it looks for JAX's primitives by a trace.
        "loops": lambda: each_eager_loop(_looped, _checkpointing),
        "traces": lambda: call_hooks.each_trace(_trace_begins, _trace_ends),
        "jitted calls": lambda: call_hooks.each_jit_call(_jitted),
        "runs of jitted calls": lambda: call_hooks.each_jit_run(_run_begins, _run_ends),
        "repeated calls": lambda: call_hooks.slow_path_where(_made),
        "served calls": lambda: call_hooks.serving_jit_calls(_serve),
        "draws": lambda: call_hooks.each_eager_use(_used),
        "clones": lambda: call_hooks.each_eager_clone(_cloned),
        "compiled calls": lambda: each_call_of_compiled(_called_compiled),
        "transformed functions": showing_transformations,
        "vmaps": recording_vmaps,
        "processes": lambda: other_processes(listener.gap, _open),
    }
    with contextlib.ExitStack() as stack:
        for what, hook in hooks.items():
            patches.enter(stack, f"watching {what}", hook)
        _open.append(listener)
        _forget()  # functions called earlier may bypass the hooks
        try:
            yield
        finally:
            _open.remove(listener)
            _forget()  # else functions stay on the slow path


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Ignore what this thread does: it is the work of jaxrng-doctor, not of the program."""
    before = getattr(_state, "paused", False)
    _state.paused = True
    try:
        yield
    finally:
        _state.paused = before


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Pass nothing to the listener that was opened last."""
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
    """Whether a device map is being called: its draws are known from its arguments."""
    return getattr(_state, "in_device_map", False)


def _forget() -> None:
    with harmless("making ready for calls that come again"):
        _shortcuts.clear()
        call_hooks.forget_fast_paths()


def _trace_begins(source: str) -> tuple[str, GeneratorStates] | None:
    if source.partition(" at ")[2].startswith(JAX_DIR):  # such as for the body of a loop
        source = loop.source if (loop := getattr(_state, "loop", None)) else ""
    return (source, GeneratorStates()) if source and not _is_paused() else None


def _trace_ends(began: tuple[str, GeneratorStates] | None) -> None:
    library = began[1].moved() if began else ""
    if began and library:
        for listener in _open:
            listener.drew_while_tracing(library, began[0], began[1].is_alone())


def _jitted(call: JitCall, plain: bool) -> None:
    if _is_paused() or _in_device_map() or is_transforming():
        return
    around = getattr(_state, "around", None)
    if is_dispatched(call) and (around is not None or not plain):
        return  # part of something that was already reported
    if not plain:
        for listener in _open:
            listener.jitted_within(call, around)
    else:
        loop = getattr(_state, "loop", None)
        noted = [listener.jitted(call, loop) for listener in list(_open)]
        # `lower` and `eval_shape` get here too, but run nothing.
        coming = _state.coming if getattr(_state, "runs", 0) else []
        _state.coming = [*coming, (call, [each for each in noted if each is not None])]


def _run_begins(jaxpr: AnyJaxpr) -> Any:
    _state.runs = getattr(_state, "runs", 0) + 1
    if jaxpr is None and _state.runs == 1:
        _state.coming = []
    return None if jaxpr is None else _coming(jaxpr)


def _run_ends(coming: Any, jaxpr: AnyJaxpr) -> None:
    """The call that ran is the one that was `coming`, not a later one that JAX made during it."""
    _state.runs -= 1
    _state.pending = None if jaxpr is None else coming or _coming(jaxpr)


def _coming(jaxpr: AnyJaxpr) -> Any:
    """Return the latest coming call of this jaxpr, and remove it and later ones; `None` if none."""
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
        return False  # from now on, C++ serves the shortcut
    if wanted:
        # Without a shortcut, such calls take the slow path and are still noted.
        with paused(), harmless("serving calls of its like"):
            _shortcuts.add(call, wanted)
    return bool(wanted)


def _serve(fun: Any, info: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The outputs of a call, in a tuple of one, if it has a shortcut; else `None`."""
    if getattr(_state, "is_serving", False) or _is_paused() or not call_hooks.is_plain():
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
    if _state.served is None:  # C++ served it, so it has the signature of the shortcut
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
    """Report a `checkpoint` outside of any other transformation; open while it runs."""
    if _is_paused() or _in_device_map():
        yield
        return
    noted = [listener.looped(loop) for listener in _open]
    with paused():  # JAX's calls for its parts are known from the whole
        yield
    for each in filter(None, noted):
        each.made()


def _called_compiled(name: str) -> None:
    if not _is_paused():
        for listener in _open:
            listener.missed(f"a call of {name}.lower(…).compile()")


def _cloned(key: Any) -> None:
    if not _is_paused():
        for listener in _open:
            listener.cloned(key)


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
        if leaks:  # noting it would keep its tracers
            listener.missed(f"{what} while JAX checks for leaked tracers")
        elif value is not None:
            listener.used(function, value, around)


@contextlib.contextmanager
def showing_transformations() -> Iterator[None]:
    """Report the calls of functions that are transformed while this is open.

    Each call is passed to the listeners that are open at that time.
    """
    with contextlib.ExitStack() as stack:
        for name in MAKING:
            if hasattr(jax, name):  # there is no `jax.shard_map` up to 0.7
                stack.enter_context(_patch(name, _making))
        for name in OF_JAX:
            home = call_hooks.home_of_transformations
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
            return _making(name, made)  # a decorator that takes the function later

        @functools.wraps(made)
        def transformed(*xs: Any, **options: Any) -> Any:
            with unseen, _shown(name, fun, made, xs, options):
                return made(*xs, **options)

        if hasattr(made, "lower"):  # on 0.6, `wraps` cannot copy it from what `pmap` returns
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
            if _is_paused() or not call_hooks.is_plain():
                return original(*args, **kwargs)
            for listener in _open if hides_loops() else ():
                listener.missed(f"{name} under jax_disable_jit and jax_scan3")
            body = next(filter(callable, reversed([*args, *kwargs.values()])), original)
            if name == "map" and (len(args) > 2 or kwargs.get("batch_size") is not None):
                # With a batch size it is partly a loop, partly an eager vmap.
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
    # A transformation inside another one is known from the whole. One inside a sampler is an
    # implementation detail of that.
    is_reported = bool(_open) and not _is_paused() and getattr(_state, "around", None) is None
    if not (is_reported and call_hooks.is_plain()) or outermost_sampler() is not None:
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
