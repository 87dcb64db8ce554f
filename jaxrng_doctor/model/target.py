"""What is checked: a function with its arguments, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, Final

from jaxrng_doctor.model.findings import Expect, FailOn


class _AsIs(Enum):
    """The type of `AS_IS`, an enum so that it prints and pickles as itself."""

    AS_IS = "as is"

    def __repr__(self) -> str:
        return "AS_IS"


AS_IS: Final = _AsIs.AS_IS
"""`in_axes` left out: the target is called as it is. `None` will not do: `vmap` takes it."""

EXPECTATIONS: tuple[Expect, ...] = ("different", "same")


@dataclass(frozen=True)
class Overrides:
    """What flags, or the settings of one target, say otherwise; `None` where they say nothing.

    `select` and `ignore` are codes or beginnings of codes, `timeout` is in seconds.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    fail_on: FailOn | None = None
    timeout: float | None = None
    no_run: bool | None = None
    strict: bool | None = None

    def over(self, others: Overrides) -> Overrides:
        """Both together, where these win."""
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(others, **{name: v for name, v in said.items() if v is not None})


NO_OVERRIDES = Overrides()


@dataclass(frozen=True)
class Target:
    """One function, the arguments to call it with, and whether to call it under `jax.vmap`.

    `args` has the positional parameters, also those that were given by name,
    because `in_axes` goes by position; `kwargs` the keyword-only ones. Both are
    pytrees of JAX or NumPy arrays, key arrays and plain Python values. Only the
    array leaves are meant to be traced, and none of the parameters in `static`.

    Under `in_axes` every array in `kwargs` is mapped over its axis 0, as by
    `jax.vmap`, and a plain Python value is not mapped at all.
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
