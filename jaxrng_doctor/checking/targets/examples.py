"""Examples declared on functions with `@jaxrng_doctor.example`.

User modules import this, so it must not import JAX.
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
    """Arguments of a function, by name, and how to call it with them.

    A `str` in `args` is a spec, such as `"f32[32,10]"`; anything else is the value itself.
    `expect=None` means that the project's setting is used. `declared_on` and `module` are the
    function and the module name of the declaration.
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

    Settings missing in `overrides` are the project's.
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
    """Declare arguments with which `jaxrng-doctor check` calls the decorated function.

    Returns the function itself, unchanged; it may have several examples. Each argument is a spec,
    such as `x="f32[32,10]"` or `key="key"`, or the value itself. Arguments whose names clash with
    this decorator's options go in the mapping. With `in_axes` and `axis_size`, as in `jax.vmap`,
    the function is checked under that vmap; without, it is called directly. `expect="same"`
    declares sharing as intended; the default is the project's setting, by default `"different"`.

    Raises `TypeError` if the function does not allow attributes.
    """
    if expect not in (None, *EXPECTATIONS):
        raise TypeError(f"expect must be 'different' or 'same', not {expect!r}")
    caller = sys._getframe(1).f_globals.get("__name__")
    names = frozenset([static] if isinstance(static, str) else static)

    def declare(fn: Fn) -> Fn:
        declared = Example(
            {**(args or {}), **more_args}, in_axes, axis_size, name, expect, names, fn, caller
        )
        try:
            # Decorators run bottom up, but examples are listed top down.
            setattr(fn, ATTRIBUTE, (declared, *declared_on(fn)))
        except (AttributeError, TypeError) as error:
            raise TypeError(
                f"cannot declare an example on a {type(fn).__name__}, which does not allow "
                "attributes: declare it on a function that calls it"
            ) from error
        return fn

    return declare


def declared_on(fn: Any) -> tuple[Example, ...]:
    """The examples in the attributes of `fn`, which a wrapper may have copied from another one."""
    found = getattr(fn, ATTRIBUTE, ())
    return found if isinstance(found, tuple) else ()
