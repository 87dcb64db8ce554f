"""Assumptions about JAX's private API, each with a tiny program that tests it.

The programs compile nothing, and run nothing on arrays of the checked program.
`check_assumptions.py` tries them.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import jax
import numpy as np
from jax import lax
from jax._src import api as _api
from jax._src import dispatch as _dispatch
from jax._src import pjit as _pjit
from jax.extend.core import primitives as jex_primitives

from jaxrng_doctor.jax_internals.equations import AnyJaxpr

try:
    from jax._src import pmap as _pmap
except ImportError:  # up to 0.7
    _pmap = None

from jaxrng_doctor.jax_internals import (
    call_hooks,
    equations,
    files,
    hidden,
    jaxprs,
    primitives,
    stacks,
    vmaps,
)
from jaxrng_doctor.jax_internals.patches import attribute, calling_function, together


@dataclass(frozen=True)
class Assumption:
    """Something that JAX does not guarantee. `lost` describes what is missed if it does not hold.

    `holds` tries it; an exception counts as `False`. `watch`: only watching a program needs it.
    """

    name: str
    lost: str
    holds: Callable[[], bool]
    watch: bool = False


# -- the programs ---------------------------------------------------------------------------

_X = jax.ShapeDtypeStruct((3,), np.dtype("float32"))
_ONE = jax.ShapeDtypeStruct((), np.dtype("float32"))
_WORDS = jax.ShapeDtypeStruct((2,), np.dtype("uint32"))


def _draws(words: Any) -> Any:
    key = jax.random.wrap_key_data(words, impl="threefry2x32")
    first, second = jax.random.split(key)
    return jax.random.normal(first), jax.random.bits(jax.random.fold_in(second, 1))


def _loops(x: Any) -> Any:
    x, _ = lax.scan(lambda c, _: (c * x, None), x, None, length=2)
    x = lax.while_loop(lambda c: c.sum() < 9, lambda c: c + 1, x)
    return lax.cond(x.sum() < 1, lambda c: c, lambda c: -c, x)


def _checkpointed(x: Any) -> Any:
    return jax.checkpoint(lambda y: lax.sin(lax.sin(y)))(x)


@functools.cache
def _trace(program: Callable[..., Any], *avals: Any) -> Any:
    return jax.make_jaxpr(program)(*avals)


def forget_traces() -> None:
    """Forget the traces, so that the programs are traced again."""
    _trace.cache_clear()


def _eqns(jaxpr: AnyJaxpr) -> Iterator[Any]:
    """All equations, at any depth."""
    for eqn in equations.open_jaxpr(jaxpr)[0].eqns:
        yield eqn
        for body in equations.subjaxprs(eqn):
            yield from _eqns(body)


def _first(jaxpr: AnyJaxpr, name: str) -> Any:
    return next(eqn for eqn in _eqns(jaxpr) if eqn.primitive.name == name)


def _nested(code: CodeType, name: str) -> CodeType | None:
    """The code of the function `name` that is defined inside another one, if there is one."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return next(filter(None, (c if c.co_name == name else _nested(c, name) for c in inner)), None)


# -- the tests --------------------------------------------------------------------------------


def _vmaps() -> bool:
    taken: list[Any] = []

    def take(call: Any, ordinary: Callable[[], list[Any]]) -> list[Any]:
        taken.append(call)
        return ordinary()

    with vmaps.intercepting_vmap.__wrapped__(take):
        jax.make_jaxpr(jax.vmap(lax.neg))(_X)
    (call,) = taken
    return tuple(call.in_axes) == (0,) and call.axis_data.size == 3


def _jacobians() -> bool:
    # Both are called through wrappers, so look for their code on the stack.
    stack: list[tuple[str, str]] = []

    def seeing(x: Any) -> Any:
        stack.extend((f.f_code.co_filename, f.f_code.co_name) for f in _frames())
        return x * x

    jax.make_jaxpr(jax.jacfwd(seeing))(_ONE)
    of_api = [name for file, name in stack if stacks.is_api_file(file)]
    return {stacks.VMAP_CALL, stacks.JACOBIAN_CALL} <= set(of_api)


