"""Matches files against patterns of `exclude` and `per-file-ignores`, as in ruff's settings.

`*` crosses folders, `**/` is any number of folders or none, `{a,b}` is either, and a leading `!`
negates the pattern. A pattern that matches a folder matches every file in it.

No pattern takes long: the matcher keeps the set of positions that a pattern's prefix can reach, so
its time is at most proportional to the length of the pattern times that of the path.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

_Part = str | list[list["_Part"]]
"""`*`, `**/`, a pattern of one character (`a`, `?`, `[a-z]`), or the alternatives of braces."""

_TOKEN = re.compile(r"\*\*/|\[!?\]?[^\]]*\]|.", re.DOTALL)


@functools.lru_cache(maxsize=10_000)
def matches(path: str, pattern: str, folder: str) -> bool:
    """Whether the absolute `path` matches; `pattern` is relative to `folder`, or a lone name."""
    if pattern.startswith("!"):
        return not matches(path, pattern[1:], folder)
    parts = _parsed(pattern.rstrip("/"))
    return any(len(name) in _ends(parts, name, {0}) for name in _names(path, folder))


def _names(path: str, folder: str) -> list[str]:
    """The names that a pattern may match: of the file and each folder around it, up to `folder`."""
    real, root = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    whole = [real, *real.parents]
    names = [p.as_posix() for p in whole if not (folder and root.is_relative_to(p))]
    if folder and real.is_relative_to(root):
        inside = [p.relative_to(root) for p in whole if p != root and p.is_relative_to(root)]
        return [*names, *(p.as_posix() for p in inside), *(p.name for p in inside)]
    return [*names, real.name]


def _parsed(pattern: str) -> list[_Part]:
    """The parts of a pattern; a brace or comma that belongs to no pair of braces is a character."""
    # One list of alternatives for the whole pattern, and one for each open brace.
    groups: list[list[list[_Part]]] = [[[]]]
    for token in _TOKEN.findall(pattern.removeprefix("./")):
        if token == "{":
            groups.append([[]])
        elif token == "," and len(groups) > 1:
            groups[-1].append([])
        elif token == "}" and len(groups) > 1:
            alternatives = groups.pop()
            groups[-1][-1].append(alternatives)
        else:
            groups[-1][-1].append(token)
    while len(groups) > 1:
        first, *others = groups.pop()
        groups[-1][-1] += ["{", *first]
        for other in others:
            groups[-1][-1] += [",", *other]
    return groups[0][0]


def _ends(parts: Sequence[_Part], name: str, starts: set[int]) -> set[int]:
    """The positions in `name` at which a match of `parts` ends that begins at one of `starts`."""
    for part in parts:
        if not starts:
            break
        after = range(min(starts), len(name) + 1)
        if isinstance(part, list):
            starts = set().union(*(_ends(alternative, name, starts) for alternative in part))
        elif part == "*":
            starts = set(after)
        elif part == "**/":
            starts = starts | {i for i in after[1:] if name[i - 1] == "/"}
        else:
            starts = {i + 1 for i in starts if i < len(name) and _is(name[i], part)}
    return starts


def _is(character: str, part: str) -> bool:
    return fnmatchcase(character, part) if len(part) > 1 else part in (character, "?")
