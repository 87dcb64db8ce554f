"""Makes the `Listing` of a `Trace` that `inspect` shows, with its keys and findings."""

from __future__ import annotations

from collections.abc import Sequence

from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.engine import Engine
from jaxrng_doctor.analysis.listing.marks import Marks
from jaxrng_doctor.analysis.listing.rows import Rows
from jaxrng_doctor.analysis.listing.tree import Tree
from jaxrng_doctor.model.findings import Finding, Gap
from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.tracing.draws import sampler_name
from jaxrng_doctor.tracing.places import locate
from jaxrng_doctor.tracing.program import Trace


def listing(
    target: str,
    trace: Trace,
    ledger: Ledger,
    findings: Sequence[Finding] = (),
    gaps: Sequence[Gap] = (),
    *,
    every: bool = False,
    not_computed: str = "",
) -> Listing:
    """The listing of a trace.

    With `every`, folds and draws contain the equations they stand for, and the variation of these
    is followed too. `ledger` may be empty, or lack the keys of variables (see `compute_keys`):
    keys are then distinguished by their derivations. `not_computed`: the reason, for the reader.
    """
    engine = Engine(trace, noting=True, everything=every)
    engine.run()
    draws = sorted(engine.draws, key=lambda use: use.path)
    splits = sorted(engine.splits, key=lambda use: use.path)
    marks = Marks(ledger, [*draws, *splits])
    drawn_at = {locate(use.at) for use in draws}
    rows = Rows(trace, engine.visits, marks, findings, drawn_at, every=every)
    inputs, made, results = rows.program()
    tree = Tree(rows.made, rows.drawn)
    is_draw = {id(use) for use in draws}
    for use in sorted((*draws, *splits), key=lambda use: use.path):
        if id(use) in is_draw:
            tree.draw(use.path, sampler_name(use.at.eqn), use.keys)
        else:
            split = engine.visits[use.path[:-1]].values.get(use.at.eqn.outvars[0])
            tree.key(use.keys[0] if split is None else split)
    for output, key in engine.returned.items():
        tree.returned(trace.out_paths[output], key)
    return Listing(
        target=target,
        lines=trace.place,
        inputs=inputs,
        rows=made,
        results=tuple(zip(trace.out_paths, results, strict=True)),
        tree=tree.nodes(),
        findings=tuple(findings),
        gaps=tuple(gaps),
        colors=marks.count,
        equations=rows.counts.inside(trace.jaxpr),
        not_computed=not_computed,
    )
