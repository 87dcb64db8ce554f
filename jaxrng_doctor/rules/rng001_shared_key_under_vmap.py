"""Inside a vmap, a draw uses one key for every example.

## What it does
Finds draws inside a `jax.vmap` whose key is the same along the mapped axis: the key
is not mapped (`in_axes=None`), captured from outside the mapped function, made inside
from a constant seed, or split or folded inside in the same way for every example.

## Why is this bad?
A key gives the same numbers each time it is used, so all examples of the batch get
the same noise: one dropout mask for the whole batch, one perturbation for all
particles. Nothing fails, but training gets worse.

## Example
```python
def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)

jax.vmap(add_noise, in_axes=(0, None))(x, key)  # every row gets the same noise
```

## Use instead
```python
keys = jax.random.split(key, x.shape[0])
jax.vmap(add_noise, in_axes=(0, 0))(x, keys)
```
Or draw once for the whole batch, outside the vmap, with `shape=x.shape`.

## When it is intended
For common random numbers, one mask for a whole sequence, or antithetic pairs: put
`# jaxrng: ignore[RNG001] reason` on the line of the draw or of the vmap, or set
`expect="same"` for the whole target.

## How it is proven
The keys of all examples are computed, without running the rest of the program, and
counted: one distinct key among n examples. If the branches around the draw let at
most one example draw, no key is shared. If that holds only for the given inputs, the
finding is a note.
"""

from __future__ import annotations

from jaxrng_doctor.model.facts import UNNAMED_KEY, DrawFacts, ScopeFacts, Variation
from jaxrng_doctor.model.findings import Finding
from jaxrng_doctor.rules import _fixes, _framework_fixes, _messages
from jaxrng_doctor.rules.rule import Rule, of_each_draw


def check(draw: DrawFacts) -> Finding | None:
    mapped = _messages.shared_scopes(draw, "example")
    shared = [s for s in mapped if s.variation is Variation.CONSTANT]
    if not shared:
        return None
    worst = _messages.worst_of(draw, shared)
    return _messages.of_scopes(
        RULE,
        draw,
        shared,
        worst,
        _messages.evidence_of(draw, worst),
        _messages.same_numbers(worst) + _messages.scope_by_scope(draw, shared),
        at=_at_the_vmap,
        units="examples",
        help=_fixes.own_keys(draw, worst),
    )


def _at_the_vmap(facts: ScopeFacts) -> str:
    cause = facts.cause
    if cause is None:
        return "mapped here"
    if cause.kind == "unmapped" and facts.via:
        return f"mapped here by {_framework_fixes.name(facts)}, with one key for all examples"
    if cause.kind == "unmapped":
        return f"`{cause.name}` is not mapped here: its entry in in_axes is None"
    if cause.kind == "captured":
        key = "its key" if cause.key == UNNAMED_KEY else f"`{cause.key}`"
        return f"mapped here; the function captures {key}, so in_axes does not map it"
    if cause.kind == "seed":
        return f"mapped here; every example makes the same key, `{cause.key}`"
    return "mapped here"


RULE = Rule("RNG001", "shared-key-under-vmap", "error", of_each_draw(check), __doc__, shares=True)
