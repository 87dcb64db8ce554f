"""Why a key does not vary over a scope: in comes its abstract value, out comes a `Cause`."""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.facts import Cause, Step
from jaxrng_doctor.lineage.describe import describe, parameters
from jaxrng_doctor.lineage.use import Use
from jaxrng_doctor.lineage.values import CREATING, EQUAL, Value
from jaxrng_doctor.trace.places import At, locate

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
        "optimization_barrier",
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
    return Step(_DERIVING.get(value.op, value.op), locate(value.birth))


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


def constant_of(key: Value, jit: At) -> Step | None:
    """Where inside of `jit` a key comes from nothing that `jit` is given; `None` if it does not."""
    line = list(ancestry(key))
    root = line[-1]
    if not all(_is_constant(arg) for v in line if v.op != "carry" for arg in v.args[1:]):
        return None  # folded with a step, or with a count that a ref holds
    if root.op == "random_seed" and all(arg.op in ("literal", "const") for arg in root.args):
        inside = root.birth is not None and jit in root.birth.above()
        return Step("seed", locate(root.birth)) if inside else None
    return Step("captured", None) if root.op == "const" and _is_constant(root) else None


def _is_constant(value: Value) -> bool:
    """Nothing that is given to a program goes into it, as far as its start in a loop tells."""
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


def maps_words(key: Value, depth: int) -> bool:
    """The vmap at `depth` takes a legacy key apart: its axis is that of the key's words."""
    is_raw = False
    for value in ancestry(key):
        is_raw |= value.op == "random_wrap"
        is_raw &= value.op != "random_unwrap"
        if value.op == "element" and value.params[1] == depth:
            return is_raw and value.params[0] == _words_axis(value.args[0])
    return False


def _words_axis(array: Value) -> int:
    """Where the axis of the words is in an array of legacy keys, -1 where a vmap took it."""
    if array.op == "transpose":
        words = _words_axis(array.args[0])
        return int(parameters(array)["permutation"].index(words)) if words >= 0 else -1
    if array.op == "element":
        words, mapped = _words_axis(array.args[0]), array.params[0]
        return -1 if words == mapped else words - (mapped < words)
    return len(array.axes) - 1
