"""Did you mean: in come a mistyped word and the known ones, out comes the nearest of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The one of `known` that `word` was probably meant to be, or nothing."""
    by_case = {k.lower(): k for k in known}
    return [by_case[k] for k in difflib.get_close_matches(word.lower(), by_case, 1)]
