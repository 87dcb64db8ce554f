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
from dataclasses import dataclass
from typing import Any, Protocol

import jax

from jaxrng_doctor.limits import is_ours
from jaxrng_doctor.trace import jaxprs
from jaxrng_doctor.trace.calldata import JitCall
from jaxrng_doctor.trace.concrete import concrete
from jaxrng_doctor.trace.eager_loops import LoopCall, each_eager_loop, is_dispatched
from jaxrng_doctor.trace.files import JAX_DIR
from jaxrng_doctor.trace.hostrng import Standing
from jaxrng_doctor.trace.outputs import is_array
from jaxrng_doctor.trace.patches import Patch, attribute
from jaxrng_doctor.tracebacks import unseen
from jaxrng_doctor.watching.ahead import each_call_of_compiled
from jaxrng_doctor.watching.shortcuts import Noted, Shortcuts

_NO_USES = frozenset({"clone", "fold_in", "key_data", "key_impl", "wrap_key_data"})

# What returns a function that is transformed, and what calls the given one at once.
_MAKING = ("grad", "hessian", "jacfwd", "jacrev", "pmap", "shard_map", "value_and_grad", "vmap")
_DEVICE_MAPS = ("pmap", "shard_map")
_CALLING = ("jvp", "linearize", "vjp")

# What JAX compiles by itself, after it has traced the function with its vmaps dissolved.
_LOOPING = ("cond", "fori_loop", "map", "scan", "switch", "while_loop")


@dataclass(frozen=True, slots=True)
class Transformed:
    """A call of `fun`, which `original` was transformed into."""

    name: str
    original: Any
    fun: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def title(self) -> str:
        """Such as `grad(loss)`."""
        return f"{self.name}({getattr(self.original, '__name__', type(self.original).__name__)})"

    @property
    def is_device_map(self) -> bool:
        """It is compiled: nothing shows its draws but the call itself."""
        return self.name in _DEVICE_MAPS

    def arrays(self) -> list[Any]:
        """The arrays among its arguments, as `array_call` has them."""
        return [x for x in jax.tree_util.tree_leaves((self.args, self.kwargs)) if is_array(x)]

    def known_by(self) -> tuple[tuple[Any, ...], Any]:
        """What its like has in common with it, the name first; and what must stay for that."""
        shapes = tuple((x.shape, str(x.dtype)) for x in self.arrays())
        code = getattr(self.original, "__code__", self.original)
        held = (code, self.fun) if self.is_device_map else (code,)  # it is compiled for that one
        return (self.name, shapes, *map(id, held)), (code, self.fun)

    def others(self) -> list[Any]:
        """What is no array among its arguments."""
        return [x for x in jax.tree_util.tree_leaves((self.args, self.kwargs)) if not is_array(x)]


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


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hand everything that happens in the program to `listener`, in all threads."""
    with (
        each_eager_loop(_looped),  # the first: it looks for JAX's primitives by a trace
        jaxprs.each_trace(_trace_begins, _trace_ends),
        jaxprs.each_jit_call(_jitted),
        jaxprs.slow_path_where(_made),
        jaxprs.serving_jit_calls(_serve),
        jaxprs.each_eager_use(_used),
        each_call_of_compiled(_called_compiled),
        _transformations(),
    ):
        _open.append(listener)
        _forget()  # what was called before anybody listened
        try:
            yield
        finally:
            _open.remove(listener)
            _forget()  # what went the slow way would stay on it for good


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """What this thread does inside is the doctor's own work, not the program's."""
    before = getattr(_state, "deaf", False)
    _state.deaf = True
    try:
        yield
    finally:
        _state.deaf = before


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


def _is_deaf() -> bool:
    return getattr(_state, "deaf", False) or is_ours()


def _in_device_map() -> bool:
    """In a call of one, whose draws are known from its arguments."""
    return getattr(_state, "in_device_map", False)


def _forget() -> None:
    _shortcuts.clear()
    jaxprs.forget_fast_paths()


def _trace_begins(source: str) -> tuple[str, Standing] | None:
    is_jaxs = source.partition(" at ")[2].startswith(JAX_DIR)
    return None if is_jaxs or _is_deaf() else (source, Standing())


def _trace_ends(began: tuple[str, Standing] | None) -> None:
    library = began[1].moved() if began else ""
    if began and library:
        for listener in _open:
            listener.drew_while_tracing(library, began[0], began[1].is_alone())


def _jitted(call: JitCall, plain: bool) -> None:
    if _is_deaf():
        return
    around = getattr(_state, "around", None)
    if (around is not None or not plain) and is_dispatched(call):
        return  # of what was shown already
    if not plain:
        for listener in () if _in_device_map() else _open:
            listener.jitted_within(call, around)
    else:
        loop = getattr(_state, "loop", None)
        noted = [listener.jitted(call, loop) for listener in list(_open)]
        # `lower` and `eval_shape` come by here too, and make no call.
        _state.pending = call, [each for each in noted if each is not None]


def _made() -> bool:
    call, noted = getattr(_state, "pending", None) or (None, ())
    if _is_deaf() or call is None:
        return False
    _state.pending = None
    wanted = [each for each in noted if each.made()]
    if getattr(_state, "is_serving", False):
        _state.served = call.jaxpr
        return False  # a shortcut is left to C++ from now on
    if wanted:
        # Without a shortcut its like takes the slow way, and is noted all the same.
        with deaf(), contextlib.suppress(Exception):
            _shortcuts.add(call, wanted)
    return bool(wanted)


def _serve(fun: Any, info: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The outputs of a call that is noted like one before it, in a tuple; else `None`."""
    if getattr(_state, "is_serving", False) or _is_deaf() or not jaxprs.is_plain():
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
    if not (_is_deaf() or _in_device_map()):
        for listener in _open:
            listener.looped_within(loop, getattr(_state, "around", None))


