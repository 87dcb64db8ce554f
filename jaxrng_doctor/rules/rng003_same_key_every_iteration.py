"""Inside a loop, a draw uses one key for every step.

## What it does
Finds draws inside `scan`, `fori_loop`, `while_loop` or `lax.map` whose key is the same
in several steps: a constant of the loop, a carry that the body returns unchanged, an
element of `xs` that repeats, or a key folded with a constant.

## Why is this bad?
Every step repeats the noise of the first: a random walk becomes a straight line, and
a Markov chain always proposes the same move.

## Example
```python
def step(x, _):
    return x + jax.random.normal(key, x.shape), None  # the same key in every step

jax.lax.scan(step, x, length=100)
```

## Use instead
```python
def step(x, key):
    return x + jax.random.normal(key, x.shape), None

jax.lax.scan(step, x, jax.random.split(key, 100))
```
Or carry the key and split it in every step: `key, sub = jax.random.split(key)`.

## When it is intended
For example, for one dropout mask in all steps of a recurrent network: put
`# jaxrng: ignore[RNG003] reason` on the line of the draw or of the loop, or set
`expect="same"` for the whole target.

## How it is proven
Only the part of the loop that makes keys is run, and the keys of all steps are
counted. A `while_loop` is followed for its first 256 steps; later draws are a gap,
unless the trace alone shows that the keys differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxrng_doctor.model.facts import DrawFacts, ScopeFacts, Variation
from jaxrng_doctor.model.findings import Evidence, Finding
from jaxrng_doctor.rules import _fixes, _messages
from jaxrng_doctor.rules.rule import Rule, of_each_draw


def check(draw: DrawFacts) -> Iterator[Finding]:
    if shared := _messages.shared_scopes(draw, "step"):
        worst = _messages.worst_of(draw, shared)
        message = _counted(worst) + _messages.scope_by_scope(draw, shared)
        yield _finding(draw, shared, worst, _messages.evidence_of(draw, worst), message)
    for joint, scopes in _messages.only_together(draw):
        if _messages.code_for(scopes) == RULE.code:
            message = _messages.together(draw, joint, scopes)
            yield _finding(draw, scopes, scopes[-1], joint.evidence, message)


def _finding(
    draw: DrawFacts,
    shared: Sequence[ScopeFacts],
    worst: ScopeFacts,
    evidence: Evidence | None,
    message: str,
) -> Finding:
    return _messages.of_scopes(
        RULE,
        draw,
        shared,
        worst,
        evidence,
        message,
        at=_at_the_loop,
        units="steps",
        help=_fixes.key_for_each_step(worst),
    )


def _counted(facts: ScopeFacts) -> str:
    return _messages.distinct_keys(facts) or _messages.same_numbers(facts)


def _at_the_loop(facts: ScopeFacts) -> str:
    cause = facts.cause
    if cause is None or facts.variation is Variation.UNKNOWN:
        which = f": `{facts.array}`" if facts.array else ""
        return f"the loop; some of its steps share a key{which}"
    if cause.kind == "equal values":
        return "the loop, over keys that are all equal"
    if cause.kind == "seed":
        return f"the loop; every step makes the same key, `{cause.key}`"
    return f"the loop; its key does not change from step to step: {_messages.quoted(cause.key)}"


RULE = Rule(
    "RNG003", "same-key-every-iteration", "error", of_each_draw(check), __doc__, shares=True
)
