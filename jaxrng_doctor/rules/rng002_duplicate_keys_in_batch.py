"""Inside a vmap, keys are mapped, and yet some or all of them are equal.

## What it does
Looks at each draw inside a `jax.vmap` whose key does vary along the mapped axis by
its type, and counts the distinct keys among the examples: `broadcast_to` of one key,
`stack([key] * n)`, `repeat`, a gather with equal indices, equal seeds.

## Why is this bad?
Examples with equal keys get equal noise, just as if the key had not been mapped. A
comparison of the first and the last example may miss it: `[k0, k1, k0, k1]` differs
there.

## Example
```python
keys = jnp.broadcast_to(key, (32,))  # 32 times the same key
jax.vmap(add_noise)(x, keys)
```

## Use instead
```python
keys = jax.random.split(key, 32)
jax.vmap(add_noise)(x, keys)
```

## When it is intended
Antithetic or paired sampling: say so with `# jaxrng: ignore[RNG002] reason` on the
line of the draw or of the vmap, or for a whole target with `expect="same"`.

## How it is proven
The keys of all examples are computed, without running the rest of the program, and
counted: the report says how many distinct keys n examples have, and names two
examples that share one.
"""

from __future__ import annotations

from jaxrng_doctor.facts import DrawFacts, ScopeFacts, Variation
from jaxrng_doctor.findings import Finding
from jaxrng_doctor.rules import advice, telling
from jaxrng_doctor.rules.rule import Rule


def check(draw: DrawFacts) -> Finding | None:
    shared = [s for s in draw.scopes if _is_shared(s)]
    if shared:
        worst = shared[-1]
        what = f"{telling.span(worst)} of {telling.title(worst)}"
        evidence = worst.evidence
    elif _repeats_only_together(draw):
        shared = [s for s in draw.scopes if telling.is_judged(s)]
        worst, evidence = shared[-1], draw.joint
        sizes = " and ".join(telling.position(draw, s) for s in shared)
        what = f"draws over {sizes} together"
    else:
        return None
    if evidence is None:
        message = f"the keys of {what} are equal"
    elif evidence.distinct_keys == evidence.examples:
        message = f"the keys of {what} are equal by the trace"
    else:
        keys = "key" if evidence.distinct_keys == 1 else "keys"
        message = (
            f"{evidence.examples:,} {what.split(' ', 1)[1]} have only "
            f"{evidence.distinct_keys:,} distinct {keys}"
        )
    return telling.finding(
        RULE.code,
        RULE.name,
        RULE.severity,
        draw,
        message=message + telling.scope_by_scope(draw, shared),
        evidence=evidence,
        related=telling.related(
            shared, ["mapped here, over keys that are not all different"] * len(shared), "examples"
        ),
        help=advice.distinct_keys(worst),
        notes=telling.notes(shared),
        sure=telling.confidence(evidence),
    )


def _is_shared(facts: ScopeFacts) -> bool:
    if facts.scope.kind != "vmap" or not telling.is_judged(facts):
        return False
    if facts.variation is Variation.CONSTANT:
        return False  # RNG001
    return facts.variation is Variation.EQUAL or telling.repeats(facts.evidence)


def _repeats_only_together(draw: DrawFacts) -> bool:
    """No scope alone has equal keys, and yet two draws at different indices of several do."""
    judged = [s for s in draw.scopes if telling.is_judged(s)]
    return (
        len(judged) > 1
        and any(s.scope.kind == "vmap" for s in judged)
        and telling.repeats(draw.joint)
        and not any(s.variation.is_same or telling.repeats(s.evidence) for s in draw.scopes)
    )


RULE = Rule("RNG002", "duplicate-keys-in-batch", "error", check, __doc__)
