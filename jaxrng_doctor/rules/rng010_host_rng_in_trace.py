"""NumPy's or Python's random numbers are drawn while the function is traced.

## What it does
Watches the generators of NumPy and of Python's `random` while the function is traced,
and reports each that moved.

## Why is this bad?
JAX traces a function once and runs the trace many times. What NumPy drew meanwhile is
a constant of the compiled function: every call, every step and every example of a
batch gets the same numbers.

## Example
```python
@jax.jit
def add_noise(x):
    return x + np.random.normal(size=x.shape)  # a constant

add_noise(x)
```

## Use instead
```python
@jax.jit
def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)

add_noise(x, key)
```

## When it is intended
Fixed random features, drawn once: draw them outside of the function, or say so with
`# jaxrng: ignore[RNG010] reason` on the line of the draw.

## How it is proven
The state of the generator before the trace and after it: it has moved. Where another
thread of the program may have moved it, a call of `np.random` or `random` in the thread that
traces is still proof; what only a state tells of is a gap then, and no finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.facts import ProgramFacts
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for draw in program.host_draws:
        what = f"{draw.function} draws" if draw.function else f"{draw.library} draws numbers"
        yield Finding(
            code=RULE.code,
            name=RULE.name,
            severity=RULE.severity,
            confidence="proven",
            message=f"{what} while the function is traced: a constant of the compiled function",
            place=draw.place,
            proof="the state of the generator moved while the function was traced",
            help=(
                Help(
                    "draw with jax.random, from a key that the function takes",
                    "noise = jax.random.normal(key, shape)",
                ),
            ),
        )


RULE = Rule("RNG010", "host-rng-in-trace", "error", check, __doc__)
