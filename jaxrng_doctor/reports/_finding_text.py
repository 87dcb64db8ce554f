"""One finding in words: headline, source, keys, scopes, notes, help. In: a finding. Out: rows."""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import Draw, Evidence, Finding, Scope
from jaxrng_doctor.reports._layout import Layout, Row, visible
from jaxrng_doctor.reports._snippet import Mark, gutter, snippets
from jaxrng_doctor.reports._strip import cells


def finding_rows(finding: Finding, layout: Layout) -> Iterator[Row]:
    """The whole finding, without a blank row at its end."""
    marks = marks_of(finding)
    yield from _headline(finding, layout)
    yield from snippets(marks, layout)
    margin = " " * (gutter(marks) + 1)
    if finding.evidence is not None and finding.evidence.examples > 1:
        yield from _keys(finding.evidence, unit_of(finding.scopes), margin, layout)
    if finding.scopes:
        yield from _scopes(finding.scopes, margin, layout)
    yield from _remark(finding.confidence, confidence_text(finding), margin, layout)
    for note in finding.notes:
        yield from _remark("note", note, margin, layout)
    for way in finding.help:
        yield from layout.hanging(((f"{margin}help: ", "help"),), way.message)
        for line in way.code.splitlines():
            yield ((f"{margin}  |  ", "gutter"), (visible(line), ""))


STRIP = 256
"""No strip is longer; a terminal that is wider than that has no use for it either."""


def draw_rows(draw: Draw, layout: Layout) -> Iterator[Row]:
    """A draw that no finding is about: where it is, and what makes its keys differ."""
    where = f" at {layout.location(draw.place)}" if draw.place else ""
    first: Row = (("draw", "title"), (f": {visible(draw.sampler)}{where}, ", ""))
    yield from layout.hanging(first, f"key: {draw.origin}")
    if draw.scopes:
        yield from _scopes(draw.scopes, "  ", layout)
    seen = differing_keys(draw)
    if seen is not None:
        yield from _keys(seen, unit_of(draw.scopes[-1:]), "  ", layout)


def differing_keys(draw: Draw) -> Evidence | None:
    """The keys over the innermost scope, where they were counted and all differ."""
    for scope in draw.scopes[-1:]:
        # Only the ledger's count shows that keys differ; without it there is no strip to draw.
        if scope.varies and scope.size and scope.distinct == scope.size:
            return Evidence(scope.size, scope.distinct, tuple(range(min(scope.size, STRIP))))
    return None


def marks_of(finding: Finding) -> list[Mark]:
    """The finding's places with their labels, the primary first."""
    marks = [Mark(r.place, r.message, "secondary") for r in finding.related]
    if finding.place is not None:
        marks.insert(0, Mark(finding.place, finding.label, finding.severity, "^"))
    return marks


def _headline(finding: Finding, layout: Layout) -> Iterator[Row]:
    code = f"{finding.severity}[{finding.code}]"
    first: Row = ((code, finding.severity), (": ", "title"))
    *rows, last = layout.hanging(first, f"{finding.name}: {finding.message}", "title")
    yield from rows
    tag = f"({finding.confidence})"
    used = sum(layout.measure(text) for text, _ in last)
    gap = layout.width - used - len(tag)
    # Said in full below as well, so it may be left out here.
    yield (*last, (" " * gap + tag, "dim")) if gap >= 2 else last


def _keys(evidence: Evidence, unit: str, margin: str, layout: Layout) -> Iterator[Row]:
    """The strip, as much of it as there is room for, and the counts."""
    first: Row = ((f"{margin}= ", "gutter"), ("keys: ", "title"))
    indent = len(margin) + len("= keys: ")
    counts = keys_counted(evidence, unit)
    if not evidence.strip:
        yield from layout.hanging(first, counts)
        return
    shown = evidence.strip[: layout.width - indent]
    rest = ""
    if len(shown) < evidence.examples:
        shown = shown[: layout.width - indent - len(f" … and {evidence.examples:,} more")]
        rest = f" … and {evidence.examples - len(shown):,} more"
    row: Row = (*first, *cells(shown), (rest, "dim"))
    if indent + len(shown) + len(rest) + 2 + layout.measure(visible(counts)) <= layout.width:
        yield (*row, (f"  {visible(counts)}", ""))
        return
    yield row
    yield from layout.hanging(((" " * indent, ""),), counts)


def keys_counted(evidence: Evidence, unit: str) -> str:
    """`32 examples, 1 distinct key`, and which two of several share one."""
    counts = counted(evidence.examples, unit)
    counts += f", {counted(evidence.distinct_keys, 'distinct key')}"
    if evidence.equal_pair is not None and evidence.distinct_keys > 1:
        counts += f"; {unit}s {evidence.equal_pair[0]:,} and {evidence.equal_pair[1]:,} share one"
    if evidence.fixed:
        counts += f" ({evidence.fixed})"
    return counts


def _scopes(scopes: tuple[Scope, ...], margin: str, layout: Layout) -> Iterator[Row]:
    """Each scope and whether the keys differ over it: on one row, or on one each."""
    first: Row = ((f"{margin}= ", "gutter"), ("scopes: ", "title"))
    indent = len(margin) + len("= scopes: ")
    texts = [scope_text(scope) for scope in scopes]
    if indent + layout.measure("; ".join(texts)) <= layout.width:
        yield (*first, ("; ".join(texts), ""))
        return
    for n, text in enumerate(texts):
        yield from layout.hanging(((" " * indent, ""),) if n else first, text)


def scope_text(scope: Scope) -> str:
    """`vmap(add_noise) over 32: shared`."""
    name = f"({visible(scope.name)})" if scope.name else ""
    axis = f" '{visible(scope.axis_name)}'" if scope.axis_name else ""
    size = f" over {scope.size:,}" if scope.size is not None else ""
    return f"{scope.kind}{name}{axis}{size}: {_varying(scope)}"


def _varying(scope: Scope) -> str:
    if scope.varies is None:
        return "unknown"
    if scope.varies:
        return "distinct"
    some = scope.distinct is not None and scope.distinct > 1
    return counted(scope.distinct or 0, "distinct key") if some else "shared"


def unit_of(scopes: tuple[Scope, ...]) -> str:
    """What is counted along the convicted scope: a loop has steps where a vmap has examples."""
    if not scopes:
        return "use"  # of one key, at two places
    kinds = {s.kind for s in scopes if s.varies is not True} or {s.kind for s in scopes}
    if "vmap" in kinds:
        return "example"
    return "device" if kinds == {"device"} else "step"


def confidence_text(finding: Finding) -> str:
    """What the finding rests on."""
    if finding.confidence == "refuted":
        return "the trace says so, but the run says otherwise; please report this"
    if finding.confidence == "inferred":
        seen = finding.evidence
        if seen is not None and seen.examples < 2:
            return f"from the trace alone; the run drew here {('never', 'once')[seen.examples]}"
        return "from the trace alone; the keys were not computed"
    if finding.proof:
        return finding.proof
    evidence = finding.evidence
    if evidence is not None and evidence.distinct_keys > 1:
        return "the keys were computed, and some are equal"
    words = f" ({evidence.key})" if evidence is not None and evidence.key else ""
    return f"the keys were computed and are equal{words}"


def _remark(kind: str, text: str, margin: str, layout: Layout) -> Iterator[Row]:
    yield from layout.hanging(((f"{margin}= ", "gutter"), (f"{kind}: ", "title")), text)
