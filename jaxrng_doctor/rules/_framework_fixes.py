"""Suggested fixes for scopes that a library makes, in terms of the library.

A key that Flax's vmap shares cannot be fixed by an argument of `jax.vmap`, so the module that
called JAX decides which fix is suggested. To add a library, add a function and a line in
`_FIXES`. Where the user's own vmap goes around a library, the fix is in `_fixes.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from jaxrng_doctor._util import source
from jaxrng_doctor.model.facts import Cause, ScopeFacts
from jaxrng_doctor.model.findings import UNITS, Help

_STREAM = re.compile(r"\['(\w+)'\](?:\.rng)?$")


def fix(facts: ScopeFacts) -> tuple[Help, ...]:
    """The fix in terms of the library that made this scope; `()` if the library is not known."""
    for module, fix_of in _FIXES.items():
        if f"{facts.via}.".startswith(f"{module}."):
            return (fix_of(facts),)
    return ()


def name(facts: ScopeFacts) -> str:
    """The library that made this scope, such as `flax`; `""` if the user called JAX."""
    return facts.via.partition(".")[0]


def _linen(facts: ScopeFacts) -> Help:
    lifted = {"scan": "scan", "while": "while_loop"}.get(facts.scope.kind, "vmap")
    return Help(
        f"let Flax split the random stream, one key per {_one(facts)}",
        f'nn.{lifted}(..., split_rngs={{"{_linen_stream(facts.cause)}": True}})',
    )


def _linen_stream(cause: Cause | None) -> str:
    """The stream of the key, from the name of the unmapped argument or the call that took it."""
    if cause is not None and (found := _STREAM.search(cause.name)):
        return found[1]
    for step in () if cause is None else cause.steps:
        if "Scope.param" in step.through:
            return "params"
        call = step.place and source.call_at(step.place)
        if call and ast.unparse(call.func).endswith(".make_rng") and call.args:
            stream = call.args[0]
            if isinstance(stream, ast.Constant) and isinstance(stream.value, str):
                return stream.value
    return "dropout"


def _nnx(facts: ScopeFacts) -> Help:
    lifted = "scan" if facts.scope.kind == "scan" else "vmap"
    return Help(
        f"let NNX split the model's random streams and map over them, one key per {_one(facts)}",
        f"@nnx.split_rngs(splits={_size(facts)})\n"
        f"@nnx.{lifted}(in_axes=(nnx.StateAxes({{nnx.RngState: 0, ...: None}}), 0))",
    )


def _haiku(facts: ScopeFacts) -> Help:
    if facts.scope.kind == "vmap":
        return Help(
            "let Haiku split its key, one per example",
            "hk.vmap(..., split_rng=True)  # `not hk.running_init()` where parameters are shared",
        )
    return Help(
        f"take the key inside the loop, where Haiku has a new one for each {_one(facts)}",
        "key = hk.next_rng_key()  # in the function that is looped over",
    )


def _equinox(facts: ScopeFacts) -> Help:
    return Help(
        f"give each {_one(facts)} its own key: split, and map over the keys",
        f"keys = jax.random.split(key, {_size(facts)})\n"
        "eqx.filter_vmap(..., in_axes=(0, 0))(x, keys)  # the function takes the key",
    )


def _one(facts: ScopeFacts) -> str:
    return UNITS[facts.scope.kind]


def _size(facts: ScopeFacts) -> str:
    return "n" if facts.scope.size is None else str(facts.scope.size)


# The first match counts: NNX is a part of Flax.
_FIXES: dict[str, Callable[[ScopeFacts], Help]] = {
    "flax.nnx": _nnx,
    "flax": _linen,
    "haiku": _haiku,
    "equinox._vmap_pmap": _equinox,
}
