"""What each primitive does to abstract values: one file per family, and one table for all.

A transfer takes an equation and the values of its operands, and returns the `over` and `axes` that
each output has. To add a primitive, add a line or a function to its family; CONTRIBUTING.md says
what else may depend on it. A primitive without a transfer is treated as an unknown pure function of
its operands, which is always safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxrng_doctor.analysis.lineage.transfers import elementwise, indexing, keys, moving
from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.model.facts import Variation

Shape = tuple[Mapping[int, Variation], tuple[Variation, ...]]
"""The `over` and the `axes` of one output."""

TRANSFERS: dict[str, Callable[[Any, tuple[Value, ...]], Shape]] = {
    **elementwise.TRANSFERS,
    **moving.TRANSFERS,
    **indexing.TRANSFERS,
    **keys.TRANSFERS,
}
