"""An ignore comment suppresses nothing.

## What it does
After all targets are examined, looks through the lines of their functions for
`# jaxrng: ignore[...]` comments to which no finding belonged, and through files of
which every function was examined for `# jaxrng: ignore-file[...]`.

## Why is this bad?
Either the fault is gone, and the comment now hides the next one, or the comment
stands on the wrong line, names the wrong code or has none in brackets, and hides nothing.

## Example
```python
noise = jax.random.normal(key, x.shape)  # jaxrng: ignore[RNG001] nothing is shared here
```

## Use instead
```python
noise = jax.random.normal(key, x.shape)
```

## When it is intended
Leave the comment out, or use `--ignore RNG900`.

## How it is proven
All findings of the run are known; none was at the comment, or in the file that it is
about. A run with a gap, or without executing the function, judges no comment.
"""

from __future__ import annotations

from jaxrng_doctor.model.findings import Finding, Help, Place
from jaxrng_doctor.rules.rule import Rule


def finding(place: Place, comment: str, *, slip: bool = False) -> Finding:
    """The finding for a comment at `place`, by its text without the reason.

    `slip`: its codes are not in brackets.
    """
    way = "remove the comment, or put it on the line of the draw or of the vmap"
    if slip:
        way = "put the codes in brackets: `# jaxrng: ignore[RNG001] reason`"
    return Finding(
        code=RULE.code,
        name=RULE.name,
        severity=RULE.severity,
        confidence="proven",
        message=f"`{comment}` suppresses nothing",
        place=place,
        label="the comment on this line",
        proof="no finding of this run is at the comment",
        help=(Help(way),),
    )


RULE = Rule("RNG900", "unused-suppression", "warning", lambda program: (), __doc__)
