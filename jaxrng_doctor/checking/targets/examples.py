"""Examples declared on a function: in come specs, out comes the same function, with a note on it.

User modules import this, so it imports no JAX.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jaxrng_doctor.model.findings import Expect
from jaxrng_doctor.model.target import AS_IS, EXPECTATIONS, NO_OVERRIDES, Overrides

ATTRIBUTE = "__jaxrng_examples__"

Fn = TypeVar("Fn", bound=Callable[..., Any])


@dataclass(frozen=True)
class Example:
    """Some arguments of a function, by name, and how to call it with them.

    A `str` in `args` is a spec, such as `"f32[32,10]"`; anything else is the
    value itself. `expect=None` leaves the question open. `declared_on` and
    `module` are the function and the name of the module that declare it.
    """

    args: Mapping[str, Any] = field(default_factory=dict)
    in_axes: Any = AS_IS
    axis_size: int | None = None
    name: str | None = None
    expect: Expect | None = None
    static: frozenset[str] = frozenset()
    declared_on: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    module: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ConfiguredTarget:
    """One `[[tool.jaxrng-doctor.targets]]`: a target, the arguments to call it with, its settings.

    What `overrides` does not say, the settings of all targets say.
    """

    target: str
    example: Example
    overrides: Overrides = NO_OVERRIDES


def example(
    args: Mapping[str, Any] | None = None,
    /,
    *,
    in_axes: Any = AS_IS,
    axis_size: int | None = None,
    name: str | None = None,
    expect: Expect | None = None,
    static: str | Collection[str] = (),
    **more_args: Any,
) -> Callable[[Fn], Fn]:
    """Declare arguments that `jaxrng-doctor check` calls the decorated function with.

    Several may be declared on one function, which stays the very function it
    was. Each argument is a spec, such as `x="f32[32,10]"` or `key="key"`, or the
    value itself; parameters whose names are taken by the options of this
    decorator go in the mapping. `in_axes` and `axis_size` are those of
    `jax.vmap`, and left out they mean: call the function as it is. `expect="same"` says that
    sharing is intended; left out, the project's settings say, which say `"different"` in turn.

    Raises `TypeError` where the function does not take attributes.
    """
    if expect not in (None, *EXPECTATIONS):
        raise TypeError(f"expect is 'different' or 'same', not {expect!r}")
    caller = sys._getframe(1).f_globals.get("__name__")
    names = frozenset([static] if isinstance(static, str) else static)

    def declare(fn: Fn) -> Fn:
        declared = Example(
            {**(args or {}), **more_args}, in_axes, axis_size, name, expect, names, fn, caller
        )
        try:
            # Decorators run from the bottom up, and examples read from the top down.
            setattr(fn, ATTRIBUTE, (declared, *declared_on(fn)))
        except (AttributeError, TypeError) as error:
            raise TypeError(
                f"an example cannot be declared on a {type(fn).__name__}, "
                "which takes no attributes: declare it on a function that calls it"
            ) from error
        return fn

    return declare


def declared_on(fn: Any) -> tuple[Example, ...]:
    """The examples that `fn` carries, its own or those that a wrapper copied from another."""
    found = getattr(fn, ATTRIBUTE, ())
    return found if isinstance(found, tuple) else ()
