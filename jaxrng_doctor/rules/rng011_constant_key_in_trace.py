"""Inside a jitted function, a draw uses a key that is a constant of the function.

## What it does
Finds draws inside `jax.jit` whose key is made there from a constant seed, or captured
from outside as a constant. The finding is a warning if the function also takes a key,
which the draw ignores.

## Why is this bad?
Every call of the function draws the same numbers. That is easy to miss in a library's
default, such as a constant seed in a layer's state.

## Example
```python
@jax.jit
def add_noise(x, key):
    return x + jax.random.normal(jax.random.key(0), x.shape)

add_noise(x, key)
```

## Use instead
```python
@jax.jit
def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)

add_noise(x, key)
```

## When it is intended
For fixed random features or a reproducible initial value: put
`# jaxrng: ignore[RNG011] reason` on the line of the draw.

## How it is proven
The trace shows that the key is derived from constants alone.
"""

from __future__ import annotations

from jaxrng_doctor.model.facts import DrawFacts
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule, of_each_draw


def check(draw: DrawFacts) -> Finding | None:
    if draw.constant is None or any(
        s.variation.is_same and _messages.is_shared(draw, s) for s in draw.scopes
    ):
        return None  # RNG001 or RNG003 reports the key in the scope that shares it
    how = "captured" if draw.constant.op == "captured" else "made from a constant seed"
    ignored = ", although the function takes a key" if draw.jit_takes_key else ""
    return _messages.finding(
        RULE.code,
        RULE.name,
        "warning" if draw.jit_takes_key else RULE.severity,
        draw,
        message=f"{_messages.the_key(draw.origin)} is {how} inside jit({draw.jitted}): "
        f"every call draws the same numbers{ignored}",
        evidence=None,
        related=_messages.at(draw.constant.place, "the key is made here"),
        help=(Help("take the key as an argument, and pass a new one to each call"),),
        sure="inferred",
        cause_id=draw.constant_id,
    )


RULE = Rule("RNG011", "constant-key-in-trace", "note", of_each_draw(check), __doc__)
