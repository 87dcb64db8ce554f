"""An ignore comment suppresses nothing.

## What it does
After all targets are checked, finds `# jaxrng: ignore[...]` comments within their
functions that suppressed no finding, and `# jaxrng: ignore-file[...]` comments in files
of which every function was checked.

## Why is this bad?
Either the fault was fixed, and the comment would suppress the next one; or the comment
is on the wrong line, names the wrong or an unknown code, or has another form.

## Example
```python
noise = jax.random.normal(key, x.shape)  # jaxrng: ignore[RNG001] nothing is shared here
```

## Use instead
```python
noise = jax.random.normal(key, x.shape)
```

## When it is intended
It never is: remove the comment, or turn the rule off with `--ignore RNG900`.

## How it is proven
All findings of the run are known, and none was at the comment, or in the file of an
`ignore-file` comment. If a target has a gap or was not run, its comments are not judged.
"""

from __future__ import annotations

from jaxrng_doctor.model.findings import Finding, Help, Place
from jaxrng_doctor.rules.rule import Rule


def finding(place: Place, comment: str, *, meant: str = "", wrong: str = "") -> Finding:
    """The finding for the `comment` at `place`, given without its reason.

    `wrong`: what is wrong with it, if it cannot be right; `meant`: what was probably meant.
    """
    advice = "remove the comment, or put it on the line of the draw, the vmap or the loop"
    if meant:
        advice = f"did you mean `{meant}`?"
    elif wrong:
        advice = "list the rules: jaxrng-doctor rules"
    return Finding(
        code=RULE.code,
        name=RULE.name,
        severity=RULE.severity,
        confidence="proven",
        message=f"`{comment}` {wrong or 'suppresses nothing'}",
        place=place,
        label="the comment on this line",
        proof="no rule has this code or name"
        if wrong
        else "no finding of this run is at the comment",
        help=(Help(advice),),
    )


RULE = Rule(
    "RNG900",
    "unused-suppression",
    "warning",
    lambda program: (),
    __doc__,
    checks_comments=True,
)
