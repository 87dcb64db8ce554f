"""The transfers of arithmetic by brute force: their claims hold for all small inputs."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.transfers import elementwise
from jaxrng_doctor.analysis.lineage.values import CONSTANT, DISTINCT, EQUAL, UNKNOWN
from tests.lineage.brute_force import (
    Case,
    Operand,
    binding,
    equation,
    outcome,
    parameters,
    tried,
    values,
)

SHAPES = [(), (3,), (2, 3), (0, 3)]
PAIRS = [((), ()), ((3,), (3,)), ((2, 3), (2, 3)), ((3,), ()), ((), (2, 3))]

# The dtypes that each is tried with. `words` are the words of keys, as uint32 arrays.
ONE_OPERAND = {
    "copy": ("int32", "words"),
    "neg": ("int8", "int32", "words", "float32"),
    "not": ("bool", "int32", "words"),
}
TWO_OPERANDS = {
    "add": ("int8", "int32", "words"),
    "sub": ("int8", "int32", "words"),
    "xor": ("bool", "int32", "words"),
}
LOSSY = {
    "abs": ("int32", "float32"),
    "ceil": ("float32",),
    "clz": ("int32",),
    "exp": ("float32",),
    "floor": ("float32",),
    "is_finite": ("float32",),
    "log": ("float32",),
    "population_count": ("int32",),
    "round": ("float32",),
    "sign": ("int32", "float32"),
    "sqrt": ("float32",),
    "square": ("int32",),
    "stop_gradient": ("int32",),
}
LOSSY_OF_TWO = {
    "and": ("bool", "int32"),
    "div": ("int32",),
    "eq": ("int32",),
    "ge": ("int32",),
    "gt": ("int32",),
    "le": ("int32",),
    "lt": ("int32",),
    "max": ("int32",),
    "min": ("int32",),
    "mul": ("int32",),
    "ne": ("int32",),
    "or": ("bool", "int32"),
    "pow": ("float32",),
    "rem": ("int32",),
    "shift_left": ("int32",),
    "shift_right_arithmetic": ("int32",),
    "shift_right_logical": ("int32",),
}
PUBLIC = {"copy": jnp.copy, "not": lax.bitwise_not}

CASTS = [
    ("bool", "int32"), ("uint8", "uint32"), ("int8", "uint32"), ("int32", "uint32"),
    ("uint32", "int8"), ("int32", "float32"), ("float32", "int32"), ("int32", "bool"),
]  # fmt: skip


def added(x, y):
    """`x + y` by the `add_any` of a gradient, which adds two contributions to that of `z`."""
    return jax.vjp(lambda z: (z + 0 * x, z + 0 * y), x)[1]((x, y))[0]


def shapes(dtype):
    return [shape for shape in SHAPES if shape or dtype != "words"]


def scalar(dtype, shape):
    return "uint32" if dtype == "words" and not shape else dtype


def pairs(dtype):
    return [(one, other) for one, other in PAIRS if one or dtype != "words"]


CASES = [
    *(
        Case(name, PUBLIC.get(name) or getattr(lax, name), (Operand(shape, dtype),), params={})
        for name, dtypes in (ONE_OPERAND | LOSSY).items()
        for dtype in dtypes
        for shape in (shapes(dtype) if name in ONE_OPERAND else [(3,)])
    ),
    *(
        Case(name, binding(name), (Operand(one, dtype), Operand(other, scalar(dtype, other))))
        for name, dtypes in (TWO_OPERANDS | LOSSY_OF_TWO).items()
        for dtype in dtypes
        for one, other in (pairs(dtype) if name in TWO_OPERANDS else [((3,), ())])
    ),
    *(
        Case("add_any", binding("add_any"), (Operand(shape, dtype),) * 2)
        for dtype in ("int32", "words")
        for shape in shapes(dtype)
    ),
    *(Case(name, binding(name), (Operand((1, 3)), Operand((2, 3)))) for name in TWO_OPERANDS),
    *(
        Case(
            name,
            binding(name),
            (Operand((3,), "float32"), Operand((), "float32")),
        )
        for name in ("add", "sub")
    ),
    Case("add_any", binding("add_any"), (Operand((3,), "float32"),) * 2),
    Case(
        "reduce_precision",
        lambda x: lax.reduce_precision(x, exponent_bits=5, mantissa_bits=3),
        (Operand((3,), "float32"),),
    ),
    *(
        Case("integer_pow", lambda x, y=y: lax.integer_pow(x, y), (Operand((3,)),), label=f"y={y}")
        for y in (2, 3)
    ),
    *(
        Case("clamp", lax.clamp, (Operand(bound), Operand((3,)), Operand(bound)))
        for bound in [(), (3,)]
    ),
    *(
        Case(
            "convert_element_type",
            lambda x, target=target: lax.convert_element_type(x, target),
            (Operand(shape, source),),
            label=target,
        )
        for source, target in CASTS
        for shape in [(), (3,)]
    ),
    *(
        Case("select_n", lax.select_n, (Operand(which, "bool"), Operand(shape), Operand(shape)))
        for which, shape in [((), ()), ((3,), (3,)), ((), (2, 3)), ((2, 3), (2, 3))]
    ),
    Case("select_n", lax.select_n, (Operand((), numbers=(0, 1, 2)), *(Operand((3,)),) * 3)),
    Case("select_n", lax.select_n, (Operand((), "bool"), *(Operand((2, 2), "words"),) * 2)),
    Case(
        "select_n",
        lax.select_n,
        (Operand((2,), "bool"), *(Operand((2,), "words", (0, 1)),) * 2),
        samples=800,
    ),
    Case(
        "convert_element_type",
        lambda x: lax.convert_element_type(x, "int32"),
        (Operand((2,), "words"),),
    ),
    Case("copy_p", lambda x: x, (Operand((2, 3)),), params={}),
]


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_is_claimed_holds_of_all_small_inputs(case):
    assert outcome(tried(case, CASES), elementwise.TRANSFERS[case.primitive]).false == []


# The claim about a result, by the claims about its operands.
OF_ONE = {(CONSTANT,): CONSTANT, (EQUAL,): EQUAL, (UNKNOWN,): UNKNOWN}
OF_TWO = {
    (CONSTANT, CONSTANT): CONSTANT,
    (CONSTANT, EQUAL): EQUAL,
    (EQUAL, CONSTANT): EQUAL,
    (DISTINCT, DISTINCT): UNKNOWN,
    (DISTINCT, UNKNOWN): UNKNOWN,
    (UNKNOWN, EQUAL): UNKNOWN,
}
KEEPING = {(DISTINCT, EQUAL): DISTINCT, (CONSTANT, DISTINCT): DISTINCT}
LOSING = {(DISTINCT, EQUAL): UNKNOWN, (CONSTANT, DISTINCT): UNKNOWN}
CLAIMS = {
    **dict.fromkeys(ONE_OPERAND, OF_ONE | {(DISTINCT,): DISTINCT}),
    **dict.fromkeys(LOSSY, OF_ONE | {(DISTINCT,): UNKNOWN}),
    **dict.fromkeys((*TWO_OPERANDS, "add_any"), OF_TWO | KEEPING),
    **dict.fromkeys(LOSSY_OF_TWO, OF_TWO | LOSING),
    "select_n": {
        (CONSTANT, DISTINCT, DISTINCT): DISTINCT,
        (EQUAL, DISTINCT, DISTINCT): DISTINCT,
        (EQUAL, EQUAL, CONSTANT): EQUAL,
        (EQUAL, DISTINCT, EQUAL): UNKNOWN,
        (DISTINCT, CONSTANT, CONSTANT): UNKNOWN,
        (UNKNOWN, EQUAL, EQUAL): UNKNOWN,
    },
}


@pytest.mark.parametrize("primitive", CLAIMS)
def test_what_is_claimed_of_a_result(primitive):
    case = next(c for c in CASES if c.primitive == primitive and c.operands[0].shape)
    eqn = equation(case)
    for known, claim in CLAIMS[primitive].items():
        ranks = [len(operand.shape) for operand in case.operands]
        args = values(
            tuple(((v,), (max(v, EQUAL),) * r) for v, r in zip(known, ranks, strict=True))
        )
        over, axes = elementwise.TRANSFERS[primitive](eqn, args)
        assert over.get(0, CONSTANT) is claim, known
        if len(set(ranks)) == 1:
            assert axes == (max(claim, EQUAL),) * ranks[0], known


@pytest.mark.parametrize(
    ("source", "target", "claim"),
    [
        ("bool", "int32", DISTINCT),
        ("int8", "uint32", DISTINCT),
        ("int32", "uint32", DISTINCT),
        ("uint32", "int8", UNKNOWN),
        ("int32", "float32", UNKNOWN),
        ("float32", "int32", UNKNOWN),
        ("int32", "bool", UNKNOWN),
    ],
)
def test_only_a_conversion_that_loses_nothing_keeps_numbers_apart(source, target, claim):
    one = Operand((3,), source)
    case = Case("convert_element_type", lambda x: lax.convert_element_type(x, target), (one,))
    for known, kept in [(DISTINCT, claim), (EQUAL, EQUAL)]:
        found = elementwise.TRANSFERS[case.primitive](
            equation(case), values((((known,), (known,)),))
        )
        assert found == ({0: kept}, (kept,))


def test_a_choice_between_a_value_and_itself_is_that_value():
    case = next(c for c in CASES if c.primitive == "select_n")
    which, one = values((((DISTINCT,), ()), ((DISTINCT,), ())))

    assert elementwise.TRANSFERS["select_n"](equation(case), (which, one, one)) == (one.over, ())


@pytest.mark.parametrize(
    ("which", "dtype", "claim"),
    [((), "words", DISTINCT), ((2, 2), "words", UNKNOWN), ((2, 2), "int32", DISTINCT)],
)
def test_a_choice_for_each_word_mixes_the_words_of_keys(which, dtype, claim):
    case = Case("select_n", lax.select_n, (Operand(which, "bool"), *(Operand((2, 2), dtype),) * 2))
    index, one, other = (
        ((EQUAL,), (EQUAL,) * len(which)),
        *(((DISTINCT,), (DISTINCT, UNKNOWN)),) * 2,
    )

    found = elementwise.TRANSFERS["select_n"](equation(case), values((index, one, other)))

    assert found == ({0: claim}, (claim, UNKNOWN))


def test_each_primitive_is_tried():
    assert {case.primitive for case in CASES} == set(elementwise.TRANSFERS)
