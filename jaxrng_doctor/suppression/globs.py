"""Patterns of files, as in ruff's settings: in come a path and patterns, out which of them match.

`*` crosses folders, `**/` is any number of folders or none, `{a,b}` is either, and a leading
`!` turns a pattern round. A pattern of a folder is about all that is in it.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

_BRACES = re.compile(r"(.*)\{([^{}]*)\}(.*)", re.DOTALL)


@functools.lru_cache(maxsize=10_000)
def matches(path: str, pattern: str, folder: str) -> bool:
    """Whether the absolute `path` matches; `pattern` is relative to `folder`, or a lone name."""
    if pattern.startswith("!"):
        return not matches(path, pattern[1:], folder)
    names = _names(path, folder)
    return any(fnmatchcase(name, plain) for plain in _plain(pattern.rstrip("/")) for name in names)


def _names(path: str, folder: str) -> list[str]:
    """All that a pattern may be about: the file and each folder around it, as far as `folder`."""
    real, root = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    whole = [real, *real.parents]
    names = [p.as_posix() for p in whole if not (folder and root.is_relative_to(p))]
    if folder and real.is_relative_to(root):
        inside = [p.relative_to(root) for p in whole if p != root and p.is_relative_to(root)]
        return [*names, *(p.as_posix() for p in inside), *(p.name for p in inside)]
    return [*names, real.name]


def _plain(pattern: str) -> list[str]:
    """The patterns without braces and without `**/` that together mean the same."""
    if braces := _BRACES.fullmatch(pattern):
        before, inside, after = braces.groups()
        return [p for word in inside.split(",") for p in _plain(f"{before}{word}{after}")]
    first, *parts = pattern.removeprefix("./").split("**/")
    return [
        first + "".join(map("".join, zip(joints, parts, strict=True)))
        for joints in itertools.product(("", "*/"), repeat=len(parts))
    ]
