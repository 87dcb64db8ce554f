"""The abstract value: how a value is derived, and over which scopes it varies.

Values are hash-consed: the same operation on the same values is the same object. Only operations
that create a key make a separate `Value` at each place; if the derivations are equal, these values
have the same `number`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jaxrng_doctor.jax_internals import primitives
from jaxrng_doctor.model.facts import Variation

CONSTANT, EQUAL, DISTINCT, UNKNOWN = Variation


class Value:
    """One abstract value.

    op, params, args: the derivation. `args` are the values it was computed from.
    over: how the value varies over each enclosing scope, by depth; it does not depend on a scope
        that is not in the mapping.
    axes: for each axis of the array, how the slices along it compare.
    birth: the `At` of the equation that first computed it, for its source location, else `None`.
    number: values with equal numbers are certainly equal. A split or fold_in that the program
        makes twice is two values with one number: equal keys, made at two places.
    """

    __slots__ = ("args", "axes", "birth", "number", "op", "over", "params")

    def __init__(
        self,
        op: str,
        params: Any,
        args: tuple[Value, ...],
        over: Mapping[int, Variation],
        axes: tuple[Variation, ...],
        birth: Any,
        number: int,
    ) -> None:
        self.op = op
        self.params = params
        self.args = args
        self.over = over
        self.axes = axes
        self.birth = birth
        self.number = number

    def equals(self, other: Value) -> bool:
        """Whether the two are certainly equal; `False` guarantees nothing."""
        return self.number == other.number

    def along(self, depth: int) -> Variation:
        return self.over.get(depth, CONSTANT)

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(repr, self.args))})"


class Values:
    """Creates values, each only once."""

    def __init__(self) -> None:
        self._known: dict[Any, Value] = {}
        self._numbers: dict[Any, int] = {}
        self._alive: list[Value] = []

    def make(
        self,
        op: str,
        params: Any,
        args: tuple[Value, ...],
        *,
        over: Mapping[int, Variation],
        axes: Iterable[Variation],
        birth: Any,
        place: Any = None,
    ) -> Value:
        """The value with this derivation; a fresh one if `params` cannot be hashed.

        `place` distinguishes values that are equal but made at different places.
        """
        key = (op, params, tuple(map(id, args)), place)
        try:
            found = self._known.get(key)
        except TypeError:
            return self.fresh(op, args, over=over, axes=axes, birth=birth)
        if found is None:
            sums = (op, params, tuple(arg.number for arg in args))
            number = self._numbers.setdefault(sums, len(self._numbers))
            found = Value(op, params, args, over, tuple(axes), birth, number)
            self._known[key] = found
        return found

    def fresh(
        self,
        op: str,
        args: tuple[Value, ...] = (),
        *,
        over: Mapping[int, Variation] | None = None,
        axes: Iterable[Variation] = (),
        birth: Any = None,
        name: str = "",
    ) -> Value:
        """A new value that equals no other. `name`: the user's name for it."""
        number = self._numbers.setdefault(object(), len(self._numbers))
        value = Value(op, name, args, over or {}, tuple(axes), birth, number)
        self._alive.append(value)  # its `id` identifies it in the keys of other values
        return value


CREATING = frozenset({primitives.FOLD_IN, primitives.SEED, primitives.SPLIT})
"""Operations that create a key."""

SEPARATE = CREATING | {"random_clone"}
"""Operations of which each equation makes a separate value, with an equal number."""


# -- combining variations --------------------------------------------------------------


def of_any(variations: Iterable[Variation]) -> Variation:
    """The variation of an unknown function of several values: the same if all of them are."""
    worst = CONSTANT
    for v in variations:
        if v is EQUAL:
            worst = EQUAL if worst is CONSTANT else worst
        elif v is not CONSTANT:
            worst = UNKNOWN
    return worst


def of_one_to_one(variations: Iterable[Variation]) -> Variation:
    """The variation of a function that is one-to-one in each argument, with the others fixed.

    If `b` is the same for all, `a + b` is as distinct as `a`.
    """
    seen = list(variations)
    varying = [v for v in seen if not v.is_same]
    return varying[0] if len(varying) == 1 else of_any(seen)


def of_hash(variations: Iterable[Variation]) -> Variation:
    """The variation of a hash of all arguments: distinct if any of them is.

    This holds except for a collision of threefry, with a probability of one in 2**64.
    """
    seen = list(variations)
    return DISTINCT if DISTINCT in seen else of_any(seen)


def of_either(variations: Iterable[Variation]) -> Variation:
    """The variation of a value that is one of the arguments, the same one for all examples."""
    seen = set(variations)
    if len(seen) == 1:
        return seen.pop()
    return EQUAL if all(v.is_same for v in seen) else UNKNOWN


def over_all(args: Iterable[Value], combine: Any = of_any) -> dict[int, Variation]:
    """How a function of `args` varies over each scope that one of them depends on."""
    args = tuple(args)
    if len(args) == 1:
        return {depth: combine((v,)) for depth, v in args[0].over.items()}
    depths = {depth for arg in args for depth in arg.over}
    return {depth: combine([arg.along(depth) for arg in args]) for depth in depths}


def over_either(a: Mapping[int, Variation], b: Mapping[int, Variation]) -> dict[int, Variation]:
    """How a value that is either `a` or `b` varies over each scope."""
    return {d: of_either((a.get(d, CONSTANT), b.get(d, CONSTANT))) for d in {*a, *b}}


def over_chosen(over: Mapping[int, Variation], choice: Value) -> dict[int, Variation]:
    """How a value varies if `choice` determines its branch, or its number of steps.

    Over a scope where the choice itself varies, nothing is known.
    """
    chosen = dict(over)
    for depth, variation in choice.over.items():
        if not variation.is_same:
            chosen[depth] = UNKNOWN
        elif chosen.get(depth, CONSTANT) is CONSTANT:
            chosen[depth] = variation
    return chosen
