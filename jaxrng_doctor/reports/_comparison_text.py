"""The comparison of the outputs of the first and the last example, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import Comparison, Leaf, Pairs
from jaxrng_doctor.reports._layout import Layout, Row, visible

MOST_LEAVES = 12
"""The maximum number of leaves shown; a model may have hundreds."""


def not_compared(comparison: Comparison) -> str:
    """Why no examples are compared, `""` if some are."""
    if comparison.unavailable:
        return comparison.unavailable
    if not comparison.leaves:
        return "the function returns no arrays"
    if all(leaf.axis is None for leaf in comparison.leaves):
        return "no output has a batch axis"
    if comparison.size is not None and comparison.size < 2:
        return "the batch has only one example" if comparison.size else "the batch is empty"
    return ""


def not_compared_rows(why: str, layout: Layout) -> list[Row]:
    """The line that stands in place of the comparison."""
    return layout.hanging((("not compared: ", "warning"),), why)


def title(comparison: Comparison) -> str:
    """`first and last example of 32`."""
    size = "" if comparison.size is None else f" of {comparison.size:,}"
    return f"first and last example{size}"


def compared_rows(comparison: Comparison, layout: Layout) -> Iterator[Row]:
    """The rows below the title, for a comparison that has some."""
    leaves = in_order(comparison.leaves)
    shown = leaves[:MOST_LEAVES]
    table = _widths(shown)
    for leaf in shown:
        yield from _leaf(leaf, table, layout)
    if len(leaves) > len(shown):
        yield ((f"… and {len(leaves) - len(shown):,} more", "dim"),)
    yield from _meanings(leaves, layout)


def _leaf(leaf: Leaf, widths: list[int], layout: Layout) -> Iterator[Row]:
    shape = f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
    first: Row = ((visible(leaf.path or "output"), "title"), (f"  {visible(shape)}", "dim"))
    if leaf.axis is None:
        yield from _fitting(first, "no batch axis", layout)
        return
    yield from _fitting(first, "", layout)
    for inputs, pairs in (("given inputs", leaf.given), ("replicated inputs", leaf.replicated)):
        if pairs is None:
            continue
        facts = facts_of(pairs)
        line = "   ".join(f"{fact:<{w}}" for fact, w in zip((inputs, *facts), widths, strict=True))
        if layout.measure(line) + 2 <= layout.width:
            yield ((f"  {line.rstrip()}", ""),)
            continue
        yield ((f"  {inputs}", ""),)
        for fact in facts:
            yield from layout.hanging((("    ", ""),), fact)


def _fitting(first: Row, text: str, layout: Layout) -> Iterator[Row]:
    used = sum(layout.measure(piece) for piece, _ in first)
    if used + 2 + len(text) <= layout.width:
        yield (*first, (f"  {text}" if text else "", ""))
        return
    for n, (piece, style) in enumerate((*first, (text, ""))):
        if piece:
            yield from layout.hanging((("  " if n else "", ""),), piece, style)


def facts_of(pairs: Pairs) -> tuple[str, str, str]:
    """The difference of first and last, the number of equal pairs and of distinct rows."""
    return (
        _difference(pairs),
        f"{pairs.equal_pairs:,} of {counted(pairs.pairs, 'pair')} equal",
        counted(pairs.distinct, "distinct row"),
    )


def _difference(pairs: Pairs) -> str:
    if pairs.first_equals_last:
        return "first = last"
    if pairs.max_difference is None:
        return "first ≠ last"
    if math.isnan(pairs.max_difference):
        return "first ≠ last, in NaNs"
    return f"first ≠ last, by up to {pairs.max_difference:.3g}"


def _widths(leaves: list[Leaf]) -> list[int]:
    """Common column widths for all leaves."""
    both = [p for leaf in leaves for p in (leaf.given, leaf.replicated) if p is not None]
    facts = [facts_of(pairs) for pairs in both]
    return [len("replicated inputs"), *(max(map(len, c)) for c in zip(*facts, strict=True))]


def _meanings(leaves: list[Leaf], layout: Layout) -> Iterator[Row]:
    for text in meanings_of(leaves):
        yield from layout.hanging((("→ ", "title"),), text)


def in_order(leaves: Sequence[Leaf]) -> list[Leaf]:
    """The leaves, those that can be compared first, so that these are not left out."""
    return sorted(leaves, key=lambda leaf: leaf.axis is None)


def meanings_of(leaves: Sequence[Leaf]) -> Iterator[str]:
    """What the replicated run means, one sentence per group of leaves with the same meaning."""
    paths: dict[str, list[str]] = {}
    for leaf in leaves:
        if leaf.replicated is not None and leaf.replicated.pairs:
            paths.setdefault(_meaning(leaf.replicated), []).append(leaf.path or "output")
    for meaning, which in paths.items():
        names = ", ".join(which[:3]) + (", …" if len(which) > 3 else "")
        yield meaning if len(paths) == 1 else f"{names}: {meaning}"


def _meaning(pairs: Pairs) -> str:
    """What the outputs show. Outputs alone can neither prove nor rule out a shared key."""
    if pairs.equal_pairs == pairs.pairs:
        return "examples with equal inputs get equal outputs: the noise is shared, or there is none"
    if pairs.equal_pairs == 0:
        return "no two examples with equal inputs get equal outputs: some of the noise differs"
    return (
        "some examples with equal inputs get equal outputs: by chance, if few values are "
        "possible, or because they share a key"
    )
