"""Text for the parts of a listing, shared by all formats."""

from __future__ import annotations

from collections.abc import Sequence

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.facts import Variation
from jaxrng_doctor.model.findings import Finding
from jaxrng_doctor.model.listing import Box, Fold, KeyMark, KeyNode, Over, ScopeMark, Variable
from jaxrng_doctor.reports import _strip

_SHOWN = 16
"""The maximum number of keys of one variable shown as letters."""

_VARYING = (
    ("differs over", (Variation.DISTINCT,)),
    ("may differ over", (Variation.UNKNOWN,)),
    ("same over", (Variation.CONSTANT, Variation.EQUAL)),
)


def scope_title(mark: ScopeMark) -> str:
    """`vmap(perturb) over 32, index i, axis 'batch'`."""
    axis = f", axis '{mark.scope.axis_name}'" if mark.scope.axis_name else ""
    return f"{scope(mark)}, index {mark.index}{axis}"


def scope(mark: ScopeMark) -> str:
    """`vmap(perturb) over 32`."""
    name = f"({mark.scope.name})" if mark.scope.name else ""
    size = "" if mark.scope.size is None else f" over {mark.scope.size:,}"
    return f"{mark.called}{name}{size}"


def box_title(box: Box) -> str:
    """The title of a box: the scopes that it opens, or its kind and name."""
    if box.scopes:
        return "; ".join(map(scope_title, box.scopes))
    return f"{box.title}({box.name})" if box.name else box.title


def varying(over: Over, scopes: Sequence[ScopeMark]) -> str:
    """`differs over i, same over j`; `""` outside all scopes, or if it is not known."""
    parts = []
    for words, variations in _VARYING:
        letters = [m.index for v, m in zip(over, scopes, strict=False) if v in variations]
        if letters:
            parts.append(f"{words} {', '.join(letters)}")
    return ", ".join(parts)


def letters(mark: KeyMark) -> tuple[tuple[int, ...], bool]:
    """The numbers of the keys to show, and whether each has its own letter."""
    shown = mark.strip[:_SHOWN]
    return shown, all(_strip.letter(key) != "·" for key in shown)


def keys(mark: KeyMark) -> str:
    """`ABCD`, or numbers if there are more keys than letters; then the number of keys."""
    shown, have_letters = letters(mark)
    text = "".join(map(_strip.letter, shown)) if have_letters else numbers(shown)
    return text + keys_counted(mark)


def numbers(shown: Sequence[int]) -> str:
    return " ".join(f"#{key}" for key in shown)


def keys_counted(mark: KeyMark, most: int = _SHOWN) -> str:
    """`… 32 keys, 1 distinct` after `most` of them; `""` for a single key."""
    if mark.count is None or mark.distinct is None or mark.count == 1:
        return ""
    if not mark.count:
        return "not reached"
    more = "…" if mark.count > most else ""
    distinct = "" if mark.distinct == mark.count else f", {mark.distinct:,} distinct"
    return f"{more} {counted(mark.count, 'key')}{distinct}"


def fold(row: Fold) -> str:
    return f"{counted(row.equations, 'equation')} without keys"


def variable(made: Variable) -> str:
    """`name:type`, and its label if it has one."""
    called = label(made)
    return f"{made.name}:{made.type}{f' {called}' if called else ''}"


def label(made: Variable) -> str:
    """The user's name for a variable if it is not an identifier: `params['w']`, else `""`."""
    return "" if made.label.isidentifier() else made.label


def fault(finding: Finding) -> str:
    return f"{finding.severity}[{finding.code}]"


def entered(node: KeyNode, parent: KeyNode | None) -> tuple[ScopeMark, ...]:
    """The scopes around a node that are not around its parent."""
    around = {mark.number for mark in parent.scopes} if parent else set()
    return tuple(mark for mark in node.scopes if mark.number not in around)


def equation_params(what: str, operands: Sequence[str], params: str) -> str:
    """`random_split(key, shape=(32,))`."""
    return f"{what}({', '.join([*operands, params] if params else operands)})"
