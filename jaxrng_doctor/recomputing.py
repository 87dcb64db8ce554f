"""What the rule of a `custom_vjp` only uses again: in come uses and keys, out come such uses.

For the backward pass a rule may draw anew what the forward pass has drawn instead of keeping it,
once or (Equinox's checkpointed loops) several times. The same numbers are what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxrng_doctor.counting import numbered
from jaxrng_doctor.keytables import KeyTable
from jaxrng_doctor.lineage.use import Path, Use
from jaxrng_doctor.trace import equations
from jaxrng_doctor.trace.draws import sampler_name


def redone(uses: Sequence[Use], tables: Mapping[Path, KeyTable]) -> frozenset[Path]:
    """The uses in a backward pass of whose every key a use of the forward pass makes the same.

    Places do not help: JAX tells that all of a rule is where the forward pass has called.
    """
    again = [use for use in uses if _is_by_a_rule(use)]
    if not again:
        return frozenset()
    paths = {use.path for use in again}
    first = [use for use in uses if use.path not in paths]
    return frozenset(
        use.path
        for use in again
        if any(_makes(f) == _makes(use) and _has_all_of(f, use, tables) for f in first)
    )


def _is_by_a_rule(use: Use) -> bool:
    """In a backward pass, which draws nothing otherwise, but not as the body of a `checkpoint`."""
    eqns = [at.eqn for at in use.at.above()]
    if any(map(equations.is_recomputation, eqns)):
        return False
    return any(map(equations.is_transposed, eqns))


def _makes(use: Use) -> Any:
    """What is alike for two uses that make the same of one key: sampler, shape and dtype."""
    eqn = use.at.eqn
    return sampler_name(eqn), [(v.aval.shape, v.aval.dtype) for v in eqn.outvars]


def _has_all_of(first: Use, again: Use, tables: Mapping[Path, KeyTable]) -> bool:
    """All keys of `again` are of `first`, as far as they were computed."""
    ours, theirs = tables.get(first.path), tables.get(again.path)
    if ours is None or theirs is None or _is_full(first, ours):
        return True
    if ours.words.shape[-1] != theirs.words.shape[-1]:
        return False
    rows = [t.words.reshape(-1, t.words.shape[-1])[t.reached.reshape(-1)] for t in (ours, theirs)]
    numbers = numbered(np.concatenate(rows))
    count = len(rows[0])
    return bool(np.isin(numbers[count:], numbers[:count]).all())


def _is_full(use: Use, table: KeyTable) -> bool:
    """A loop around it reached the last step that the ledger has room for: it may go on."""
    loops = (depth for depth, scope in enumerate(use.scopes) if scope.kind == "while")
    return any(np.take(table.reached, -1, axis=depth).any() for depth in loops)
