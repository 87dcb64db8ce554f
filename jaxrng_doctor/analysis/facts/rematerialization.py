"""Finds uses of keys that only repeat another use, for the backward pass of a derivative.

A `checkpoint` repeats the draws of the forward pass. The rule of a `custom_vjp` may do so too, once
or (in Equinox's checkpointed loops) several times. The equal numbers are intended.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrng_doctor.analysis.keys.counts import numbered
from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.key_identity import Identities
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.equations import Eqn
from jaxrng_doctor.tracing import checkpoints, custom_rules
from jaxrng_doctor.tracing.draws import sampler_name
from jaxrng_doctor.tracing.places import locate, user_stack
from jaxrng_doctor.tracing.scopes import EqnPath


def redone(uses: Sequence[Use], ledger: Ledger) -> frozenset[EqnPath]:
    """The paths of the uses in a backward pass that repeat an earlier use with the same keys."""
    keys = _Keys(ledger)
    firsts: dict[Any, list[Use]] = defaultdict(list)
    again: set[EqnPath] = set()
    for use in uses:
        before = firsts[_makes(use)]
        if _is_backward(use) and any(_leads_to(f, use) and keys.has_all(f, use) for f in before):
            again.add(use.path)
        else:
            before.append(use)
    return frozenset(again)


def is_recomputed(use: Use) -> bool:
    """Whether a use is in a `checkpoint` body that is run again for the backward pass."""
    return checkpoints.is_recomputed(_eqns(use))


def are_same_use(a: Use, b: Use) -> bool:
    """Whether two uses, one of them recomputed, come from one use in one call of a `checkpoint`.

    A jaxpr that contains the call may serve several calls (of a jitted function, of a loop body).
    Then the numbers of the `checkpoint` calls are equal, and the Python stacks must be equal too,
    except for calls that one of them may lack.
    """
    if locate(a.at) != locate(b.at) or checkpoints.calls(_eqns(a)) != checkpoints.calls(_eqns(b)):
        return False
    body = _body(a)
    if body is not None and body == _body(b):
        return False  # one body contains each use only once
    if not (_is_in_called(a, b) or _is_in_called(b, a)):
        return True
    short, long = sorted((user_stack(a.at), user_stack(b.at)), key=len)
    rest = iter(long)
    return all(call in rest for call in short)


def _body(use: Use) -> EqnPath | None:
    """The path of the innermost recomputed body around a use, `None` if no equation holds it."""
    eqns = _eqns(use)
    for level in reversed(range(len(eqns))):
        if equations.is_recomputation(eqns[level]):
            return use.path[: level + 1]
    return None


def _is_in_called(use: Use, other: Use) -> bool:
    """Whether a jaxpr that may serve several calls holds the call of `use`, but not of `other`."""
    parts = zip(use.path, other.path, strict=False)
    shared = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], parts)))
    outside = itertools.takewhile(lambda eqn: not checkpoints.calls([eqn]), _eqns(use)[:-1])
    return any(map(_may_be_called_again, itertools.islice(outside, shared, None)))


def _may_be_called_again(eqn: Eqn) -> bool:
    """Whether its jaxprs may serve several calls; false for a vmap over a Jacobian's basis."""
    return not getattr(eqn.params.get("site"), "basis", False)


def _eqns(use: Use) -> list[Any]:
    return [at.eqn for at in use.at.above()]


def _is_backward(use: Use) -> bool:
    return is_recomputed(use) or any(map(equations.is_transposed, _eqns(use)))


def _makes(use: Use) -> Any:
    """The sampler, shapes and dtypes: equal if two uses get the same result from one key."""
    eqn = use.at.eqn
    return sampler_name(eqn), tuple((v.aval.shape, v.aval.dtype) for v in eqn.outvars)


def _leads_to(first: Use, again: Use) -> bool:
    """Whether the two belong to one call.

    A draw of a backward-pass rule belongs to the call that the forward pass made. If that call has
    no number, JAX locates the whole rule where the function was called.
    """
    if is_recomputed(again):
        return are_same_use(first, again)
    calls = custom_rules.calls(_eqns(again))
    if calls:
        return not _is_backward(first) and calls <= custom_rules.calls(_eqns(first))
    called = user_stack(again.at)[:1]
    return bool(called) and not _is_backward(first) and called[0] in user_stack(first.at)


class _Keys:
    """The keys of uses: the computed keys, or their derivations if there are none."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._identities = Identities()

    def has_all(self, first: Use, again: Use) -> bool:
        """Whether all keys of `again` are keys of `first`; true if that is unknown.

        It is unknown for a loop that was cut. Without computed keys it is also unknown for a rule,
        because the order of its steps is.
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
