"""One key value is drawn from in several calls, such as two training steps.

## What it does
While a program is watched, notes the value of each key that a call draws from, in
compiled functions and outside of them, and finds those that come twice.

## Why is this bad?
A key gives the same numbers each time. A training loop that passes one key to every
step trains with one dropout mask; two functions that get one key draw numbers that
are not independent.

## Example
```python
@jax.jit
def train_step(params, key):
    return params + jax.random.normal(key, params.shape)

key = jax.random.key(0)
for _ in range(10):
    params = train_step(params, key)  # the same key, step after step
```

## Use instead
```python
key = jax.random.key(0)
for _ in range(10):
    key, step_key = jax.random.split(key)
    params = train_step(params, step_key)
```

## When it is intended
An evaluation may use the same noise each time: `# jaxrng: ignore[RNG014] reason` on
the line of the draw.

## How it is proven
The keys are computed from the arguments of each call, and compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.facts import CallDraw, ProgramFacts, Repeated
from jaxrng_doctor.findings import Evidence, Finding, Help, Related
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for repeated in program.repeated:
        yield _finding(repeated)


def _finding(repeated: Repeated) -> Finding:
    first, second = repeated.first, repeated.second
    keys = len(repeated.calls)
    what, before, inside = _what(second), _what(first), repeated.library
    if first.place != second.place or first.function != second.function:
        which = "the key" if keys == 1 else f"{keys:,} keys"
        message = f"{what} draws from {which} that {before} has drawn from"
        message += "" if inside else " in another call"
    elif keys == 1:
        message = f"{what} draws from one key in {repeated.calls[0]:,} calls"
    else:
        message = f"{what} draws from {keys:,} keys, each in more than one call"
    if first.call == second.call:
        calls = [(first.call, "called from here")]
    else:
        calls = [(first.call, "the first call is here"), (second.call, "and the next one here")]
    own = (first.place, second.place)
    related = [Related(place, words) for place, words in calls if place and place not in own]
    if first.place is not None and first.place != second.place:
        related.insert(0, Related(first.place, "the first draw from this key"))
    strip = tuple(key for key, calls in enumerate(repeated.calls) for _ in range(calls))[:_STRIP]
    return Finding(
        code=RULE.code,
        name=RULE.name,
        severity="note" if inside else RULE.severity,
        confidence="proven",
        message=message,
        place=second.place,
        related=tuple(related),
        evidence=Evidence(sum(repeated.calls), keys, strip, key=repeated.key),
        help=() if inside else (_HELP,),
        notes=(f"{inside} makes both uses, in one call of yours",) if inside else (),
    )


_HELP = Help(
    "split the key before each call, and pass on a part that is used once",
    "key, step_key = jax.random.split(key)",
)
_STRIP = 256  # so many calls are shown one by one


def _what(draw: CallDraw) -> str:
    return f"{draw.sampler} in {draw.function}" if draw.function else draw.sampler


RULE = Rule("RNG014", "key-repeated-across-calls", "error", check, __doc__)
