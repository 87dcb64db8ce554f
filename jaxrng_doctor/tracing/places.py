"""Finds the `Place` in the user's source that a Python stack leads to.

Stacks are innermost first. The place is that of the first frame in the user's code or, if there
is none, of the first that is not in JAX or jaxrng-doctor.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from jaxrng_doctor._util.paths import OWN_DIR
from jaxrng_doctor.jax_internals import equations, primitives, stacks
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Eqn, Frame, Jaxpr
from jaxrng_doctor.jax_internals.files import JAX_DIR, is_sampler_file
from jaxrng_doctor.model.findings import Place


def _folders(*kinds: str) -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({os.path.abspath(paths[kind]) + os.sep for kind in kinds if kind in paths})


_LIBRARIES = _folders("purelib", "platlib")
_INSTALLED = (*_LIBRARIES, *_folders("stdlib", "platstdlib"))


@functools.cache
def is_machinery(path: str) -> bool:
    """Whether the file belongs to JAX, to jaxrng-doctor or to Python's import system."""
    return path.startswith((JAX_DIR, OWN_DIR, "<frozen "))


@functools.cache
def is_users(path: str) -> bool:
    """Whether the file is the user's: neither machinery nor an installed library."""
    return not is_machinery(path) and not path.startswith(_INSTALLED)


@functools.cache
def is_library(path: str) -> bool:
    """Whether the file belongs to an installed library other than JAX."""
    return path.startswith(_LIBRARIES) and not is_machinery(path)


@functools.lru_cache(maxsize=64)
def _positions(code: CodeType) -> list[tuple[int | None, ...]]:
    # Cached, because a function of ten thousand lines has as many places that need this list.
    return list(code.co_positions())


