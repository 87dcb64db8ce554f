"""Why a key does not vary over a scope: the `Cause`, from its abstract value."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from jaxrng_doctor.analysis.lineage.describe import describe, parameters
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.analysis.lineage.values import CREATING, EQUAL, Value
from jaxrng_doctor.model.facts import Cause, Step
from jaxrng_doctor.tracing.places import At, library_functions, locate

T = TypeVar("T")

# What a key is before one of these is still "the key", so the search goes on behind them.
_FOLLOWED = frozenset(
    {
        "block",
        "broadcast_in_dim",
        "carry",
        "concatenate",
        "convert_element_type",
        "copy",
        "copy_p",
        "dynamic_slice",
        "element",
        "expand_dims",
        "gather",
        "random_clone",
        "random_fold_in",
        "random_split",
        "random_unwrap",
        "random_wrap",
        "reshape",
        "rev",
        "slice",
        "squeeze",
        "stack",
        "stack of results",
        "tile",
        "transpose",
        "unstack",
    }
)
_DERIVING = {"random_split": "split", "random_fold_in": "fold_in"}
_REPEATING = frozenset({"broadcast_in_dim", "concatenate", "gather", "stack", "tile"})


def ancestry(key: Value) -> Iterator[Value]:
    """The key, the key that it was made from, and so on back to where it began."""
    yield key
    while key.op in _FOLLOWED and key.args:
        key = key.args[0]
        yield key


def cause_of(draw: Use, depth: int) -> Cause:
    """Why the key of `draw` is the same over the scope at `depth`."""
    scope, key = draw.scopes[depth], draw.keys[0]
    line = list(ancestry(key))
    root = line[-1]
    phrase = describe(key)
    made = _step(root) if root.op == "random_seed" else None
    if key.along(depth) is EQUAL:
        repeated = next((v for v in line if v.op in _REPEATING), None)
        return Cause("equal values", phrase, made=_step(repeated) if repeated else made)
    inside = [v for v in line if v.birth is not None and v.birth.depth > depth]
    steps = tuple(step for v in inside if v.op in _DERIVING and (step := _step(v)))
    if scope.kind != "vmap":
        seeded = root.op == "random_seed" and root in inside
        return Cause("seed" if seeded else "loop constant", phrase, made=made, steps=steps)
    entering = {id(value): name for value, name in scope.operands}
    door = next((v for v in line if id(v) in entering), None)
    if door is not None and entering[id(door)] is not None:
        name = entering[id(door)] or ""
        return Cause("unmapped", describe(door), name=name, made=made, steps=steps)
    if root.op == "random_seed" and root in inside:
        return Cause("seed", phrase, made=made, steps=steps)
    return Cause("captured", describe(door or root), made=made, steps=steps)


def _step(value: Value) -> Step:
    op = _DERIVING.get(value.op, value.op)
    return Step(op, locate(value.birth), library_functions(value.birth))


def made_at(key: Value) -> At | None:
    """The equation that last split, folded or seeded the key, `None` for a key from outside."""
    for value in ancestry(key):
        if value.op in CREATING:
            found: At | None = value.birth
            return found
        if value.op in ("select_n", "chosen"):
            births = {made_at(key) for key in value.args[1:]}
            return births.pop() if len(births) == 1 else None
    return None


class Lines:
    """What follows from lines of ancestors, which keys share: each value is looked at once."""

    def __init__(self) -> None:
        self._origins: dict[int, _Origin] = {}
        self._doors: dict[int, dict[int, _Door | None]] = {}

    def constant_of(self, key: Value, jit: At) -> Step | None:
        """Where inside of `jit` a key comes from nothing that `jit` is given; `None` if not."""
        root, is_made_of_constants = _along(key, self._origins, _origin)
        if not is_made_of_constants:
            return None  # folded with a step, or with a count that a ref holds
        if root.op == "random_seed" and all(arg.op in ("literal", "const") for arg in root.args):
            inside = root.birth is not None and jit in root.birth.above()
            return Step("seed", locate(root.birth)) if inside else None
        return Step("captured", None) if root.op == "const" and _is_constant(root) else None

    def mapped_array(self, key: Value, depth: int) -> str:
        """A phrase for the array of which each example or step has an element, or `""`."""
        door = self._door_of(key, depth)
        return "" if door is None else describe(door.element.args[0], 2)

    def _door_of(self, key: Value, depth: int) -> _Door | None:
        known = self._doors.setdefault(depth, {})
        return _along(key, known, functools.partial(_door, depth=depth))

    def maps_words(self, key: Value, depth: int) -> bool:
        """The vmap at `depth` takes a legacy key apart: its axis is that of the key's words."""
        door = self._door_of(key, depth)
        if door is None or not door.is_raw:
            return False
        return bool(door.element.params[0] == _words_axis(door.element.args[0]))


_Origin = tuple[Value, bool]
"""Where a line begins, and whether nothing but constants was folded in on the way."""


@dataclass(frozen=True, slots=True)
class _Door:
    """The element of a batch that a line comes by; `is_raw`: words were made a key behind it."""

    element: Value
    is_raw: bool | None = None


def _origin(value: Value, parent: _Origin | None) -> _Origin:
    root, is_made_of_constants = parent or (value, True)
    added = value.args[1:] if value.op != "carry" else ()
    return root, is_made_of_constants and all(map(_is_constant, added))


def _door(value: Value, parent: _Door | None, *, depth: int) -> _Door | None:
    if value.op == "element" and value.params[1] == depth:
        return _Door(value)
    if parent is None or parent.is_raw is not None:
        return parent
    is_raw = {"random_wrap": True, "random_unwrap": False}.get(value.op)
    return parent if is_raw is None else _Door(parent.element, is_raw)


def _along(key: Value, known: dict[int, T], of: Callable[[Value, T | None], T]) -> T:
    """What is known of `key`: `of` each value of its line and what is known of its parent."""
    line = [*itertools.takewhile(lambda value: id(value) not in known, ancestry(key))]
    if not line:
        return known[id(key)]
    parent = line[-1].args[0] if line[-1].op in _FOLLOWED and line[-1].args else None
    found = None if parent is None else known[id(parent)]
    for value in reversed(line):
        found = known[id(value)] = of(value, found)
    return known[id(key)]


def _is_constant(value: Value) -> bool:
    """Nothing that is given to a program goes into it, as far as its start in a loop shows."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        # A constant that comes in as an argument has a name; a captured one is only a number.
        if value.op == "input" or (value.op == "const" and not isinstance(value.params, int)):
            return False
        waiting += value.args[:1] if value.op == "carry" else value.args
    return True


def _words_axis(array: Value) -> int:
    """Where the axis of the words is in an array of legacy keys, -1 where a vmap took it."""
    if array.op == "transpose":
        words = _words_axis(array.args[0])
        return int(parameters(array)["permutation"].index(words)) if words >= 0 else -1
    if array.op == "element":
        words, mapped = _words_axis(array.args[0]), array.params[0]
        return -1 if words == mapped else words - (mapped < words)
    return len(array.axes) - 1
