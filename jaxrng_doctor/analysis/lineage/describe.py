"""Describes the derivation of a key like code: `fold_in(key, 3)`, `split(key, 4)[0]`."""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.jax_internals import primitives
from jaxrng_doctor.model.facts import UNNAMED_KEY

INDICES = "ijklmn"
TRANSPARENT = frozenset(
    {
        "convert_element_type",
        "copy",
        "copy_p",
        "expand_dims",
        "random_clone",
        "random_unwrap",
        "random_wrap",
        "reshape",
        "squeeze",
    }
)


_NO_EQUATIONS = frozenset({"block", "blocks", "carry", "element", "stacked"})


def parameters(value: Value) -> dict[str, Any]:
    """The parameters of the equation that computed a value, `{}` if none did."""
    params = value.params
    is_equation = isinstance(params, tuple) and len(params) > 1 and isinstance(params[1], tuple)
    return dict(params[1]) if is_equation and value.op not in _NO_EQUATIONS else {}


def index_of(depth: int) -> str:
    """The name for the index of the scope at `depth`: `i`, as in `keys[i]`; at depth 6 `i2`."""
    times, letter = divmod(depth, len(INDICES))
    return f"{INDICES[letter]}{times + 1 if times else ''}"


def describe(value: Value, depth: int = 5) -> str:  # noqa: C901
    """A value's derivation as text, with `…` for what is more than `depth` steps back."""
    while value.op in TRANSPARENT and value.args:
        value = value.args[0]
    if depth == 0:
        return "…"
    args = [describe(arg, depth - 1) for arg in value.args]
    match value.op:
        case "input":
            return str(value.params)
        case "const":
            name = value.params if isinstance(value.params, str) else value.params[1]
            return name or UNNAMED_KEY
        case "literal":
            return str(value.params[1])
        case "axis_index":
            return "axis_index"
        case "element":
            _, level = value.params
            is_count = value.args[0].op == "iota"
            return index_of(level) if is_count else f"{args[0]}[{index_of(level)}]"
        case "block":
            return f"{args[0]}[this device's part]"
        case "blocks":
            return args[0]
        case "stacked":
            _, level = value.params
            return f"[{args[0]} for each {index_of(level)}]"
        case "carry":
            return f"the loop's carry, at first {args[0]}"
        case "after_loop":
            return "the final carry of a loop"
        case "chosen":
            return "one of " + " and ".join(args[1:])
        case primitives.SEED:
            return f"key({args[0]})"
        case primitives.SPLIT:
            shape = parameters(value)["shape"]
            return f"split({args[0]}, {shape[0] if len(shape) == 1 else shape})"
        case primitives.FOLD_IN:
            return f"fold_in({args[0]}, {args[1]})"
        case "unstack":
            return f"{args[0]}[{value.params[0]}]"
        case "slice":
            return args[0] + _index(parameters(value))
        case "dynamic_slice" if all(arg.op == "literal" for arg in value.args[2:]):
            return f"{args[0]}[{describe(_as_written(value.args[1]), depth - 1)}]"
        case "broadcast_in_dim":
            return f"broadcast_to({args[0]}, {parameters(value)['shape']})"
        case op:
            return f"{op}({', '.join(args)})"


def _as_written(index: Value) -> Value:
    """An index without what JAX adds to count a negative one from the end."""
    while index.op in (*TRANSPARENT, "broadcast_in_dim"):
        index = index.args[0]
    if index.op == "select_n" and len(index.args) == 3:
        _, given, from_end = index.args
        if from_end.op == "add" and given in from_end.args:
            return given
    return index


def _index(params: dict[str, Any]) -> str:
    start, limit = params["start_indices"], params["limit_indices"]
    first = [str(a) if b == a + 1 else f"{a}:{b}" for a, b in zip(start, limit, strict=True)][:1]
    return f"[{first[0]}]" if first else ""
