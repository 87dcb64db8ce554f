"""Hooks into what a running JAX traces, compiles, calls and draws, and queries of its state.

Docstrings name the JAX versions that a function was tested on.
"""

from __future__ import annotations

import functools
import threading
import types
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jax._src import api as _api
from jax._src import core as _core
from jax._src import distributed as _distributed
from jax._src import pjit as _pjit
from jax._src import random as _random
from jax._src import source_info_util as _source_info
from jax._src import traceback_util as _traceback
from jax._src.interpreters import partial_eval as _pe

from jaxrng_doctor._util.paths import OWN_DIR
from jaxrng_doctor._util.tracebacks import unseen
from jaxrng_doctor.jax_internals import stacks
from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.patches import Patch, attribute, calling_function, together

home_of_transformations = _api
"""The module where JAX looks up `vmap` and `grad`, such as for `jnp.vectorize` (0.6 to 0.12)."""

# Compiled code names the innermost frame outside of JAX: exclude ours as well.
hide_frames_of = _source_info.register_exclusion
hide_frames_of(OWN_DIR)
_traceback.register_exclusion(OWN_DIR)  # so that errors show only the user's lines


def is_plain() -> bool:
    """Whether ordinary Python calls JAX, outside of traces and transformations (0.6 to 0.12).

    `make_jaxpr` calls the jitted function in a separate axis environment, which is empty.
    """
    if _core.trace_state_clean():
        return True
    sizes = getattr(getattr(_core.trace_ctx, "axis_env", None), "axis_sizes", True)
    return isinstance(_core.trace_ctx.trace, _core.EvalTrace) and not sizes


def is_staging() -> bool:
    """Whether operations are recorded rather than computed at once (0.6 to 0.12)."""
    return not isinstance(_core.trace_ctx.trace, _core.EvalTrace)


def is_eager() -> bool:
    """Whether operations are computed at once, also in a vmap or derivative (0.6 to 0.12)."""
    trace = _core.trace_ctx.trace
    while hasattr(trace, "parent_trace") and not isinstance(trace, _pe.DynamicJaxprTrace):
        trace = trace.parent_trace
    return isinstance(trace, _core.EvalTrace)


def distributed() -> tuple[Any, int, int] | None:
    """The client of `jax.distributed`, the index of this process, and the number of processes.

    `None` in a program of one process. The client is `None` after `jax.distributed.shutdown`
    (0.6 to 0.12).
    """
    state = _distributed.global_state
    count = state.num_processes
    return (state.client, state.process_id, count) if count > 1 else None


def _is_shape(x: Any) -> bool:
    """Whether `x` is an aval: JAX traces the parts of a new `custom_vjp` with these (0.12)."""
    return isinstance(x, _core.AbstractValue)


@functools.cache
def each_jit_call(note: Callable[[JitCall, bool], None]) -> Patch:
    """While open, call `note(call, plain)` for each jitted call that C++ alone cannot serve.

    `plain` is whether the call is outside of vmaps and derivatives. The patched function is called
    for every such call, and for `lower` (0.6 to 0.12).
    """

    def replaced(original: Any) -> Callable[..., Any]:
        def infer_params(fun: Any, info: Any, args: Any, kwargs: Any) -> Any:
            params, flat = original(fun, info, args, kwargs)
            if is_eager() and not isinstance(params, _Served) and not any(map(_is_shape, flat)):
                jaxpr, donated = params.params["jaxpr"], params.params.get("donated_invars", ())
                note(JitCall(fun, info, args, kwargs, tuple(donated), jaxpr, flat), is_plain())
            return params, flat

        return infer_params

    return attribute(_pjit, _INFER, replaced)


