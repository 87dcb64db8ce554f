"""A function draws from NumPy's or Python's generators while it is traced.

## What it does
Compares the states of the generators of NumPy and of Python's `random` before and after
the function is traced, and reports each that changed.

## Why is this bad?
JAX traces a function once and runs the compiled trace many times. Numbers that NumPy
draws during the trace are constants of the compiled function: every call, every step
and every example of a batch gets the same ones.

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
For fixed random features: draw them outside of the function, or put
`# jaxrng: ignore[RNG010] reason` on the line of the draw.

## How it is proven
The state of the generator changed during the trace. If another thread may have changed
it, only a call of `np.random` or `random` in the tracing thread is proof; without one,
the changed state is a gap and not a finding.
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
            message=f"{what} during the trace: the numbers are constants of the compiled function",
            place=draw.place,
            proof="the state of the generator changed while the function was traced",
            help=(
                Help(
                    "draw with jax.random, from a key that the function takes",
                    "noise = jax.random.normal(key, shape)",
                ),
            ),
        )


RULE = Rule("RNG010", "host-rng-in-trace", "error", check, __doc__)
