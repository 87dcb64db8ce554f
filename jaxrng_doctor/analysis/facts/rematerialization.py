"""Uses of keys that only repeat another, for the backward pass of a derivative.

A `checkpoint` draws anew what it has drawn in the forward pass. The rule of a `custom_vjp` may do
so too, once or (Equinox's checkpointed loops) several times. The same numbers are what it is for.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrng_doctor.analysis.keys.counts import numbered
from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.elements import Identities
from jaxrng_doctor.analysis.lineage.uses import Use
from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.equations import Eqn
from jaxrng_doctor.tracing import checkpoints, custom_rules
from jaxrng_doctor.tracing.draws import sampler_name
from jaxrng_doctor.tracing.places import locate, user_stack
from jaxrng_doctor.tracing.subprograms import EqnPath


def redone(uses: Sequence[Use], ledger: Ledger) -> frozenset[EqnPath]:
    """The uses in a backward pass of whose every key a use before makes the same."""
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
    """In the body of a `checkpoint` that is run again for the backward pass."""
    return checkpoints.is_recomputed(_eqns(use))


def are_one(a: Use, b: Use) -> bool:
    """The two, of which one is recomputed, are what one use in one call of a `checkpoint` became.

    Where one jaxpr holds the call and serves several (of a jitted function, of a loop's), the
    numbers are the same, and so are the Python stacks, but for calls that one may lack.
    """
    if locate(a.at) != locate(b.at) or checkpoints.calls(_eqns(a)) != checkpoints.calls(_eqns(b)):
        return False
    body = _body(a)
    if body is not None and body == _body(b):
        return False  # in one body there are no two of one
    if not (_is_in_called(a, b) or _is_in_called(b, a)):
        return True
    short, long = sorted((user_stack(a.at), user_stack(b.at)), key=len)
    rest = iter(long)
    return all(call in rest for call in short)


def _body(use: Use) -> EqnPath | None:
    """The path of the innermost body around it that is run again, if it still has an equation."""
    eqns = _eqns(use)
    for level in reversed(range(len(eqns))):
        if equations.is_recomputation(eqns[level]):
            return use.path[: level + 1]
    return None


def _is_in_called(use: Use, other: Use) -> bool:
    """A jaxpr that may serve several calls holds the call, and not that of the other use."""
    parts = zip(use.path, other.path, strict=False)
    shared = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], parts)))
    outside = itertools.takewhile(lambda eqn: not checkpoints.calls([eqn]), _eqns(use)[:-1])
    return any(map(_may_be_called_again, itertools.islice(outside, shared, None)))


def _may_be_called_again(eqn: Eqn) -> bool:
    """Not so a derivative's vmap over a basis."""
    return not getattr(eqn.params.get("site"), "basis", False)


def _eqns(use: Use) -> list[Any]:
    return [at.eqn for at in use.at.above()]


def _is_backward(use: Use) -> bool:
    return is_recomputed(use) or any(map(equations.is_transposed, _eqns(use)))


def _makes(use: Use) -> Any:
    """The sampler, shape and dtype: the same where two uses make the same of one key."""
    eqn = use.at.eqn
    return sampler_name(eqn), tuple((v.aval.shape, v.aval.dtype) for v in eqn.outvars)


def _leads_to(first: Use, again: Use) -> bool:
    """They are of one call.

    What a rule for the backward pass draws is of the call that the forward pass has made. Where
    that has no number, JAX says that all of the rule is where the function was called.
    """
    if is_recomputed(again):
        return are_one(first, again)
    calls = custom_rules.calls(_eqns(again))
    if calls:
        return not _is_backward(first) and calls <= custom_rules.calls(_eqns(first))
    called = user_stack(again.at)[:1]
    return bool(called) and not _is_backward(first) and called[0] in user_stack(first.at)


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
