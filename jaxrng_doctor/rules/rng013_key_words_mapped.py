"""A vmap maps over the words of legacy keys rather than over the keys.

## What it does
Finds draws inside a `jax.vmap` whose `in_axes` runs over the last axis of an array of
legacy keys, the axis of the two (with rbg four) words that make up a key.

## Why is this bad?
A legacy key is an array of words. Mapping over the wrong axis combines words of
different keys into new ones. If the sizes fit, nothing raises an error.

## Example
```python
keys = jax.random.split(jax.random.PRNGKey(0), 2)  # uint32[2, 2]
jax.vmap(lambda key: jax.random.normal(key, (3,)), in_axes=1)(keys)
```

## Use instead
```python
keys = jax.random.split(jax.random.PRNGKey(0), 2)
jax.vmap(lambda key: jax.random.normal(key, (3,)), in_axes=0)(keys)
```
Or use typed keys, `jax.random.key(0)`, which have no axis of words.

## When it is intended
For keys that are stored with the axis of words first: put
`# jaxrng: ignore[RNG013] reason` on the line of the draw or of the vmap.

## How it is proven
The trace shows that the mapped axis is the one of the words.
"""

from __future__ import annotations

from jaxrng_doctor.model.facts import DrawFacts
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule, of_each_draw


def check(draw: DrawFacts) -> Finding | None:
    taken_apart = [s for s in draw.scopes if s.words]
    if not taken_apart:
        return None
    return _messages.finding(
        RULE.code,
        RULE.name,
        RULE.severity,
        draw,
        message=f"{_messages.title(taken_apart[-1])} maps over the words of legacy keys, "
        "not over keys",
        evidence=None,
        related=_messages.related(taken_apart, ["in_axes maps the axis of a key's words"], ""),
        help=(Help("map over the axis of the keys, usually in_axes=0"),),
        sure="inferred",
        cause_id=(RULE.code, taken_apart[-1].scope.place),
    )


RULE = Rule("RNG013", "key-words-mapped", "error", of_each_draw(check), __doc__)
