"""What a backward pass only uses again: in come uses and keys, out come such uses.

A `checkpoint` draws anew what it has drawn in the forward pass. The rule of a `custom_vjp` may do
so too, once or (Equinox's checkpointed loops) several times. The same numbers are what it is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrng_doctor.counting import numbered
from jaxrng_doctor.keytables import Ledger
from jaxrng_doctor.lineage.use import Path, Use
from jaxrng_doctor.trace import equations
from jaxrng_doctor.trace.draws import sampler_name
from jaxrng_doctor.trace.places import user_stack


def redone(uses: Sequence[Use], ledger: Ledger) -> frozenset[Path]:
    """The uses in a backward pass of whose every key a use of the forward pass makes the same."""
    again = [use for use in uses if _is_backward(use)]
    if not again:
        return frozenset()
    paths = {use.path for use in again}
    # Each of the forward pass, with what is known to redo it.
    known = [(use, [use]) for use in uses if use.path not in paths]
    found = set()
    for use in again:
        for first, others in known:
            if _redoes(use, first, others, ledger):
                others.append(use)
                found.add(use.path)
                break
    return frozenset(found)


def is_recomputed(use: Use) -> bool:
    """In the body of a `checkpoint` that is run again for the backward pass."""
    return any(equations.is_recomputation(at.eqn) for at in use.at.above())


def is_one_call(a: Use, b: Use) -> bool:
    """One call of the user's leads to both.

    Where checkpoints are nested, one of the two stacks lacks some of the other's calls; that of
    what JAX has written into the caller has only the innermost.
    """
    short, long = sorted((user_stack(a.at), user_stack(b.at)), key=len)
    rest = iter(long)
    return all(call in rest for call in short)


def _is_backward(use: Use) -> bool:
    return is_recomputed(use) or any(equations.is_transposed(at.eqn) for at in use.at.above())


def _redoes(use: Use, first: Use, others: Sequence[Use], ledger: Ledger) -> bool:
    if _makes(first) != _makes(use) or not _has_all_of(first, use, ledger):
        return False
    # JAX tells that all of a rule is where the forward pass has called.
    return not is_recomputed(use) or all(is_one_call(use, other) for other in others)


def _makes(use: Use) -> Any:
    """What is alike for two uses that make the same of one key: sampler, shape and dtype."""
    eqn = use.at.eqn
    return sampler_name(eqn), [(v.aval.shape, v.aval.dtype) for v in eqn.outvars]


def _has_all_of(first: Use, again: Use, ledger: Ledger) -> bool:
    """All keys of `again` are of `first`, as far as they were computed."""
    ours, theirs = ledger.keys.get(first.path), ledger.keys.get(again.path)
    if ours is None or theirs is None or _is_cut(first, ledger):
        return True
    if ours.words.shape[-1] != theirs.words.shape[-1]:
        return False
    rows = [t.words.reshape(-1, t.words.shape[-1])[t.reached.reshape(-1)] for t in (ours, theirs)]
    numbers = numbered(np.concatenate(rows))
    count = len(rows[0])
    return bool(np.isin(numbers[count:], numbers[:count]).all())


def _is_cut(use: Use, ledger: Ledger) -> bool:
    """A loop around it has made more steps than there are keys of."""
    return any(ledger.is_cut(use.into(depth)) for depth in range(len(use.scopes)))
