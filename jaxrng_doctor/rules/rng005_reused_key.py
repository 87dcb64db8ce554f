"""Two draws use one key.

## What it does
Finds two draws with the same key: of one sampler or of two, of one shape or of two,
on two lines, or on one line of a helper that is called twice.

## Why is this bad?
A key gives the same numbers each time it is used. Two draws of one shape are equal;
others are correlated. One key for all leaves of a tree gives equal noise to leaves
of equal shape.

## Example
```python
noise = jax.random.normal(key, x.shape)
mask = jax.random.bernoulli(key, 0.5, x.shape)  # not independent of the noise
```

## Use instead
```python
noise_key, mask_key = jax.random.split(key)
noise = jax.random.normal(noise_key, x.shape)
mask = jax.random.bernoulli(mask_key, 0.5, x.shape)
```

## When it is intended
To draw the same numbers again on purpose, use `jax.random.clone(key)`, which says
so, or `# jaxrng: ignore[RNG005] reason` on the line of the second draw.

## How it is proven
The keys of both draws are computed, at every index of their scopes, and compared. A draw
in a branch that the inputs of this run do not take is compared by what its key is made
of, and told as a note. So it is for RNG006, RNG007 and RNG008.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.facts import ProgramFacts, Shared
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def is_reuse(shared: Shared) -> bool:
    """Two draws from one key, rather than from two keys that happen to be equal (RNG007)."""
    draws = not shared.first.is_split and not shared.second.is_split
    return draws and shared.first.made == shared.second.made


def check(program: ProgramFacts) -> Iterator[Finding]:
    for shared in program.shared:
        if is_reuse(shared):
            yield _finding(shared)


def _finding(shared: Shared) -> Finding:
    first, second = shared.first, shared.second
    key = f"the key `{second.origin}`"
    if first.place != second.place:
        message = f"{second.op} draws from {key}, which {first.op} has drawn from"
        related = (
            *_messages.at(first.place, "the first draw from this key"),
            *_messages.calls_to(shared),
        )
        code = "first_key, second_key = jax.random.split(key)"
    else:
        message = f"{second.op} draws {shared.times} times from {key}"
        related = _messages.calls_to(shared)
        code = f"keys = jax.random.split(key, {shared.times})"
    return _messages.of_pair(
        RULE.code,
        RULE.name,
        RULE.severity,
        shared,
        message=message,
        related=related,
        help=(Help("split the key, and draw from each part once", code),),
    )


RULE = Rule("RNG005", "reused-key", "error", check, __doc__)
