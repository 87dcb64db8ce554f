"""Several calls, such as two training steps, draw from one key.

## What it does
In a watched program, records the value of each key that a call of a compiled function
or of a library draws from, and finds values that repeat, also in a draw outside of
these. Two draws that are both outside are RNG005. The finding is at the user's line: at
the call that repeats the key, if a library draws.

## Why is this bad?
A key gives the same numbers each time it is used. A training loop that passes one key
to every step trains with one dropout mask. Two functions that get one key draw numbers
that are not independent.

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
For an evaluation that uses the same noise each time: pass `jax.random.clone(key)`, or
put `# jaxrng: ignore[RNG014] reason` on the line of the draw or of the call.

## How it is proven
The keys are computed from the arguments of each call, and compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.facts import ProgramFacts, Repeated
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for repeated in program.repeated:
        first, second = repeated.first, repeated.second
        if not (first.is_split or second.is_split or _messages.is_eager_reuse(repeated)):
            yield _messages.of_pair(
                RULE.code,
                RULE.name,
                RULE.severity,
                repeated,
                message=_message(repeated),
                related=_messages.places_of(repeated, "the first draw from this key"),
                help=(_HELP, _MEANT),
            )


def _message(repeated: Repeated) -> str:
    first, second = repeated.first, repeated.second
    keys = len(repeated.calls)
    what = _messages.use_in_call(second)
    if first.place != second.place or first.function != second.function:
        which = "the key" if keys == 1 else f"{keys:,} keys"
        message = f"{what} draws from {which} that {_messages.use_in_call(first)} already drew from"
        return message if repeated.library else f"{message} in another call"
    if keys == 1:
        return f"{what} draws from one key in {repeated.calls[0]:,} calls"
    return f"{what} draws from {keys:,} keys, each in more than one call"


_HELP = Help(
    "split the key before each call, and pass a subkey that is used once",
    "key, step_key = jax.random.split(key)",
)
_MEANT = Help(
    "if these calls should draw the same numbers, as in an evaluation, say so on a marked line",
    "# jaxrng: ignore[RNG014] the same noise each time",
)


RULE = Rule(
    "RNG014", "key-repeated-across-calls", "error", check, __doc__, shares=True, draws_alone=True
)
