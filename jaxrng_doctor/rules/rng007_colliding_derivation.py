"""Two draws use keys that are derived at two places but are equal.

## What it does
Finds draws whose keys are derived separately with the same result: by `fold_in` twice
with equal data, by `fold_in(key, i)` and `split(key, n)[i]` (the same key under
partitionable threefry, JAX's default since 0.5), by two splits of one parent, from one
seed used twice, or from two seeds that truncate to one key.

## Why is this bad?
The keys look independent, but are equal: two draws with one sampler, shape and dtype
give the same numbers, and others are correlated.

## Example
```python
noise = jax.random.normal(jax.random.fold_in(key, 0), x.shape)
mask = jax.random.bernoulli(jax.random.fold_in(key, 0), 0.5, x.shape)
```

## Use instead
```python
noise = jax.random.normal(jax.random.fold_in(key, 0), x.shape)
mask = jax.random.bernoulli(jax.random.fold_in(key, 1), 0.5, x.shape)
```
Use either `split` or `fold_in` on one key, not both.

## When it is intended
To draw the same numbers again on purpose, use `jax.random.clone(key)`, or put
`# jaxrng: ignore[RNG007] reason` on the line of one of the draws.

## How it is proven
The keys of both draws are computed, at every index of their scopes, and compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.facts import ProgramFacts, UseFacts
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for shared in program.shared:
        first, second = shared.first, shared.second
        if first.is_split or second.is_split or _messages.is_reuse(shared):
            continue
        yield _messages.of_pair(
            RULE.code,
            RULE.name,
            RULE.severity,
            shared,
            message=f"{second.op} draws from {_messages.quoted(second.origin)}, "
            f"{_equal(first, second)}, which {first.op} already drew from"
            f"{_messages.before(shared)}",
            notes=(_numbers(first, second),),
            related=(
                *_messages.at(first.place, "the first draw from this key", accepts=True),
                *_messages.at(first.made, "its key is made here"),
                *_messages.at(second.made, "the same key is made again here"),
                *_messages.calls_to(shared),
            ),
            help=(
                Help(
                    "derive the keys differently: other data for fold_in, or one split for both",
                    "first_key, second_key = jax.random.split(key)",
                ),
            ),
        )


def _equal(first: UseFacts, second: UseFacts) -> str:
    if first.origin == second.origin:
        return "derived a second time"
    return f"the same key as `{first.origin}`"


def _numbers(first: UseFacts, second: UseFacts) -> str:
    """Whether the numbers can be equal, or only the keys are."""
    if (first.op, first.numbers) == (second.op, second.numbers):
        return f"both draw {second.numbers} with one sampler: equal numbers for equal arguments"
    one, other = (f"{use.numbers} with {use.op}" for use in (first, second))
    return f"only the keys are equal: the first draws {one}, the second {other}"


RULE = Rule("RNG007", "colliding-derivation", "error", check, __doc__, draws_alone=True)