def _frames() -> Iterator[Any]:
    frame = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back  # type: ignore[assignment]


def _callers(names: dict[Any, int], program: Callable[..., Any], *avals: Any) -> list[str]:
    """The names of the functions that bind these primitives.

    `names` has the number of frames that each function is above the caller of `bind`.
    """
    seen: list[str] = []

    def noting(above: int) -> Callable[[Any], Callable[..., Any]]:
        def replaced(original: Any) -> Callable[..., Any]:
            def bind(*args: Any, **params: Any) -> Any:
                seen.append(calling_function(above))
                return original(*args, **params)

            return bind

        return replaced

    with together(*(attribute(p, "bind", noting(above)) for p, above in names.items())):
        jax.make_jaxpr(program)(*avals)
    return seen


def _loop_callers() -> bool:
    loops = {jex_primitives.scan_p: 0, jex_primitives.while_p: 0}
    return sorted(_callers(loops, _loops, _X)) == sorted(stacks.LOOP_CALLS)


def _loop_functions() -> bool:
    codes = [(name, inspect.unwrap(getattr(lax, name)).__code__) for name in stacks.LOOPS]
    return all(c.co_name == name and stacks.is_loops_file(c.co_filename) for name, c in codes)


def _pmaps() -> bool:
    # Read the code of a pmap, because a call would make JAX look for devices before the program.
    if _pmap is None:
        return True  # in this JAX, a pmap is a primitive
    cached: Any = _pmap._cached_shard_map
    held = (cached, *(cell.cell_contents for cell in cached.__closure__ or ()))
    codes = [made.__code__ for made in held if isinstance(made, FunctionType)]
    own = [code for code in codes if code.co_filename == _pmap.__file__]
    given = stacks.PMAP_FUNCTIONS
    return any(name in code.co_names or _nested(code, name) for code in own for name in given)


def _loop_params() -> bool:
    jaxpr = _trace(_loops, _X)
    scan, loop, cond = (_first(jaxpr, name) for name in ("scan", "while", "cond"))
    is_scan = equations.scan_counts(scan) == (1, 1) and scan.params["length"] == 2
    counts = loop.params["cond_nconsts"], loop.params["body_nconsts"]
    bodies = loop.params["cond_jaxpr"], loop.params["body_jaxpr"], *cond.params["branches"]
    return is_scan and counts == (0, 0) and all(map(equations.is_jaxpr, bodies))


def _checkpoints() -> bool:
    callers = hidden.CHECKPOINT_CALLERS
    seen = _callers({p: above for p, (_, above) in callers.items()}, _checkpointed, _X)
    return seen in [[name] for name, _ in callers.values()]


def _recomputations() -> bool:
    jaxpr = _trace(jax.grad(lambda x: _checkpointed(x).sum()), _X)
    eqns = list(_eqns(jaxpr))
    again = [eqn for eqn in eqns if hidden.RECOMPUTED in equations.scope_names([eqn])]
    return bool(again) and any(map(equations.is_transposed, eqns))


def _name_stacks() -> bool:
    (eqn,) = _trace(jax.vmap(jax.vmap(lax.neg)), jax.ShapeDtypeStruct((2, 3), _X.dtype)).eqns
    return equations.vmaps_on_name_stack(eqn) == 2


def _places() -> bool:
    jaxpr = _trace(_checkpointed, _X)
    codes = [frame.code for eqn in jaxpr.eqns for frame in equations.frames(eqn)]
    name, file = equations.function_of(jaxpr)
    own = _checkpointed.__code__
    return own in codes and (name, file) == (own.co_name, own.co_filename)


def _samplers() -> bool:
    jaxpr = _trace(_draws, _WORDS)
    jits = [eqn for eqn in jaxpr.eqns if eqn.primitive.name in primitives.JIT]
    bodies = [equations.function_of(eqn.params["jaxpr"]) for eqn in jits]
    return any(name == "_normal" and files.is_sampler_file(path) for name, path in bodies)


