"""The table of transfers is complete, and brute force notices a wrong transfer."""

import pytest

from jaxrng_doctor.analysis.lineage.transfers import TRANSFERS, elementwise, indexing, keys, moving
from jaxrng_doctor.analysis.lineage.values import DISTINCT, EQUAL
from tests.lineage.brute_force import SCOPES, outcome, tried
from tests.lineage.transfers import test_elementwise, test_indexing, test_keys, test_moving

FAMILIES = [elementwise, indexing, keys, moving]
CASES = [
    case
    for module in (test_elementwise, test_indexing, test_keys, test_moving)
    for case in module.CASES
    if not case.unsound
]


def cases_of(primitive):
    """The cases with the most axes first, as a claim can be wrong along each axis."""
    found = [case for case in CASES if case.primitive == primitive]
    return sorted(found, key=lambda case: -sum(len(o.shape) for o in case.operands))


def claiming(variation):
    def transfer(eqn, args):
        del args
        rank = eqn.outvars[0].aval.ndim
        return dict.fromkeys(range(len(SCOPES)), variation), (variation,) * rank

    return transfer


def test_each_primitive_is_of_one_family():
    assert sorted(TRANSFERS) == sorted(name for family in FAMILIES for name in family.TRANSFERS)
    assert set(TRANSFERS) == {case.primitive for case in CASES} | {"reduce_precision"}


@pytest.mark.parametrize("primitive", sorted({case.primitive for case in CASES}))
def test_a_transfer_that_is_wrong_is_noticed_and_one_that_is_right_says_something(primitive):
    case = cases_of(primitive)[0]
    found = tried(case)

    assert outcome(found, claiming(DISTINCT)).false
    assert outcome(found, claiming(EQUAL)).false
    assert outcome(found, TRANSFERS[primitive]).claimed & {EQUAL, DISTINCT}
