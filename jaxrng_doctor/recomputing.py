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
from jaxrng_doctor.lineage.elements import Identities
from jaxrng_doctor.lineage.use import Path, Use
from jaxrng_doctor.trace import equations
from jaxrng_doctor.trace.draws import sampler_name
from jaxrng_doctor.trace.places import locate, user_stack


def redone(uses: Sequence[Use], ledger: Ledger) -> frozenset[Path]:
    """The uses in a backward pass of whose every key a use of the forward pass makes the same."""
    again = [use for use in uses if _is_backward(use)]
    if not again:
        return frozenset()
    paths = {use.path for use in again}
    first = [use for use in uses if use.path not in paths]
    keys = _Keys(ledger)

    def is_redone_of(use: Use, f: Use) -> bool:
        return _makes(f) == _makes(use) and _leads_to(f, use) and keys.has_all(f, use)

    return frozenset(use.path for use in again if any(is_redone_of(use, f) for f in first))


def is_recomputed(use: Use) -> bool:
    """In the body of a `checkpoint` that is run again for the backward pass."""
    return _recomputation(use) is not None


def recompute_one(a: Use, b: Use) -> bool:
    """Both recompute what was drawn once: one call of the user's leads to both.

    Where checkpoints are nested, one of the two stacks lacks some of the other's calls.
    """
    if _recomputation(a) == _recomputation(b):
        return False  # in one body there are no two of one
    short, long = sorted((user_stack(a.at), user_stack(b.at)), key=len)
    rest = iter(long)
    return all(call in rest for call in short)


def _recomputation(use: Use) -> Path | None:
    """The path of the innermost body around it that is run again, if there is one."""
    above = use.at.above()
    for level in reversed(range(len(above))):
        if equations.is_recomputation(above[level].eqn):
            return use.path[: level + 1]
    return None


def _is_backward(use: Use) -> bool:
    return is_recomputed(use) or any(equations.is_transposed(at.eqn) for at in use.at.above())


def _makes(use: Use) -> Any:
    """What is alike for two uses that make the same of one key: sampler, shape and dtype."""
    eqn = use.at.eqn
    return sampler_name(eqn), [(v.aval.shape, v.aval.dtype) for v in eqn.outvars]


def _leads_to(first: Use, again: Use) -> bool:
    """They are of one call, as far as places tell.

    The body of a `checkpoint` keeps its own. JAX tells that all of a rule for the backward pass is
    where the function was called; what that draws in the forward pass has this call around it.
    """
    if is_recomputed(again):
        return locate(first.at) == locate(again.at)
    return {*user_stack(again.at)} <= {*user_stack(first.at)}


class _Keys:
    """The keys of uses: as they were computed, else as lineage has them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._identities = Identities()

    def has_all(self, first: Use, again: Use) -> bool:
        """All keys of `again` are of `first`, as far as that is known.

        Of a loop that was cut it is not, nor, without computed keys, in what order a rule goes.
        """
        ours, theirs = self._ledger.keys.get(first.path), self._ledger.keys.get(again.path)
        if ours is None or theirs is None:
            if not is_recomputed(again):
                return True
            ours_of, theirs_of = (list(map(self._identities.of, u.keys)) for u in (first, again))
            return ours_of == theirs_of
        if any(self._ledger.is_cut(first.into(depth)) for depth in range(len(first.scopes))):
            return True
        if ours.words.shape[-1] != theirs.words.shape[-1]:
            return False
        tables = (ours, theirs)
        rows = [t.words.reshape(-1, t.words.shape[-1])[t.reached.reshape(-1)] for t in tables]
        numbers = numbered(np.concatenate(rows))
        count = len(rows[0])
        return bool(np.isin(numbers[count:], numbers[:count]).all())