@functools.cache
def each_trace(begin: Callable[[str], Any], end: Callable[[Any], None]) -> Patch:
    """While open, call `end(begin(source))` around each trace that ordinary Python starts.

    `begin` is called before the trace and `end` after it. `source` is `"name at file:line"` of the
    traced function. Every jaxpr is made in a new frame of a new `DynamicJaxprTrace`, by `to_jaxpr`
    of the frame, which takes the trace (0.6 to 0.12).
    """
    # Weak keys: the trace of a function that raises never ends, and its `id` may be reused.
    started: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def beginning(make: Any) -> Callable[..., Any]:
        def made(self: Any, debug_info: Any, *args: Any, **kwargs: Any) -> None:
            make(self, debug_info, *args, **kwargs)
            if debug_info is not None and is_plain():
                started[self] = begin(debug_info.func_src_info or "")

        return made

    def ending(finish: Any) -> Callable[..., Any]:
        def finished(self: Any, trace: Any, *args: Any, **kwargs: Any) -> Any:
            if trace in started:
                end(started.pop(trace))
            return finish(self, trace, *args, **kwargs)

        return finished

    return together(
        attribute(_pe.DynamicJaxprTrace, "__init__", beginning),
        attribute(_pe.JaxprStackFrame, "to_jaxpr", ending),
    )


_INFER = "_infer_params" if hasattr(_pjit, "_infer_params") else "_trace_for_jit"  # 0.9.0, 0.9.1

# The function that runs a call takes the inferred parameters from 0.9 on; before, it infers them.
_TAKES_INFERRED = hasattr(_pjit, "_run_python_pjit")
_RUN = "_run_python_pjit" if _TAKES_INFERRED else "_python_pjit_helper"
JIT_PATH = (_RUN, "_get_fastpath_data", *((_INFER,) if _TAKES_INFERRED else ()))
"""The functions that `stacks.JIT_CALL` calls for each jitted call."""

_JAXPR = 4  # the index of the jaxpr in the result of `_RUN`

Serve = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], tuple[Any] | None]


@functools.cache
def serving_jit_calls(serve: Serve) -> Patch:
    """While open, `serve` may make the calls that JAX's C++ cache alone cannot serve.

    `serve(fun, info, args, kwargs)` returns the outputs in a tuple of one, or `None` to leave
    the call to JAX. From 0.9 on, the function that infers a call's parameters is patched too,
    because it is slow (0.6 to 0.12).
    """
    fields = 8  # the length of JAX's result; only C++ uses what follows the jaxpr

    def calling(original: Any) -> Callable[..., Any]:
        def call(fun: Any, *rest: Any, **kwargs: Any) -> Any:
            nonlocal fields
            if _TAKES_INFERRED:
                served = fun.outs if isinstance(fun, _Served) else None
            else:
                served = serve(fun, rest[0], rest[1:], kwargs)
            if served is not None:
                return (*served, *[None] * (_JAXPR - 1), _NO_JAXPR, *[None] * (fields - _JAXPR - 1))
            found = original(fun, *rest, **kwargs)
            fields = len(found)
            return found

        return call

    def inferring(original: Any) -> Callable[..., Any]:
        def infer_params(fun: Any, info: Any, args: Any, kwargs: Any) -> Any:
            # Not for `lower` or `eval_shape`, which make no call.
            if calling_function() == stacks.JIT_CALL:
                served = serve(fun, info, args, kwargs)
                if served is not None:
                    return _Served(served), ()
            return original(fun, info, args, kwargs)

        return infer_params

    if not _TAKES_INFERRED:
        return attribute(_pjit, _RUN, calling)
    return together(attribute(_pjit, _RUN, calling), attribute(_pjit, _INFER, inferring))


@functools.cache
def each_jit_run(begin: Callable[[Any], Any], end: Callable[[Any, Any], None]) -> Patch:
    """While open, call `end(begin(jaxpr), jaxpr)` around the run of each call of `each_jit_call`.

    `begin` is called before the run and `end` after it. JAX may make its own jitted calls inside
    the run, for example to distribute arguments over devices. `begin` gets `None` up to 0.8; `end`
    gets `None` if the run fails (0.6 to 0.12).
    """

    def running(original: Any) -> Callable[..., Any]:
        def run(first: Any, *rest: Any, **kwargs: Any) -> Any:
            if isinstance(first, _Served):
                return original(first, *rest, **kwargs)
            jaxpr = first.params["jaxpr"] if _TAKES_INFERRED else None
            token, ran = begin(jaxpr), None
            try:
                found = original(first, *rest, **kwargs)
                ran = jaxpr if _TAKES_INFERRED else found[_JAXPR]
                return found
            finally:
                end(token, ran)

        return run

    return attribute(_pjit, _RUN, running)


