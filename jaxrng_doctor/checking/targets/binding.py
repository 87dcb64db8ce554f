"""Binds given values to the parameters of a function.

Parameters without a given value use their default value, annotation or name, in this order, or
are missing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from jaxrng_doctor._util.suggest import nearest
from jaxrng_doctor.checking.targets.annotations import spec_of
from jaxrng_doctor.checking.targets.arg_values import value
from jaxrng_doctor.model.errors import UsageError

KEY_NAMES = frozenset({"key", "rng", "rng_key", "prng_key", "subkey"})
"""Parameters with these names are scalar keys by default."""

Given = Mapping[str, tuple[Any, Path]]
"""Specs or values by parameter name, with the folder that file names are relative to."""


@dataclass(frozen=True)
class Bound:
    """Arguments by name, in call order, and the parameters without a value.

    Missing positional arguments are `Parameter.empty`.
    """

    positional: list[tuple[str, Any]]
    keyword: dict[str, Any]
    missing: list[Parameter]


def bind(
    fn: Callable[..., Any], given: Given, static: Collection[str], *, seed: int, in_axes: Any
) -> Bound:
    """Bind the given values to the parameters of `fn`.

    Trailing default values are not passed explicitly, unless `in_axes` has entries for them.
    Raises `UsageError` for unknown names.
    """
    parameters = _signature(fn).parameters
    _check_names(given, static, parameters)
    known: dict[str, Any] = {}
    missing: list[Parameter] = []
    for position, (name, parameter) in enumerate(parameters.items()):
        spec, folder = given.get(name) or (_default_spec(parameter), Path())
        if spec is not Parameter.empty:
            known[name] = value(spec, name, seed=seed, position=position, folder=folder)
        elif parameter.kind not in _VARIADIC and parameter.default is Parameter.empty:
            missing.append(parameter)
    positional = [p for p in parameters.values() if p.kind in _POSITIONAL]
    rest = _rest(known, parameters)
    wanted = len(in_axes) if isinstance(in_axes, tuple) else 0
    last = max(
        [n for n, p in enumerate(positional, 1) if p.name in known or p in missing or rest],
        default=0,
    )
    passed = positional[: max(last, wanted)]
    keyword = {p.name: known[p.name] for p in parameters.values() if _is_keyword(p, known)}
    for position, name in enumerate((n for n in given if n not in parameters), len(parameters)):
        spec, folder = given[name]
        keyword[name] = value(spec, name, seed=seed, position=position, folder=folder)
    return Bound(
        [(p.name, known.get(p.name, p.default)) for p in passed] + rest,
        keyword,
        missing,
    )


_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def _signature(fn: Callable[..., Any]) -> Signature:
    try:
        return inspect.signature(fn, eval_str=True)
    except Exception:
        # An annotation may be a string with names that only a type checker imports.
        try:
            return inspect.signature(fn)
        except (TypeError, ValueError) as error:
            raise UsageError(
                "cannot read the function's signature", "check a wrapper function instead"
            ) from error


def _check_names(
    given: Given, static: Collection[str], parameters: Mapping[str, Parameter]
) -> None:
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    for name in (*given, *sorted(static)):
        if name not in parameters:
            guess = nearest(name, parameters)
            listed = (
                f"the parameters are {', '.join(parameters)}"
                if parameters
                else "the function has no parameters"
            )
            raise UsageError(
                f"unknown parameter {name!r}",
                f"did you mean {guess[0]}?\n{listed}" if guess else listed,
            )


def _default_spec(parameter: Parameter) -> Any:
    """The spec of a parameter without a given value, `Parameter.empty` if there is none."""
    if parameter.kind in _VARIADIC or parameter.default is not Parameter.empty:
        return Parameter.empty
    spec = spec_of(parameter.annotation)
    if spec is None and parameter.name in KEY_NAMES:
        return "key"
    return Parameter.empty if spec is None else spec


def _rest(known: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> list[tuple[str, Any]]:
    """The arguments for `*args`."""
    for name, parameter in parameters.items():
        if parameter.kind is Parameter.VAR_POSITIONAL and name in known:
            if not isinstance(known[name], tuple | list):
                raise UsageError(
                    f"*{name} needs a tuple or list, not {known[name]!r}",
                    f"use brackets: --arg '{name}=(f32[32,10], key)'",
                )
            return [(f"{name}[{n}]", item) for n, item in enumerate(known[name])]
    return []


def _is_keyword(parameter: Parameter, known: Mapping[str, Any]) -> bool:
    return parameter.kind is Parameter.KEYWORD_ONLY and parameter.name in known
