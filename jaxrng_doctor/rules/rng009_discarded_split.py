"""A key is used twice although a split has left a fresh one that nothing uses.

## What it does
Where the parent of a split is used again, or one of its children is used twice,
names the children that nothing uses, which may be all of them. Those of a split that an
installed library makes are left out: they are not for its user to take.

## Why is this bad?
The unused child is most likely the key that the second use was meant to take: a typo
in a variable's name, or an underscore too many.

## Example
```python
_, subkey = jax.random.split(key)
noise = jax.random.normal(subkey, x.shape)
mask = jax.random.bernoulli(key, 0.5, x.shape)  # key, where the first child was left
```

## Use instead
```python
key, subkey = jax.random.split(key)
noise = jax.random.normal(subkey, x.shape)
mask = jax.random.bernoulli(key, 0.5, x.shape)
```

## When it is intended
Unused children alone are no fault and are not reported. To silence the hint:
`# jaxrng: ignore[RNG009] reason` on the line of the split.

## How it is proven
The second use is proven as for RNG005 and RNG006; that nothing uses the child is read
off the trace.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.facts import ProgramFacts, Shared
from jaxrng_doctor.model.findings import Finding, Help, Place
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for shared in program.shared:
        first, second = shared.first, shared.second
        split = next((u for u in (first, second) if u.is_split and u.unused), None)
        if split is not None:
            other = second if split is first else first
            if other.place == split.place:
                continue  # a helper that is called twice: RNG005 tells of it
            if split.in_vain and other.origin != split.origin:
                continue  # by chance an equal key, and nothing came of the split
            yield _finding(shared, split.place, split.unused, "parent", other.place)
        elif first.siblings and first.made == second.made:
            yield _finding(shared, first.made, first.siblings, "sibling", second.place)


def _finding(
    shared: Shared,
    place: Place | None,
    unused: tuple[int, ...],
    relative: str,
    again: Place | None,
) -> Finding:
    children = ", ".join(map(str, unused))
    word = "child" if len(unused) == 1 else "children"
    return Finding(
        code=RULE.code,
        name=RULE.name,
        severity=RULE.severity,
        confidence="inferred" if shared.evidence is None else "proven",
        message=f"nothing uses {word} {children} of this split, and its {relative} is used again",
        place=place,
        label="split here",
        related=_messages.at(again, "used again here"),
        evidence=shared.evidence,
        help=(Help(f"use the child that is left instead of the {relative}"),),
    )


RULE = Rule("RNG009", "discarded-split", "note", check, __doc__)