def _key_primitives() -> bool:
    names = {eqn.primitive.name for eqn in _eqns(_trace(_draws, _WORDS))}
    wanted = {"random_wrap", primitives.SPLIT, primitives.FOLD_IN, "random_bits"}
    return wanted <= names and not names.isdisjoint(primitives.DRAWING)


def _keys_split_stay() -> bool:
    def program(words: Any) -> int:
        jax.random.split(jax.random.wrap_key_data(words, impl="threefry2x32"))
        return 1

    jaxpr = _trace(program, _WORDS)
    left, _ = jaxprs.without_dead_code(jaxpr, [True])
    return any(eqn.primitive.name == primitives.SPLIT for eqn in left.eqns)


def _callbacks() -> bool:
    def program(x: Any) -> Any:
        return jax.pure_callback(lambda y: y, _X, x)

    return any(eqn.primitive.name in primitives.OUTSIDE for eqn in _eqns(_trace(program, _X)))


def _rules() -> bool:
    custom_vjp: Any = jax.custom_vjp  # without annotations
    function = custom_vjp(lambda x: x)
    rules = {"fwd": lambda x: (x, None), "bwd": lambda _, ct: (ct,)}
    function.defvjp(*rules.values())
    jaxpr = _trace(function, _X)
    held = {name: vars(function).get(name) for name in rules}
    return held == rules and jaxpr.eqns[0].primitive.name in (
        *primitives.WITH_RULES,
        primitives.HI_CALL,
    )


def _refs() -> bool:
    new_ref = getattr(jax, "new_ref", None)
    if new_ref is None:
        return True  # this JAX has no refs, or under another name

    def program(x: Any) -> Any:
        ref = new_ref(x)
        ref[...] = ref[...] + 1
        return ref[...]

    jaxpr = _trace(program, _X)
    pure, _ = jaxprs.discharged(jaxpr)
    return jaxprs.has_state(equations.open_jaxpr(jaxpr)[0]) and not jaxprs.has_state(pure)


def _state() -> bool:
    inside: list[tuple[bool, bool, bool]] = []

    def program(x: Any) -> Any:
        inside.append((call_hooks.is_plain(), call_hooks.is_staging(), call_hooks.is_eager()))
        return x

    jax.make_jaxpr(program)(_X)
    outside = call_hooks.is_plain(), call_hooks.is_staging(), call_hooks.is_eager()
    return inside == [(False, True, False)] and outside == (True, False, True)


def _tracers() -> bool:
    shapes: list[Any] = []
    x = np.arange(3.0, dtype="float32")

    def mapped(y: Any) -> Any:
        shapes.append((np.shape(y.val), y.batch_dim, hasattr(y._trace, "tag")))
        raise _Seen  # before JAX converts it to an array

    def derived(y: Any) -> Any:
        shapes.append(np.shape(y.primal))
        raise _Seen

    with contextlib.suppress(_Seen):
        jax.vmap(mapped)(x)
    with contextlib.suppress(_Seen):
        jax.jvp(derived, (x,), (x,))
    return shapes == [((3,), 0, True), (3,)]


class _Seen(Exception):
    """Raised to stop a function that has run far enough."""


def _traces() -> bool:
    seen: list[str] = []

    def traced(x: Any) -> Any:
        return x

    def begin(source: str) -> str:
        return source

    with call_hooks.each_trace.__wrapped__(begin, seen.append):
        jax.jit(traced).trace(_X)
    return any(source.startswith("traced at ") for source in seen)


def _jit_calls() -> bool:
    seen: list[Any] = []

    def note(call: Any, plain: bool) -> None:
        seen.append((call, plain))

    with call_hooks.each_jit_call.__wrapped__(note):
        jax.jit(_checkpointed).trace(_X)
    return bool(seen) and seen[-1][1] and equations.is_jaxpr(seen[-1][0].jaxpr)


