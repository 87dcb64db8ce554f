"""Under a vmap, a loop redraws with rbg keys until a sample is accepted: it may not terminate.

## What it does
Finds draws with mapped `rbg` or `unsafe_rbg` keys in a `while_loop` inside a
`jax.vmap`, if the loop's condition depends on the drawn numbers.

## Why is this bad?
Under a vmap only the first example's rbg key is used. Once the first example is done,
its key no longer changes, and every other example redraws the same rejected values:
the program hangs.

## Example
```python
key = jax.random.key(0, impl="rbg")
keys = jax.random.split(key, 32)

def positive(key):
    def redraw(state):
        key, _ = state
        key, subkey = jax.random.split(key)
        return key, jax.random.normal(subkey)

    return jax.lax.while_loop(lambda state: state[1] <= 0, redraw, (key, -1.0))[1]

jax.vmap(positive)(keys)
```

## Use instead
```python
key = jax.random.key(0, impl="threefry2x32")
keys = jax.random.split(key, 32)

def positive(key):
    def redraw(state):
        key, _ = state
        key, subkey = jax.random.split(key)
        return key, jax.random.normal(subkey)

    return jax.lax.while_loop(lambda state: state[1] <= 0, redraw, (key, -1.0))[1]

jax.vmap(positive)(keys)
```

## When it is intended
It never is. If the loop is known to terminate: `# jaxrng: ignore[RNG015] reason`.

## How it is proven
The trace shows it. The function is then not run, because it may not terminate.
"""

from __future__ import annotations

from jaxrng_doctor.model.facts import RBG, DrawFacts, Variation
from jaxrng_doctor.model.findings import Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule, of_each_draw


def check(draw: DrawFacts) -> Finding | None:
    if draw.impl not in RBG or not draw.decides:
        return None
    for depth, facts in enumerate(draw.scopes):
        mapped = facts.scope.kind == "vmap" and facts.variation is not Variation.CONSTANT
        loops = [s for s in draw.scopes[depth + 1 :] if s.scope.size is None]
        if mapped and facts.is_checked and loops:
            impl = RBG[draw.impl]
            return _messages.finding(
                RULE.code,
                RULE.name,
                RULE.severity,
                draw,
                message=f"{_messages.title(loops[-1])} under {_messages.title(facts)} redraws with "
                f"mapped {impl} keys until a sample is accepted: it may not terminate",
                evidence=None,
                related=_messages.related(
                    [facts, loops[-1]], ["mapped here", "the loop that redraws"], "examples"
                ),
                help=(Help("use threefry keys for this draw"),),
                sure="inferred",
                cause_id=(RULE.code, loops[-1].scope.place),
            )
    return None


RULE = Rule(
    "RNG015",
    "rbg-loop-under-vmap",
    "error",
    of_each_draw(check),
    __doc__,
    forbids_run_with=frozenset(RBG),
)
