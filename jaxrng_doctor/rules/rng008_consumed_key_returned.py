"""A key that was drawn from or split is returned unchanged.

## What it does
Finds keys among the function's outputs that it drew from or split.

## Why is this bad?
A caller that uses the returned key repeats the noise: if a train state carries its
key unchanged, every step gets the noise of the first.

## Example
```python
def step(x, key):
    x = x + jax.random.normal(key, x.shape)
    return x, key  # the next step draws the same numbers
```

## Use instead
```python
def step(x, key):
    key, subkey = jax.random.split(key)
    x = x + jax.random.normal(subkey, x.shape)
    return x, key
```

## When it is intended
If the function returns the key as a record of what was used: put
`# jaxrng: ignore[RNG008] reason` on the line of the draw.

## How it is proven
The returned keys are computed, and compared with the keys of all draws and splits.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.facts import ProgramFacts
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for returned in program.returned:
        use = returned.use
        if use.is_unused:
            continue  # no number depends on the split, so the key can still be used
        done = "split" if use.is_split else f"drawn from by {use.op}"
        output = f"output {returned.output}" if returned.output else "the output"
        yield Finding(
            code=RULE.code,
            name=RULE.name,
            severity="note" if returned.unreached else RULE.severity,
            confidence="inferred" if returned.evidence is None else "proven",
            message=f"{_messages.the_key(use.origin)} is {done}, "
            f"and returned unchanged as {output}",
            place=use.place,
            label="split here" if use.is_split else "drawn here",
            evidence=returned.evidence,
            cause_id=returned.cause_id,
            notes=("with these inputs this use does not run",) if returned.unreached else (),
            help=(
                Help(
                    "split the key first, draw from one part and return the other",
                    "key, subkey = jax.random.split(key)  # draw from subkey, return key",
                ),
            ),
        )


RULE = Rule("RNG008", "consumed-key-returned", "warning", check, __doc__)
