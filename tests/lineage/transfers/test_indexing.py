"""The transfers of indexing by brute force: their claims hold for all small inputs."""

import jax.numpy as jnp
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.transfers import indexing
from tests.lineage.brute_force import Case, Operand, binding, outcome, parameters, tried

CLIP, FILL = lax.GatherScatterMode.CLIP, lax.GatherScatterMode.FILL_OR_DROP
WHOLE = "of a whole axis there is but one slice"
SAME = "equal indices find equal elements"

SLICES = [
    ((3,), (0,), (2,), None), ((3,), (0,), (3,), (2,)), ((3,), (1,), (1,), None),
    ((2, 3), (0, 1), (2, 3), None), ((2, 3), (1, 0), (2, 3), (1, 2)),
    ((2, 3), (0, 0), (1, 1), None),
]  # fmt: skip


def cut(shape, start, limit, strides=None, dtype="int32", **notes):
    return Case(
        "slice", lambda x: lax.slice(x, start, limit, strides), (Operand(shape, dtype),),
        label=f"{start}:{limit}:{strides}", **notes,
    )  # fmt: skip


def dynamic(shape, sizes, dtype="int32", **notes):
    starts = tuple(Operand((), numbers=tuple(range(-1, n + 1))) for n in shape)
    return Case(
        "dynamic_slice", binding("dynamic_slice", slice_sizes=sizes),
        (Operand(shape, dtype), *starts), label=f"sizes={sizes}", **notes,
    )  # fmt: skip


def gather(shape, indices, numbers, dtype="int32", *, axis=0, mode=CLIP, **notes):
    """`x[indices]` along one axis; `indices` has the shape `[..., 1]`."""
    offset = tuple(range(len(indices) - 1, len(indices) + len(shape) - 2))
    dims = lax.GatherDimensionNumbers(offset, (axis,), (axis,))
    sizes = tuple(1 if i == axis else n for i, n in enumerate(shape))
    return Case(
        "gather",
        lambda x, i: lax.gather(x, i, dims, sizes, mode=mode),
        (Operand(shape, dtype), Operand(indices, numbers=numbers)),
        label=f"axis={axis} {mode.name}",
        **notes,
    )


def unstack(array, axis, **notes):
    return Case(
        "unstack",
        lambda x: (
            [lax.index_in_dim(x, i, axis, keepdims=False) for i in range(x.shape[axis])]
            if not hasattr(lax, "unstack_p")
            else jnp.unstack(x, axis=axis)
        ),
        (array,),
        label=f"axis={axis}",
        params={"axis": axis},
        **notes,
    )


CASES = [
    *(cut(*each) for each in SLICES),
    cut((2, 2), (0, 0), (1, 2), dtype="words"),
    cut((3, 2), (0, 0), (3, 1), dtype="words"),
    cut((3, 2), (0, 0), (3, 2), (2, 1), dtype="words"),
    cut((2, 2), (0, 0), (2, 2), (1, 2), dtype="words"),
    *(dynamic(*each) for each in [((3,), (2,)), ((2, 3), (1, 3))]),
    dynamic((3,), (3,), coarse=WHOLE),
    dynamic((2, 3), (2, 1), coarse=WHOLE),
    dynamic((3, 2), (1, 2), "words"),
    dynamic((3, 2), (3, 1), "words", coarse=WHOLE),
    gather((3,), (1,), (0, 1, 2)),
    gather((3,), (2, 1), (0, 1, 2), coarse=SAME),
    gather((3,), (2, 1), (0, 2, 5), coarse=SAME),
    gather((2, 3), (1,), (0, 1)),
    gather((2, 3), (2, 1), (0, 1), axis=1),
    gather((3,), (2, 1), (0, 1, 2), mode=FILL),
    gather((3,), (2, 1), (0, 2, 5), mode=FILL),
    gather((2, 2), (1,), (0, 1), "words"),
    gather((2, 2), (1,), (0, 1), "words", axis=1),
    gather((2, 2), (2, 1), (0, 1), "words"),
    *(unstack(Operand((2, 3)), axis) for axis in (0, 1)),
    unstack(Operand((3,)), 0),
    unstack(Operand((2, 2), "words"), 0),
    unstack(Operand((2, 2), "words"), 1, coarse="single words may be equal"),
]


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_is_claimed_holds_of_all_small_inputs(case):
    found = outcome(tried(case, CASES), indexing.TRANSFERS[case.primitive])

    assert found.false == []
    assert case.coarse or found.missed == []


def test_each_primitive_is_tried():
    assert {case.primitive for case in CASES} == set(indexing.TRANSFERS)
