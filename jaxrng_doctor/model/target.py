"""Targets: functions to check, with their arguments, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, Final

from jaxrng_doctor.model.findings import Expect, FailOn


class _AsIs(Enum):
    """The type of `AS_IS`; an enum, so that it keeps its identity when pickled."""

    AS_IS = "as is"

    def __repr__(self) -> str:
        return "AS_IS"


AS_IS: Final = _AsIs.AS_IS
"""`in_axes` was not given: call the target without vmap. `None` is a valid `in_axes`."""

EXPECTATIONS: tuple[Expect, ...] = ("different", "same")


@dataclass(frozen=True)
class Overrides:
    """Settings overridden by flags or by one target's configuration; `None` means not overridden.

    `select` and `ignore` are codes or code prefixes, `timeout` is in seconds.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    fail_on: FailOn | None = None
    timeout: float | None = None
    no_run: bool | None = None
    strict: bool | None = None

    def over(self, others: Overrides) -> Overrides:
        """Both combined; these take precedence over `others`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(others, **{name: v for name, v in values.items() if v is not None})


NO_OVERRIDES = Overrides()


@dataclass(frozen=True)
class Target:
    """One function, the arguments to call it with, and whether to call it under `jax.vmap`.

    `args` has the positional parameters, including those given by name, because `in_axes` is
    positional; `kwargs` has the keyword-only ones. Both are pytrees of JAX or NumPy arrays, key
    arrays and plain Python values. Only array leaves are traced, and no parameter in `static`.

    With `in_axes`, every array in `kwargs` is mapped over its axis 0, as `jax.vmap` does; plain
    Python values are not mapped.
    """

    name: str
    fn: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    in_axes: Any = AS_IS
    axis_size: int | None = None
    expect: Expect = "different"
    static: frozenset[str] = frozenset()
    overrides: Overrides = NO_OVERRIDES