def _jit_path() -> bool:
    code = _nested(_pjit._cpp_pjit.__code__, stacks.JIT_CALL)
    return code is not None and set(call_hooks.JIT_PATH) <= set(code.co_names)


def _shortcuts() -> bool:
    names = set(_pjit._cpp_pjit.__code__.co_names)
    caches = _pjit._cpp_pjit_cache_fun_only, _pjit._cpp_pjit_cache_explicit_attributes
    return "_get_cpp_global_cache" in names and all(hasattr(each, "clear") for each in caches)


def _eager_uses() -> bool:
    asked = [jax.random.split, jax.random.fold_in, jax.random.normal, jax.random.bits]
    clones = {"bind", call_hooks.CLONE} <= set(jax.random.clone.__code__.co_names)
    return clones and all(call_hooks.EAGER_CHECK in each.__code__.co_names for each in asked)


def _eager_loops() -> bool:
    impls = [p.impl for p in (jex_primitives.while_p, jex_primitives.cond_p)]
    made = {getattr(impl, "func", impl) for impl in impls}
    return made == {_dispatch.apply_primitive} and stacks.is_dispatch_file(
        os.path.abspath(_dispatch.__file__)
    )


def _shapes() -> bool:
    return inspect.unwrap(_api.eval_shape).__code__.co_name in stacks.SHAPE_CALLS


def _stages() -> bool:
    stages = jax.stages
    owners = (stages.Traced, "lower"), (stages.Lowered, "compile"), (stages.Compiled, "__call__")
    return all(callable(getattr(owner, name, None)) for owner, name in owners)


ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption("vmap", "a vmap cannot be kept visible", _vmaps),
    Assumption(
        "jacobian", "the vmaps of a Jacobian cannot be distinguished from others", _jacobians
    ),
    Assumption("loop callers", "loops cannot be kept whole in derivatives", _loop_callers),
    Assumption("loop functions", "loops cannot be named", _loop_functions),
    Assumption("loop parameters", "loops and branches cannot be followed", _loop_params),
    Assumption("pmap", "a pmap cannot be distinguished from a shard_map", _pmaps),
    Assumption("checkpoint", "checkpoints cannot be distinguished", _checkpoints),
    Assumption(
        "recomputation", "what a backward pass draws again counts as a draw", _recomputations
    ),
    Assumption("name stack", "vmaps that were not kept go unnoticed", _name_stacks),
    Assumption("places", "lines of source cannot be found", _places),
    Assumption("samplers", "the functions of jax.random cannot be recognized", _samplers),
    Assumption("key primitives", "keys and draws cannot be followed", _key_primitives),
    Assumption("splits", "splits of which nothing is used go unnoticed", _keys_split_stay),
    Assumption("callbacks", "keys that go into callbacks go unnoticed", _callbacks),
    Assumption("derivative rules", "draws in custom derivative rules cannot be placed", _rules),
    Assumption("refs", "keys in mutable refs cannot be followed", _refs),
    Assumption("state", "it is not known whether JAX traces or computes", _state),
    Assumption(
        "tracers", "keys in eager vmaps and derivatives cannot be read", _tracers, watch=True
    ),
    Assumption("traces", "draws from NumPy while tracing go unnoticed", _traces, watch=True),
    Assumption("jitted calls", "calls of jitted functions go unnoticed", _jit_calls, watch=True),
    Assumption(
        "jit path", "repeated calls of jitted functions go unnoticed", _jit_path, watch=True
    ),
    Assumption("shortcuts", "calls cannot be served fast while watched", _shortcuts, watch=True),
    Assumption(
        "eager uses", "draws outside of jitted functions go unnoticed", _eager_uses, watch=True
    ),
    Assumption("eager loops", "eager loops and branches go unnoticed", _eager_loops, watch=True),
    Assumption("shapes", "asking for shapes counts as drawing", _shapes, watch=True),
    Assumption("stages", "calls of what is compiled ahead go unnoticed", _stages, watch=True),
)
