"""The rows of one finding: headline, source, keys, scopes, notes and help."""

from __future__ import annotations

from collections.abc import Iterator

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import STRIP_LENGTH, UNITS, Draw, Evidence, Finding, Scope
from jaxrng_doctor.reports._layout import Layout, Row, visible
from jaxrng_doctor.reports._snippet import Mark, gutter, snippets
from jaxrng_doctor.reports._strip import cells


def finding_rows(finding: Finding, layout: Layout) -> Iterator[Row]:
    """The complete finding, without a trailing blank row."""
    marks = marks_of(finding)
    yield from _headline(finding, layout)
    yield from snippets(marks, layout)
    margin = " " * (gutter(marks) + 1)
    if finding.evidence is not None and finding.evidence.examples > 1:
        yield from _keys(finding.evidence, unit_of(finding), margin, layout)
    if finding.scopes:
        yield from _scopes(finding.scopes, margin, layout)
    yield from _remark(finding.confidence, confidence_text(finding), margin, layout)
    for note in finding.notes:
        yield from _remark("note", note, margin, layout)
    for way in finding.help:
        yield from layout.hanging(((f"{margin}help: ", "help"),), way.message)
        for line in way.code.splitlines():
            yield ((f"{margin}  |  ", "gutter"), (visible(line), ""))


def draw_rows(draw: Draw, layout: Layout) -> Iterator[Row]:
    """A draw without a finding: its location and what makes its keys differ."""
    where = f" at {layout.location(draw.place)}" if draw.place else ""
    first: Row = (("draw", "title"), (f": {visible(draw.sampler)}{where}, ", ""))
    yield from layout.hanging(first, f"key: {draw.origin}")
    if draw.scopes:
        yield from _scopes(draw.scopes, "  ", layout)
    seen = differing_keys(draw)
    if seen is not None:
        yield from _keys(seen, UNITS[draw.scopes[-1].kind], "  ", layout)


def differing_keys(draw: Draw) -> Evidence | None:
    """The keys over the innermost scope, if they were counted and all differ."""
    for scope in draw.scopes[-1:]:
        # Only counted keys are known to differ; without a count there is no strip to show.
        if scope.varies and scope.size and scope.distinct == scope.size:
            return Evidence(scope.size, scope.distinct, tuple(range(min(scope.size, STRIP_LENGTH))))
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
    # Optional here: the confidence is repeated below.
    yield (*last, (" " * gap + tag, "dim")) if gap >= 2 else last


def _keys(evidence: Evidence, unit: str, margin: str, layout: Layout) -> Iterator[Row]:
    """The strip, as much of it as fits, and the counts."""
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
    """`32 examples, 1 distinct key`, and a pair that shares a key if there are several."""
    counts = counted(evidence.examples, unit)
    counts += f", {counted(evidence.distinct_keys, 'distinct key')}"
    if evidence.equal_pair is not None and evidence.distinct_keys > 1:
        counts += f"; {unit}s {evidence.equal_pair[0]:,} and {evidence.equal_pair[1]:,} share one"
    if evidence.fixed:
        counts += f" ({evidence.fixed})"
    return counts


def _scopes(scopes: tuple[Scope, ...], margin: str, layout: Layout) -> Iterator[Row]:
    """Each scope and whether the keys differ over it, on one row or on one row each."""
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


def unit_of(finding: Finding) -> str:
    """What the evidence counts: the `example`s of a vmap, the `step`s of a loop, or `use`s."""
    scopes = finding.scopes
    if finding.evidence is not None and finding.evidence.unit:
        return finding.evidence.unit
    if not scopes:
        return "use"  # one key used at two places
    sharing = [s for s in scopes if s.varies is not True] or scopes
    units = {UNITS[scope.kind] for scope in sharing}
    if "example" in units:
        return "example"
    return "device" if units == {"device"} else "step"


def confidence_text(finding: Finding) -> str:
    """What the finding is based on."""
    if finding.confidence == "refuted":
        return "the trace and the computed keys disagree; please report this"
    if finding.confidence == "inferred":
        seen = finding.evidence
        if seen is not None and seen.examples < 2:
            times = ("never", "only once")[seen.examples]
            return f"from the trace alone; the run made this draw {times}"
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
