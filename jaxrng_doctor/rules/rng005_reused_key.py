"""Two draws use one key.

## What it does
Finds two draws with the same key, whether or not sampler and shape are the same, on
two lines, or on one line of a helper that is called twice; in a watched program, two
draws outside of compiled functions and libraries.

## Why is this bad?
A key gives the same numbers each time it is used. Two draws of the same shape are
equal; others are correlated. If all leaves of a tree use one key, leaves of the same
shape get the same noise.

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
To draw the same numbers again on purpose, use `jax.random.clone(key)`, or put
`# jaxrng: ignore[RNG005] reason` on the line of one of the draws.

## How it is proven
The keys of both draws are computed, at every index of their scopes, and compared. If
the given inputs do not reach a draw, the derivations of the keys are compared instead,
and the finding is a note. The same holds for RNG006, RNG007 and RNG008.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jaxrng_doctor.model.facts import ProgramFacts, Repeated, Shared
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for shared in program.shared:
        if _messages.is_reuse(shared):
            yield _finding(shared)
    for repeated in program.repeated:
        if _messages.is_eager_reuse(repeated):
            yield _eager(repeated)


def _eager(repeated: Repeated) -> Finding:
    first, second = repeated.first, repeated.second
    keys, uses = len(repeated.calls), repeated.calls[0]
    if first.place == second.place:
        which = "one key" if keys == 1 else f"each of {keys:,} keys"
        more = "more than once" if len(set(repeated.calls)) > 1 else f"{uses:,} times"
        message = f"{second.op} draws {more} from {which}"
    else:
        which = "a key" if keys == 1 else f"{keys:,} keys"
        message = f"{second.op} draws from {which} that {first.op} already drew from"
    return _messages.of_pair(
        RULE.code,
        RULE.name,
        RULE.severity,
        repeated,
        message=message,
        related=_messages.places_of(repeated, "the first draw from this key"),
        help=_help(_TWO if uses == 2 else _split_for(uses)),
    )


def _finding(shared: Shared) -> Finding:
    first, second = shared.first, shared.second
    key = _messages.the_key(second.origin)
    if first.place != second.place:
        message = f"{second.op} draws from {key}, which {first.op} already drew from"
        message += _messages.before(shared)
        related = (
            *_messages.at(first.place, "the first draw from this key", accepts=True),
            *_messages.calls_to(shared),
            *_messages.at(second.made, "this key is made here"),
        )
        code = _TWO
    else:
        keys, times = len(shared.counts), shared.counts[0]
        which = key
        if keys > 1:
            same = len(set(shared.counts)) == 1
            times = times if same else sum(shared.counts)
            which = f"{'each of ' if same else ''}{keys:,} keys, such as `{second.origin}`"
        message = f"{second.op} draws {times} times from {which}"
        related = (
            *_messages.calls_to(shared),
            *_messages.at(second.made, "this key is made here"),
        )
        code = _split_for(shared.counts[0])
        shared = replace(shared, evidence=_messages.of_uses(shared))
    return _messages.of_pair(
        RULE.code,
        RULE.name,
        RULE.severity,
        shared,
        message=message,
        related=related,
        help=_help(code),
    )


_TWO = "first_key, second_key = jax.random.split(key)"


def _split_for(uses: int) -> str:
    return f"keys = jax.random.split(key, {uses})"


def _help(code: str) -> tuple[Help, ...]:
    return (Help("split the key, and draw from each subkey once", code),)


def _with_uses(finding: Finding, uses: int) -> Finding:
    """The finding for a key with more uses than the two that it names."""
    return replace(finding, help=_help(_split_for(uses))) if finding.help else finding


RULE = Rule("RNG005", "reused-key", "error", check, __doc__, draws_alone=True, with_uses=_with_uses)
