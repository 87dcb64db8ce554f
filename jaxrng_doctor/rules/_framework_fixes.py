"""What to set where a library made the scope: in comes a scope, out comes the library's own way.

A vmap that Flax made is not to be cured by an argument of `jax.vmap`. So the module
that called JAX decides which advice is given.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from jaxrng_doctor._util import source
from jaxrng_doctor.model.facts import Cause, ScopeFacts
from jaxrng_doctor.model.findings import Help

_STREAM = re.compile(r"\['(\w+)'\](?:\.rng)?$")


def setting(facts: ScopeFacts) -> tuple[Help, ...]:
    """The setting of the library that made this scope; `()` where it is none that is known."""
    for module, told in _SETTINGS.items():
        if f"{facts.via}.".startswith(f"{module}."):
            return (told(facts),)
    return ()


def name(facts: ScopeFacts) -> str:
    """The library that made this scope, such as `flax`; `""` where the user called JAX."""
    return facts.via.partition(".")[0]


def _linen(facts: ScopeFacts) -> Help:
    lifted = {"scan": "scan", "while": "while_loop"}.get(facts.scope.kind, "vmap")
    return Help(
        f"let Flax split the stream that is drawn from, a key for each {_one(facts)}",
        f'nn.{lifted}(..., split_rngs={{"{_linen_stream(facts.cause)}": True}})',
    )


def _linen_stream(cause: Cause | None) -> str:
    """The stream that the key is of: told by what was not mapped, or by who asked for it."""
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
        f"let NNX split the model's random streams, and map over them, a key for each "
        f"{_one(facts)}",
        f"@nnx.split_rngs(splits={_size(facts)})\n"
        f"@nnx.{lifted}(in_axes=(nnx.StateAxes({{nnx.RngState: 0, ...: None}}), 0))",
    )


def _haiku(facts: ScopeFacts) -> Help:
    if facts.scope.kind == "vmap":
        return Help(
            "let Haiku split its key, one for each example",
            "hk.vmap(..., split_rng=True)  # `not hk.running_init()` where parameters are shared",
        )
    return Help(
        f"take the key inside of the loop: there Haiku has another one for each {_one(facts)}",
        "key = hk.next_rng_key()  # in the function that is looped over",
    )


def _equinox(facts: ScopeFacts) -> Help:
    return Help(
        f"give each {_one(facts)} a key of its own: split, and map over the keys",
        f"keys = jax.random.split(key, {_size(facts)})\n"
        "eqx.filter_vmap(..., in_axes=(0, 0))(x, keys)  # the function takes the key",
    )


def _one(facts: ScopeFacts) -> str:
    return "example" if facts.scope.kind == "vmap" else "step"


def _size(facts: ScopeFacts) -> str:
    return "n" if facts.scope.size is None else str(facts.scope.size)


# The first that fits counts: NNX lives in Flax.
_SETTINGS: dict[str, Callable[[ScopeFacts], Help]] = {
    "flax.nnx": _nnx,
    "flax": _linen,
    "haiku": _haiku,
    "equinox._vmap_pmap": _equinox,
}
