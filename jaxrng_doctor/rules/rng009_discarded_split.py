"""A key is used twice, although a split made a fresh one that nothing uses.

## What it does
If the parent of a split is used again, or one of its children is used twice, names the
children that nothing uses, which may be all of them. Splits inside an installed library
are left out, because its user cannot reach their children.

## Why is this bad?
The second use was most likely meant to take the unused child: a variable's name is
misspelled, or the child was assigned to `_`.

## Example
```python
_, subkey = jax.random.split(key)
noise = jax.random.normal(subkey, x.shape)
mask = jax.random.bernoulli(key, 0.5, x.shape)  # uses key, not the first child
```

## Use instead
```python
key, subkey = jax.random.split(key)
noise = jax.random.normal(subkey, x.shape)
mask = jax.random.bernoulli(key, 0.5, x.shape)
```

## When it is intended
Unused children alone are correct and not reported. To suppress the note, put
`# jaxrng: ignore[RNG009] reason` on the line of the split.

## How it is proven
The second use is proven as for RNG005 and RNG006. The trace shows that nothing uses
the child.
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
                continue  # a helper that is called twice: RNG005 reports it
            if split.is_unused and other.origin != split.origin:
                continue  # the keys are equal by chance, and nothing uses the split
            # In a loop, the key may be a child of this split in an earlier step.
            is_child = bool(other.siblings) and other.made == split.place
            relative = "sibling" if is_child else "parent"
            yield _finding(shared, split.place, split.unused, relative, other.place)
        elif first.siblings and first.made == second.made and first.place != second.place:
            # One line, such as that of a helper, cannot use another child the second time.
            yield _finding(shared, first.made, first.siblings, "sibling", second.place)


def _finding(
    shared: Shared,
    place: Place | None,
    unused: tuple[int, ...],
    relative: str,
    again: Place | None,
) -> Finding:
    children = ", ".join(map(str, unused))
    words = f"child {children} is" if len(unused) == 1 else f"children {children} are"
    return Finding(
        code=RULE.code,
        name=RULE.name,
        severity=RULE.severity,
        confidence="inferred" if shared.evidence is None else "proven",
        message=f"of this split, {words} never used, and its {relative} is used again",
        place=place,
        label="split here",
        related=_messages.at(again, "used again here", accepts=True),
        evidence=shared.evidence,
        cause_id=shared.cause_id,
        uses=shared.uses,
        derived=shared.derived,
        help=(Help(f"use the unused child instead of the {relative}"),),
    )


RULE = Rule("RNG009", "discarded-split", "note", check, __doc__)