def place_of(frame: Frame) -> Place:
    """The source range that a frame was executing, with columns if Python recorded them."""
    code = frame.code
    # One entry per instruction of two bytes; see PEP 657.
    line, end_line, column, end_column = _positions(code)[frame.lasti // 2]
    return Place(
        path=code.co_filename,
        line=line or code.co_firstlineno,
        column=None if column is None else column + 1,
        end_line=end_line,
        end_column=None if end_column is None else end_column + 1,
        function=code.co_qualname,
    )


def innermost(frames: Iterable[Frame]) -> Place | None:
    """The place of the innermost user frame, else of the innermost library frame, else `None`."""
    library = None
    for frame in frames:
        path = frame.code.co_filename
        if is_users(path):
            return place_of(frame)
        if library is None and not is_machinery(path):
            library = frame
    return None if library is None else place_of(library)


def users_place(frames: Iterable[Frame]) -> Place | None:
    """The place of the innermost user frame, `None` if there is none."""
    return next((place_of(f) for f in frames if is_users(f.code.co_filename)), None)


def calling_library(frames: Iterable[Frame]) -> str:
    """The module of the library that called JAX, such as `flax.core.lift`; `""` if the user did."""
    for frame in frames:
        path = frame.code.co_filename
        if is_users(path):
            break
        folder = next((p for p in _LIBRARIES if path.startswith(p)), None)
        if folder is not None and not is_machinery(path):
            return path.removeprefix(folder).removesuffix(".py").replace(os.sep, ".")
    return ""


def python_stack() -> Iterator[Frame]:
    """The stack of the running code, innermost first."""
    frame = sys._getframe(1)
    while frame is not None:
        yield Frame(frame.f_code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, eq=False)
class At:
    """An equation in a program: `eqn` in `jaxpr`, which the equation of `parent` contains.

    `index` is the equation's index in its jaxpr. `depth` is the number of scopes around it.
    """

    parent: At | None
    eqn: Eqn
    jaxpr: Jaxpr
    index: int
    depth: int

    def above(self) -> list[At]:
        """This equation and those that contain it, outermost first."""
        found: list[At] = []
        at: At | None = self
        while at is not None:
            found.append(at)
            at = at.parent
        return found[::-1]


def locate(at: At | None) -> Place | None:
    """The user's place that made an equation, or the innermost library place if there is none.

    JAX traces a jitted function once: the stack of an equation in it shows the first caller. So a
    stack is only used up to the function that its jaxpr was traced from. Beyond that, the stack of
    the equation that calls the jaxpr is used.
    """
    library = None
    while at is not None:
        for frame in _inside(equations.frames(at.eqn), at.jaxpr):
            path = frame.code.co_filename
            if is_users(path):
                return place_of(frame)
            if library is None and not is_machinery(path):
                library = frame
        at = at.parent
    return None if library is None else place_of(library)


def jit_around(at: At) -> At | None:
    """The innermost jit around the equation of a function that is not JAX's; `None` without one."""
    for above in reversed(at.above()[:-1]):
        if above.eqn.primitive.name in primitives.JIT:
            file = equations.function_of(above.eqn.params["jaxpr"])[1]
            if not is_machinery(file):
                return above
    return None


def loop_function(at: At) -> str:
    """The loop function that the user called: the outermost in the JAX frames of the equation.

    If there is none, the name of the primitive, with `while_loop` for `while`.
    """
    name = str(at.eqn.primitive.name).removeprefix("kept_")
    called = {"while": "while_loop"}.get(name, name)
    for frame in equations.frames(at.eqn):
        if not is_machinery(frame.code.co_filename):
            break
        called = stacks.LOOPS.get(frame.code.co_name, called)
    return called


def by_lax_map(at: At) -> bool:
    """Whether `lax.map` made the vmap, to map over `batch_size` elements at a time."""
    for frame in equations.frames(at.eqn):
        file = frame.code.co_filename
        if not is_machinery(file):
            return False
        if stacks.is_loops_file(file):
            return True
    return False


def is_pmap(at: At) -> bool:
    """Whether the equation is a pmap.

    From JAX 0.8 on, a pmap is a shard_map of one of JAX's functions, which calls the user's.
    """
    name = at.eqn.primitive.name
    if name != primitives.SHARD_MAP:
        return bool(name == primitives.PMAP)
    return stacks.is_pmaps(*equations.function_of(equations.subjaxprs(at.eqn)[-1]))


def named_by_user(axis_name: Any) -> str | None:
    """The name of an axis, `None` if JAX made it up for a pmap without one."""
    own = isinstance(axis_name, str) and not axis_name.startswith(stacks.UNNAMED_AXES)
    return axis_name if own else None


def random_function(at: At) -> str:
    """The `jax.random` function that was called to make a draw or a split, else `"split"`."""
    called = ""
    for frame in equations.frames(at.eqn):
        path = frame.code.co_filename
        if not is_machinery(path):
            break
        if is_sampler_file(path) and not frame.code.co_name.startswith("_"):
            called = stacks.random_function(frame.code.co_name)
    return called or "split"


def user_stack(at: At) -> list[Place]:
    """The places of all user frames on the way to an equation, innermost first; see `locate`."""
    return [place_of(frame) for frame in way(at) if is_users(frame.code.co_filename)]


def library_functions(at: At | None) -> tuple[str, ...]:
    """The library functions between the user's code and an equation, innermost first."""
    led = itertools.takewhile(lambda frame: not is_users(frame.code.co_filename), way(at))
    return tuple(frame.code.co_qualname for frame in led)


def diverging_library(a: Sequence[Frame], b: Sequence[Frame]) -> tuple[str, bool]:
    """The library that led to both `way`s from one call in the user's code, `""` if none did.

    The library called `jax.random` itself both times, and the two ways diverge inside one of its
    functions. The second result is whether user code runs after they diverge.
    """
    stacks = [list(reversed(way)) for way in (a, b)]
    if not all(calling_library(reversed(stack)) for stack in stacks):
        return "", False
    for depth, (one, other) in enumerate(zip(*stacks, strict=False)):
        if one.code is not other.code:
            break  # one call in the user's code called two functions
        if one.lasti != other.lasti:
            below = [frame for stack in stacks for frame in stack[depth + 1 :]]
            users = any(is_users(frame.code.co_filename) for frame in below)
            return calling_library([one]).split(".")[0], users
    return "", False


def diverging_calls(
    a: Sequence[Frame], b: Sequence[Frame]
) -> tuple[tuple[Place | None, Place | None], bool]:
    """The user's calls at which two `way`s diverge; the same one twice if it is made again.

    The second result is whether a library calls the user's code within the second call.
    """
    one, other = _outer_call(a), _outer_call(b)
    users = [[*filter(_is_users_frame, reversed(way))] for way in (a, b)]
    if min(map(len, users)) > 1:  # else only the innermost frames are known
        pairs = zip(*users, strict=False)
        one, other = next(((x, y) for x, y in pairs if x != y), (one, other))
    within = [_is_users_frame(f) for f in itertools.takewhile(lambda f: f != other, b)]
    calls_back = any(inner and not outer for inner, outer in itertools.pairwise(within))
    calls = (None if one is None else place_of(one), None if other is None else place_of(other))
    return calls, calls_back


def _outer_call(way: Sequence[Frame]) -> Frame | None:
    """The user's frame that calls the outermost library, else the innermost user frame."""
    from_users = itertools.dropwhile(lambda f: not _is_users_frame(f), reversed(way))
    return next(iter([*itertools.takewhile(_is_users_frame, from_users)][-1:]), None)


def _is_users_frame(frame: Frame) -> bool:
    return is_users(frame.code.co_filename)


def way(at: At | None) -> list[Frame]:
    """The user and library frames on the way to an equation, innermost first."""
    return list(_frames_to(at))


def _frames_to(at: At | None) -> Iterator[Frame]:
    while at is not None:
        for frame in _inside(equations.frames(at.eqn), at.jaxpr):
            if not is_machinery(frame.code.co_filename):
                yield frame
        at = at.parent


def library_line(at: At) -> Place | None:
    """The line of the library that calls `jax.random` for the user, `None` if the user does."""
    frame = next(_frames_to(at), None)
    is_one = frame is not None and is_library(frame.code.co_filename)
    return place_of(frame) if frame is not None and is_one else None


def _inside(frames: Iterable[Frame], jaxpr: AnyJaxpr) -> Iterator[Frame]:
    """The frames up to the function that `jaxpr` was traced from; all if it is not among them."""
    name, file = equations.function_of(jaxpr)
    for frame in frames:
        yield frame
        if file and frame.code.co_filename == file and frame.code.co_name == name:
            return


_MOST_WRAPPED = 16
"""At most this many functions are looked at to find the user's function in a library's wrapper."""


def users_name(fn: Any) -> str:
    """The name of a function or, if a library wraps a function of the user, of that function."""
    waiting, seen = [fn], 0
    while waiting and seen < _MOST_WRAPPED:
        each, seen = waiting.pop(0), seen + 1
        each = getattr(each, "__func__", each)
        code = getattr(each, "__code__", None)
        called = getattr(inspect.getattr_static(each, "__call__", None), "__code__", None)
        if code is not None and is_users(code.co_filename):
            return str(each.__name__)
        if code is None and called is not None and is_users(called.co_filename):
            return type(each).__name__
        waiting += _wrapped(each)
    return str(getattr(fn, "__name__", type(fn).__name__))


def _wrapped(fn: Any) -> Iterator[Any]:
    """What a wrapper may call: its `__wrapped__`, the function of a partial, its closure.

    Another function may call what is in its closure, but is not that function: only one that is
    named a wrapper is.
    """
    for name in ("__wrapped__", "func"):
        if callable(held := getattr(fn, name, None)):
            yield held
    is_wrapper = "wrap" in getattr(fn, "__name__", "")
    for cell in (getattr(fn, "__closure__", None) or ()) if is_wrapper else ():
        with contextlib.suppress(ValueError):  # an empty cell
            if callable(cell.cell_contents):
                yield cell.cell_contents
