"""The transfers of key derivation by brute force: their claims hold for all small inputs."""

import jax
import pytest

from jaxrng_doctor.analysis.lineage.transfers import keys
from tests.lineage.brute_force import Case, Operand, binding, outcome, parameters, tried

IMPLS = {"fry": "threefry2x32", "rbg": "rbg", "urbg": "unsafe_rbg"}
SHAPES = [(), (1,), (3,), (2, 3)]


def key(shape, impl="fry"):
    return Operand(shape, impl)


SPLITS = {
    ("fry", ()): [(), (3,), (2, 2)],
    ("fry", (3,)): [(2,)],
    ("rbg", ()): [(2,)],
    ("urbg", ()): [(2,)],
}
FOLDS = [("fry", ()), ("fry", (3,)), ("rbg", ()), ("urbg", ())]

CASES = [
    *(
        Case("random_split", binding("random_split", shape=count), (key(shape, impl),),
             label=f"shape={count}", one_by_one=impl != "fry")
        for (impl, shape), counts in SPLITS.items()
        for count in counts
    ),
    *(
        Case("random_fold_in", binding("random_fold_in"),
             (key(shape, impl), Operand(shape, "uint32")), one_by_one=impl != "fry",
             coarse="a hash of both, by xor" if impl == "urbg" else "")
        for impl, shape in FOLDS
    ),
    *(
        Case(
            "random_seed",
            lambda s, impl=impl: jax.random.key(s, impl=IMPLS[impl]),
            (Operand((), dtype),),
            label=impl,
        )
        for impl in IMPLS
        for dtype in ("int32", "uint32", "uint8")
    ),
    *(Case("random_clone", jax.random.clone, (key(shape),)) for shape in SHAPES),
    *(
        Case("random_unwrap", jax.random.key_data, (key(shape, impl),))
        for shape in SHAPES
        for impl in IMPLS
    ),
    *(
        Case(
            "random_wrap",
            lambda w, impl=impl: jax.random.wrap_key_data(w, impl=IMPLS[impl]),
            (Operand((*shape, 2 if impl == "fry" else 4), "words"),),
            label=impl,
        )
        for shape in SHAPES
        for impl in IMPLS
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_is_claimed_holds_of_all_small_inputs(case):
    found = outcome(tried(case, CASES), keys.TRANSFERS[case.primitive])

    assert found.false == []
    assert case.coarse or found.missed == []


def test_each_primitive_is_tried():
    assert {case.primitive for case in CASES} == set(keys.TRANSFERS)
