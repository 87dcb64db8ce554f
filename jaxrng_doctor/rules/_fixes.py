"""Suggested fixes, as code that uses the names in the user's source where possible."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from jaxrng_doctor._util import source
from jaxrng_doctor.model.facts import DrawFacts, ScopeFacts, VmapSource
from jaxrng_doctor.model.findings import Help, Place
from jaxrng_doctor.rules import _framework_fixes


@dataclass(frozen=True, slots=True)
class _Written:
    """A vmap and its call as text: `vmap`, the mapped function, and the call's arguments."""

    vmap: str
    function: str
    arguments: tuple[str, ...]


def own_keys(draw: DrawFacts, facts: ScopeFacts) -> tuple[Help, ...]:
    """For a key that is shared under a vmap: split it and map over the keys, or draw outside."""
    vmap, cause = facts.vmap, facts.cause
    if vmap is None or cause is None or facts.scope.size is None:
        return ()
    size = facts.scope.size
    batched = _key_for_each_element(facts)
    if batched:
        return batched
    if facts.via:
        by = _framework_fixes.name(facts)
        return _framework_fixes.fix(facts) or (
            Help(
                f"give each example its own key: {by} makes the vmap, "
                "so pass it an array of keys, one per example",
                f"keys = jax.random.split(key, {size})",
            ),
        )
    written = _written(facts.scope.place, vmap)
    names = _arguments(vmap)
    if cause.kind == "unmapped":
        name = cause.name.split("[")[0].split(".")[0]
        index = names.index(name) if name in names else len(names) - 1
        key = written.arguments[index]
        axes = [str(_axis(vmap, n)) for n in names]
        arguments = list(written.arguments)
        axes[index], arguments[index] = "0", "keys"
        rest = ""
    else:
        if cause.kind == "seed":
            key = cause.key.replace("key(", "jax.random.key(", 1)
        else:
            key = cause.key if cause.key.isidentifier() else "key"
        axes = [*(str(_axis(vmap, n)) for n in names), "0"]
        arguments = [*written.arguments, "keys"]
        rest = f"  # {_called(written)} takes the key as an argument"
    if key == "keys":
        key = "key"
    head = f"{written.vmap}({written.function}, in_axes="
    call = f"{head}({', '.join(axes)}))({', '.join(arguments)}){rest}"
    outside = f"noise = {draw.sampler}({key}, {(size, *draw.shape)})"
    arguments[arguments.index("keys")] = "noise"
    batch = f"{head}({', '.join(axes)}))({', '.join(arguments)})"
    ways = [
        Help(
            "give each example its own key: split, and map over the keys; "
            "right if the examples may draw independently",
            f"keys = jax.random.split({key}, {size})\n{call}",
        )
    ]
    if _takes_a_shape(draw.sampler) and cause.kind == "unmapped":
        ways.append(
            Help(
                "or draw once for the whole batch, outside the vmap; right if every example "
                "needs noise of the same shape",
                f"{outside}\n{batch}  # {_called(written)} uses the noise it is given",
            )
        )
    return tuple(ways)


def _called(written: _Written) -> str:
    return written.function if written.function.isidentifier() else "the function"


def distinct_keys(facts: ScopeFacts) -> tuple[Help, ...]:
    size = facts.scope.size
    return (
        Help(
            "make the keys with split, which never returns equal keys",
            f"keys = jax.random.split(key, {size if size is not None else 'n'})",
        ),
        Help(
            "or fold in a number that differs for every example, such as its index",
            "keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))"
            f"(key, jnp.arange({size if size is not None else 'n'}))",
        ),
    )


def key_for_each_step(facts: ScopeFacts) -> tuple[Help, ...]:
    known = _framework_fixes.fix(facts)
    if known:
        return known
    batched = _key_for_each_element(facts)
    if batched:
        return batched
    if facts.scope.size is None:
        return (
            Help(
                "carry the key, and split it in every step",
                "key, subkey = jax.random.split(key)  # draw from subkey, carry key",
            ),
        )
    return (
        Help(
            "give each step its own key: split, and scan over the keys",
            f"keys = jax.random.split(key, {facts.scope.size})  # pass as xs, draw from each",
        ),
        Help(
            "or fold the step number into the key",
            "step_key = jax.random.fold_in(key, i)",
        ),
    )


def _key_for_each_element(facts: ScopeFacts) -> tuple[Help, ...]:
    """For a `lax.map` with a `batch_size`, whose scopes have the sizes of batches; else `()`."""
    place = facts.scope.place
    call = None if place is None else source.call_at(place)
    if place is None or call is None or len(call.args) != 2:
        return ()
    given = {k.arg: source.segment(place.path, k.value) for k in call.keywords}
    name, xs = (source.segment(place.path, e) for e in (call.func, call.args[1]))
    if "batch_size" not in given or not name.endswith("map"):
        return ()
    n = f"{xs}.shape[0]" if xs.isidentifier() else "n"
    return (
        Help(
            "give each element its own key: split, and map over the keys too",
            f"keys = jax.random.split(key, {n})\n"
            f"{name}(lambda x_and_key: fn(*x_and_key), ({xs}, keys), "
            f"batch_size={given['batch_size']})  # fn takes the key as an argument",
        ),
    )


def _takes_a_shape(sampler: str) -> bool:
    """Whether the second argument of a sampler is the shape that it draws."""
    return sampler.removeprefix("jax.random.") in {
        "bits",
        "cauchy",
        "exponential",
        "gumbel",
        "laplace",
        "logistic",
        "maxwell",
        "normal",
        "rademacher",
        "uniform",
    }


def _arguments(vmap: VmapSource) -> list[str]:
    """The mapped function's arguments, each once: `params['w']` is part of `params`."""
    return list(dict.fromkeys(_root(name) for name, _ in vmap.in_axes))


def _root(name: str) -> str:
    return name.split("[")[0].split(".")[0] or "x"


def _axis(vmap: VmapSource, root: str) -> int | None:
    """The axis of an argument's first leaf."""
    return next(axis for name, axis in vmap.in_axes if _root(name) == root)


def _written(place: Place | None, vmap: VmapSource) -> _Written:
    """The vmap as written in the source, or a guess from the names of function and arguments."""
    names = _arguments(vmap)
    function = vmap.function if vmap.function.isidentifier() else "fn"
    guess = _Written("jax.vmap", function, tuple(names))
    if place is None:
        return guess
    call = source.call_of_result(place) or source.call_at(place)
    if call is None:
        return guess
    if isinstance(call.func, ast.Call):
        return _of(place.path, call.func, tuple(call.args), guess)
    return _of(place.path, call, (), guess)  # mapped here, called elsewhere


def _of(path: str, vmap: ast.Call, arguments: tuple[ast.expr, ...], guess: _Written) -> _Written:
    function = source.segment(path, vmap.args[0]) if vmap.args else guess.function
    texts = tuple(source.segment(path, a) for a in arguments)
    name = source.segment(path, vmap.func)
    if not name.endswith("vmap") or "\n" in function + name + "".join(texts):
        return guess
    return _Written(
        name, function, texts if len(texts) == len(guess.arguments) else guess.arguments
    )