@dataclass(frozen=True, slots=True)
class _Served:
    outs: tuple[Any]


_NO_JAXPR = types.SimpleNamespace(effects=(), consts=())


def second_jit(call: JitCall) -> Any:
    """The function of `call`, jitted again with its own C++ cache, not compiled (0.6 to 0.12)."""
    _state.cache = type(_pjit._cpp_pjit_cache_fun_only)(capacity=64)
    try:
        with _OWN_CACHE:
            return _pjit._cpp_pjit(call.fun, call.info)
    finally:
        _state.cache = None


_state = threading.local()


def _with_own_cache(original: Any) -> Callable[..., Any]:
    def get_cpp_global_cache(*args: Any, **kwargs: Any) -> Any:
        own = getattr(_state, "cache", None)
        return original(*args, **kwargs) if own is None else own

    return get_cpp_global_cache


_OWN_CACHE = attribute(_pjit, "_get_cpp_global_cache", _with_own_cache)


def generation() -> object:
    """An object that is replaced when JAX drops its traces (`clear_caches`, `f.clear_cache`).

    It is an entry of the trace cache itself (0.6 to 0.12). 0.9.0 does not have this cache, so each
    call returns a new object.
    """
    cached = getattr(_pjit, "_infer_params_cached", None)
    return object() if cached is None else cached(generation, None, None, (), None)


@functools.cache
def slow_path_where(wanted: Callable[[], bool]) -> Patch:
    """While open, C++ does not cache a call that was just made if `wanted()` (0.6 to 0.12)."""

    def replaced(original: Any) -> Callable[..., Any]:
        def fastpath_data(*args: Any, **kwargs: Any) -> Any:
            is_slow = _core.trace_state_clean() and wanted()
            # Without an executable there is nothing for C++ to cache.
            return None if is_slow or args[0] is None else original(*args, **kwargs)

        return fastpath_data

    return attribute(_pjit, "_get_fastpath_data", replaced)


def forget_fast_paths() -> None:
    """Clear JAX's C++ caches of jitted calls, so that the next call of each function is noted.

    Nothing is traced or compiled again. `jax.clear_caches` clears these two caches in the same way
    (0.6 to 0.12).
    """
    _pjit._cpp_pjit_cache_fun_only.clear()
    _pjit._cpp_pjit_cache_explicit_attributes.clear()


@functools.cache
def each_eager_use(note: Callable[[str, Any, bool], None]) -> Patch:
    """While open, call `note(name, key, plain)` for each eager call of a `jax.random` function.

    `plain` is whether the call is outside of vmaps and derivatives. Each of these functions
    calls `_check_prng_key` first (0.6 to 0.12).
    """

    def replaced(original: Any) -> Callable[..., Any]:
        def check(name: str, key: Any, **options: Any) -> Any:
            with unseen:
                checked = original(name, key, **options)
                if is_eager():
                    note(name, key, is_plain())
                return checked

        return check

    return attribute(_where(EAGER_CHECK), EAGER_CHECK, replaced)


@functools.cache
def each_eager_clone(note: Callable[[Any], None]) -> Patch:
    """While open, call `note(key)` with the result of each eager `jax.random.clone`.

    `jax.random.clone` binds `random_clone_p`, whose result is another object than its operand
    (0.6 to 0.12).
    """

    def replaced(original: Any) -> Callable[..., Any]:
        def bind(*args: Any, **params: Any) -> Any:
            with unseen:
                cloned = original(*args, **params)
                if is_eager() and is_plain():
                    note(cloned)
                return cloned

        return bind

    return attribute(getattr(_where(CLONE), CLONE), "bind", replaced)


CLONE = "random_clone_p"


def _where(name: str) -> Any:
    """The module of `jax.random` that has a private name: a package since 0.10."""
    return _random if hasattr(_random, name) else _random.core


EAGER_CHECK = "_check_prng_key"
"""The function that each `jax.random` function with a key argument calls first."""
