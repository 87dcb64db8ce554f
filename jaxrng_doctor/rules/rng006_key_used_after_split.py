"""A key is both drawn from and split, or split twice.

## What it does
Finds keys that are drawn from before or after they are split, and keys that are
split in two places. In a watched program, the two uses may be in different calls.

## Why is this bad?
A split consumes a key and makes new ones. Numbers drawn from the old key are not
independent of those drawn from its children. Splitting it twice gives the same
children twice: `split(key, 2)` is the beginning of `split(key, 3)`.

## Example
```python
noise = jax.random.normal(key, x.shape)
key, subkey = jax.random.split(key)  # key was drawn from above
mask = jax.random.bernoulli(subkey, 0.5, x.shape)
```

## Use instead
```python
key, subkey = jax.random.split(key)
noise = jax.random.normal(subkey, x.shape)
key, subkey = jax.random.split(key)
mask = jax.random.bernoulli(subkey, 0.5, x.shape)
```

## When it is intended
It rarely is. If so, put `# jaxrng: ignore[RNG006] reason` on the line of the second
use.

## How it is proven
The keys of both uses are computed, at every index of their scopes, and compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor.model.facts import CallUse, ProgramFacts, Repeated, Shared, UseFacts
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def is_after_split(shared: Shared) -> bool:
    """Whether one use is a split, or both are splits at different places.

    A helper that splits and is called twice is found by its draws.
    """
    first, second = shared.first, shared.second
    if first.is_unused or second.is_unused:
        return False  # no number depends on it: RNG009 reports it
    if first.is_split and second.is_split:
        return first.place != second.place
    return first.is_split or second.is_split


def check(program: ProgramFacts) -> Iterator[Finding]:
    for shared in program.shared:
        if is_after_split(shared):
            yield _messages.of_pair(
                RULE.code,
                RULE.name,
                RULE.severity,
                shared,
                message=f"{_messages.the_key(shared.second.origin)} is {_done(shared.second)} "
                f"after it was {_done(shared.first)}{_messages.before(shared)}",
                related=(
                    *_messages.at(shared.first.place, f"{_done(shared.first)} here", accepts=True),
                    *_messages.calls_to(shared),
                ),
                help=(_HELP,),
            )
    for repeated in program.repeated:
        if repeated.first.is_split or repeated.second.is_split:
            yield _across_calls(repeated)


def _across_calls(repeated: Repeated) -> Finding:
    first, second = repeated.first, repeated.second
    keys = len(repeated.calls)
    which = "a key is" if keys == 1 else f"{keys:,} keys are"
    by = [
        f" by {_messages.use_in_call(use)}" if not use.is_split else _inside(use)
        for use in (first, second)
    ]
    compiled = first.function or second.function
    where = " in another call" if compiled and not repeated.library else ""
    return _messages.of_pair(
        RULE.code,
        RULE.name,
        RULE.severity,
        repeated,
        message=f"{which} {_done(second)}{by[1]} after being {_done(first)}{by[0]}{where}",
        related=_messages.places_of(repeated, f"{_done(first)} here"),
        help=(_HELP,),
    )


def _inside(split: CallUse) -> str:
    return f" in {split.function}" if split.function else ""


def _done(use: UseFacts | CallUse) -> str:
    return "split" if use.is_split else "drawn from"


_HELP = Help(
    "split once, and use each subkey once",
    "key, subkey = jax.random.split(key)  # draw from subkey, keep key for the next split",
)


RULE = Rule("RNG006", "key-used-after-split", "warning", check, __doc__)
