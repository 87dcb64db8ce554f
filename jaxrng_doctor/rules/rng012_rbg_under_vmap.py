"""Under a vmap, a draw with rbg keys uses only the first key of the batch.

## What it does
Finds draws with mapped `rbg` or `unsafe_rbg` keys inside a `jax.vmap`.

## Why is this bad?
The generator of these keys cannot be batched: JAX makes the numbers of the whole batch
from the first example's key. The result is random, but it differs from that of a loop
over the examples, and it changes with the size of the batch.

## Example
```python
key = jax.random.key(0, impl="rbg")
keys = jax.random.split(key, x.shape[0])
jax.vmap(lambda x, key: x + jax.random.normal(key, x.shape))(x, keys)
```

## Use instead
```python
key = jax.random.key(0, impl="threefry2x32")
keys = jax.random.split(key, x.shape[0])
jax.vmap(lambda x, key: x + jax.random.normal(key, x.shape))(x, keys)
```
Or draw once for the whole batch, outside the vmap.

## When it is intended
If speed matters and the result need not be that of a loop: write
`# jaxrng: ignore[RNG012] reason`, or set `ignore = ["RNG012"]` in `pyproject.toml`.

## How it is proven
The trace shows the keys' implementation, and that they are mapped.
"""

from __future__ import annotations

from jaxrng_doctor.model.facts import RBG, DrawFacts, Variation
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule, of_each_draw


def check(draw: DrawFacts) -> Finding | None:
    mapped = [
        s
        for s in draw.scopes
        if s.scope.kind == "vmap" and s.is_checked and s.variation is not Variation.CONSTANT
    ]
    if draw.impl not in RBG or not mapped:
        return None
    return _messages.finding(
        RULE.code,
        RULE.name,
        RULE.severity,
        draw,
        message=f"of the {RBG[draw.impl]} keys of the {_messages.span(mapped[-1])} of "
        f"{_messages.title(mapped[-1])}, only the first is used: the result is not that of a loop",
        evidence=None,
        related=_messages.related(mapped, ["mapped here"], "examples"),
        help=(Help("use threefry keys here, or draw for the whole batch outside the vmap"),),
        sure="inferred",
        cause_id=(RULE.code, mapped[-1].scope.place),
    )


RULE = Rule("RNG012", "rbg-under-vmap", "note", of_each_draw(check), __doc__)