def _called_compiled(name: str) -> None:
    if not _is_deaf():
        for listener in _open:
            listener.missed(f"a call of {name}.lower(…).compile()")


def _used(function: str, key: Any, plain: bool) -> None:
    if _is_deaf() or _in_device_map() or function in _NO_USES or not hasattr(jax.random, function):
        return
    around: tuple[int, str] | None = getattr(_state, "around", None)
    with deaf():
        value = concrete(key)
    for listener in _open:
        if not plain and around is None:
            what = f"jax.random.{function} inside of a vmap or derivative"
            listener.missed(f"{what} made before watching began")
        if value is not None:
            listener.used(function, value, around)


@contextlib.contextmanager
def _transformations() -> Iterator[None]:
    """Show each function that is transformed from now on, as it is called."""
    with contextlib.ExitStack() as stack:
        for name in _MAKING:
            if hasattr(jax, name):  # up to 0.7 shard_map is not there
                stack.enter_context(_patch(name, _making))
        for name in _CALLING:
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
            if _is_deaf() or not jaxprs.is_plain():
                return original(*args, **kwargs)
            body = next(filter(callable, reversed([*args, *kwargs.values()])), original)
            _state.loop = Transformed(name, body, original, args, kwargs)
            try:
                return original(*args, **kwargs)
            finally:
                _state.loop = None

    return loop


@contextlib.contextmanager
def _shown(name: str, original: Any, fun: Any, args: Any, kwargs: Any) -> Iterator[None]:
    if _is_deaf() or not jaxprs.is_plain():
        yield
        return
    call = Transformed(name, original, fun, args, kwargs)
    for listener in _open:
        listener.transformed(call)
    _state.around, _state.in_device_map = (next(_numbers), call.title), call.is_device_map
    raised = None
    try:
        yield
    except Exception as error:
        raised = error
        raise
    finally:
        _state.around, _state.in_device_map = None, False
        for listener in _open:
            listener.returned(raised)
