"""Inside a vmap, keys are mapped, but some or all of them are equal.

## What it does
Counts the distinct keys of each draw inside a `jax.vmap` that maps over keys. Keys
repeat, for example, after `broadcast_to` of one key, `stack([key] * n)`, `repeat`, a
gather with equal indices, or equal seeds.

## Why is this bad?
Examples with equal keys get equal noise, as if the key had not been mapped. Comparing
the outputs of the first and the last example may not show it: with `[k0, k1, k0, k1]`
these two differ.

## Example
```python
keys = jnp.broadcast_to(key, x.shape[:1])  # the same key for every row
jax.vmap(add_noise)(x, keys)
```

## Use instead
```python
keys = jax.random.split(key, x.shape[0])
jax.vmap(add_noise)(x, keys)
```

## When it is intended
For antithetic or paired sampling: put `# jaxrng: ignore[RNG002] reason` on the line
of the draw or of the vmap, or set `expect="same"` for the whole target.

## How it is proven
The keys of all examples are computed, without running the rest of the program, and
counted. The report says how many distinct keys the n examples have, and names two
examples that share one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from jaxrng_doctor.model.facts import RBG, DrawFacts, ScopeFacts, Variation
from jaxrng_doctor.model.findings import Evidence, Finding
from jaxrng_doctor.rules import _fixes, _messages
from jaxrng_doctor.rules.rule import Rule, of_each_draw


def check(draw: DrawFacts) -> Iterator[Finding]:
    mapped = _messages.shared_scopes(draw, "example")
    if shared := [s for s in mapped if s.variation is not Variation.CONSTANT]:  # else RNG001
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
    is_rbg = draw.impl in RBG
    return _messages.of_scopes(
        replace(RULE, severity="warning") if is_rbg else RULE,
        draw,
        shared,
        worst,
        evidence,
        message,
        at=_at_the_scope,
        units="examples",
        help=_fixes.distinct_keys(worst),
        more=(RBG_ROWS,) if is_rbg else (),
    )


RBG_ROWS = (
    "under vmap an rbg draw uses only the first key of the batch, so the rows still differ: "
    "see RNG012"
)


def _at_the_scope(facts: ScopeFacts) -> str:
    which = f": `{facts.array}`" if facts.array else ""
    return f"mapped here, over keys that are not all different{which}"


def _counted(facts: ScopeFacts) -> str:
    evidence = facts.evidence
    if evidence is None or evidence.distinct_keys == evidence.examples:
        return f"the keys of all {_messages.span(facts)} of {_messages.title(facts)} are equal"
    keys = "key" if evidence.distinct_keys == 1 else "keys"
    return (
        f"{evidence.examples:,} examples of {_messages.title(facts)} have only "
        f"{evidence.distinct_keys:,} distinct {keys}"
    )


RULE = Rule("RNG002", "duplicate-keys-in-batch", "error", of_each_draw(check), __doc__, shares=True)
