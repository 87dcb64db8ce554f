"""Finds out why a key does not vary over a scope, and why two keys are equal."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from jaxrng_doctor.analysis.lineage.describe import describe, parameters
from jaxrng_doctor.analysis.lineage.key_identity import Identities
from jaxrng_doctor.analysis.lineage.transfers import indexing, keys, moving
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.analysis.lineage.values import CREATING, EQUAL, Value
from jaxrng_doctor.jax_internals import primitives
from jaxrng_doctor.model.facts import Cause, Step
from jaxrng_doctor.tracing.places import At, library_functions, locate

T = TypeVar("T")

# The ancestry of a key continues at the first operand of these.
_FOLLOWED = frozenset(
    {
        *indexing.TRANSFERS,
        *keys.TRANSFERS,
        *moving.TRANSFERS,
        "block",
        "carry",
        "convert_element_type",
        "copy",
        "copy_p",
        "element",
        "stacked",
    }
) - {primitives.SEED}
_DERIVING = {primitives.SPLIT: "split", primitives.FOLD_IN: "fold_in"}
_REPEATING = frozenset({"broadcast_in_dim", "concatenate", "gather", "stack", "tile"})


def ancestry(key: Value) -> Iterator[Value]:
    """The key, the key that it is derived from, and so on back to its origin."""
    yield key
    while key.op in _FOLLOWED and key.args:
        key = key.args[0]
        yield key


def origin(key: Value) -> Value:
    """The last value of the ancestry of a key."""
    *_, root = ancestry(key)
    return root


def cause_of(draw: Use, depth: int) -> Cause:
    """Why the key of `draw` is the same over the scope at `depth`."""
    scope, key = draw.scopes[depth], draw.keys[0]
    line = list(ancestry(key))
    root = line[-1]
    phrase = describe(key)
    made = _step(root) if root.op == primitives.SEED else None
    if key.along(depth) is EQUAL:
        repeated = next((v for v in line if v.op in _REPEATING), None)
        return Cause("equal values", phrase, made=_step(repeated) if repeated else made)
    inside = [v for v in line if v.birth is not None and v.birth.depth > depth]
    steps = tuple(step for v in inside if v.op in _DERIVING and (step := _step(v)))
    if scope.kind != "vmap":
        seeded = root.op == primitives.SEED and root in inside
        return Cause("seed" if seeded else "loop constant", phrase, made=made, steps=steps)
    entering = {id(value): name for value, name in scope.operands}
    door = next((v for v in line if id(v) in entering), None)
    if door is not None and entering[id(door)] is not None:
        name = entering[id(door)] or ""
        return Cause("unmapped", describe(door), name=name, made=made, steps=steps)
    if root.op == primitives.SEED and root in inside:
        return Cause("seed", phrase, made=made, steps=steps)
    return Cause("captured", describe(door or root), made=made, steps=steps)


def shared_over(draw: Use, depth: int) -> Hashable:
    """What the scope at `depth` uses again: equal for all draws whose keys derive from it.

    It is the array that each example or step takes one element of, else the value from outside of
    the scope that the key derives from, or the seed inside. Of an argument that is a tree, all
    leaves are one.
    """
    value, name = _shared_value(draw, depth)
    return id(value) if name is None else _argument(name)


def key_shared_over(draw: Use, depth: int) -> Hashable:
    """The step that made the key that the scope at `depth` uses again, or the key's origin.

    If this is equal for two scopes of a draw, both use one key again.
    """
    value, _ = _shared_value(draw, depth)
    return id(creation(value) or origin(value))


def _shared_value(draw: Use, depth: int) -> tuple[Value, str | None]:
    """What the scope at `depth` uses again, and its name if it is an argument of the scope."""
    line = list(ancestry(draw.keys[0]))
    array = next((v for v in line if v.op == "element" and v.params[1] == depth), None)
    if array is not None:
        return array.args[0], None
    names = {id(value): name for value, name in draw.scopes[depth].operands if name is not None}
    for value in line:
        if id(value) in names:
            return value, names[id(value)]
        if value.birth is None or value.birth.depth <= depth:
            return value, None
    return line[-1], None


def _argument(name: str) -> str:
    """The argument that `params['w']` is a leaf of. `args[0]` and `args[1]` are two arguments."""
    found = re.match(r"(args\[\d+\]|[^.\[]*)", name)
    return name if found is None else found[0]


class Equality(NamedTuple):
    """Why two keys are equal. Keys with equal `reason` are equal for the same reason.

    `is_derived`: they were derived by the same steps from the key that is used twice.
    """

    reason: Hashable
    is_derived: bool


def why_equal(one: Value, other: Value, identities: Identities) -> Equality | None:
    """The key that both keys derive from by the same steps, or the equal seeds.

    The children of a key that is split twice are equal because of that key. Data that is folded in
    twice is a separate reason. `None` if the derivations do not show why the keys are equal.
    """
    folded: tuple[int, ...] = ()
    for steps in itertools.count():
        made, made_again = creation(one), creation(other)
        if made is made_again:
            # A loop takes its first key from before it.
            key, same = (identities.of(_before_loops(each)) for each in (one, other))
            return Equality((key, folded), steps > 0) if key == same else None
        if made is None or made_again is None or made.op != made_again.op:
            return None
        numbers = sorted((made.number, made_again.number))
        if made.op == primitives.SEED:
            return Equality(("seed", *numbers, folded), steps > 0)
        if made.op == primitives.FOLD_IN:
            folded = (*folded, *numbers)
        one, other = made.args[0], made_again.args[0]
    raise AssertionError  # the loop ends at the latest where a key has no creation


def creation(key: Value) -> Value | None:
    """The step that last split, folded or seeded the key, if one did."""
    return next(creations(key), None)


def creations(key: Value) -> Iterator[Value]:
    """The steps that split, folded and seeded the key, from the last to the first."""
    return (value for value in ancestry(key) if value.op in CREATING)


def _before_loops(key: Value) -> Value:
    """The key with which the loops begin that carry this one unchanged; else the key itself."""
    while key.op == "carry":
        key = key.args[0]
    return key


def _step(value: Value) -> Step:
    op = _DERIVING.get(value.op, value.op)
    return Step(op, locate(value.birth), library_functions(value.birth))


def made_at(key: Value) -> At | None:
    """The equation that last split, folded or seeded the key.

    `None` for a key from outside, or for a choice between keys of several equations.
    """
    for value in ancestry(key):
        if value.op in CREATING:
            found: At | None = value.birth
            return found
        if value.op in ("select_n", "chosen"):
            births = {made_at(key) for key in value.args[1:]}
            return births.pop() if len(births) == 1 else None
    return None


class Lines:
    """Facts about the ancestries of keys. Keys share ancestors: each value is examined once."""

    def __init__(self) -> None:
        self._origins: dict[int, _Origin] = {}
        self._doors: dict[int, dict[int, _MappedElement | None]] = {}

    def constant_of(self, key: Value, jit: At) -> Step | None:
        """The step that makes a key of constants alone: a seed inside `jit`, or a captured key.

        `None` for any other key.
        """
        root, is_made_of_constants = _along(key, self._origins, _origin)
        if not is_made_of_constants:
            return None  # such as a key folded with a step, or with a count in a ref
        if root.op == primitives.SEED and all(arg.op in ("literal", "const") for arg in root.args):
            inside = root.birth is not None and jit in root.birth.above()
            return Step("seed", locate(root.birth)) if inside else None
        return Step("captured", None) if root.op == "const" and _is_constant(root) else None

    def root_of(self, key: Value) -> Hashable:
        """An id of the origin of the key: equal for all keys that derive from it."""
        return "root", id(_along(key, self._origins, _origin)[0])

    def mapped_array(self, key: Value, depth: int) -> str:
        """A description of the array that each example or step takes one element of, or `""`."""
        door = self._door_of(key, depth)
        return "" if door is None else describe(door.element.args[0], 2)

    def _door_of(self, key: Value, depth: int) -> _MappedElement | None:
        known = self._doors.setdefault(depth, {})
        return _along(key, known, functools.partial(_mapped_element, depth=depth))

    def maps_words(self, key: Value, depth: int) -> bool:
        """Whether the vmap at `depth` maps over the words of a legacy key."""
        door = self._door_of(key, depth)
        if door is None or not door.is_raw:
            return False
        return bool(door.element.params[0] == _words_axis(door.element.args[0]))


_Origin = tuple[Value, bool]
"""The origin of an ancestry, and whether only constants were folded in since."""


@dataclass(frozen=True, slots=True)
class _MappedElement:
    """The element of a mapped array in an ancestry.

    `is_raw`: `True` if words are wrapped in a key after it, `False` if a key is unwrapped after it,
    `None` if neither.
    """

    element: Value
    is_raw: bool | None = None


def _origin(value: Value, parent: _Origin | None) -> _Origin:
    root, is_made_of_constants = parent or (value, True)
    added = value.args[1:] if value.op != "carry" else ()
    return root, is_made_of_constants and all(map(_is_constant, added))


def _mapped_element(
    value: Value, parent: _MappedElement | None, *, depth: int
) -> _MappedElement | None:
    if value.op == "element" and value.params[1] == depth:
        return _MappedElement(value)
    if parent is None or parent.is_raw is not None:
        return parent
    is_raw = {"random_wrap": True, "random_unwrap": False}.get(value.op)
    return parent if is_raw is None else _MappedElement(parent.element, is_raw)


def _along(key: Value, known: dict[int, T], of: Callable[[Value, T | None], T]) -> T:
    """The result for `key`: `of` is applied to each value of its ancestry and its parent's result.

    `known` has the results so far, by the `id` of the value.
    """
    line = [*itertools.takewhile(lambda value: id(value) not in known, ancestry(key))]
    if not line:
        return known[id(key)]
    parent = line[-1].args[0] if line[-1].op in _FOLLOWED and line[-1].args else None
    found = None if parent is None else known[id(parent)]
    for value in reversed(line):
        found = known[id(value)] = of(value, found)
    return known[id(key)]


def _is_constant(value: Value) -> bool:
    """Whether a value depends on no input of the program.

    Of a value that a loop carries, only the value before the first step is followed.
    """
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        # A constant that is an input of the program has only a name; any other one has an id, too.
        if value.op == "input" or (value.op == "const" and isinstance(value.params, str)):
            return False
        waiting += value.args[:1] if value.op == "carry" else value.args
    return True


def _words_axis(array: Value) -> int:
    """The axis of the words in an array of legacy keys, -1 if a vmap maps over it."""
    if array.op == "transpose":
        words = _words_axis(array.args[0])
        return int(parameters(array)["permutation"].index(words)) if words >= 0 else -1
    if array.op == "element":
        words, mapped = _words_axis(array.args[0]), array.params[0]
        return -1 if words == mapped else words - (mapped < words)
    return len(array.axes) - 1
