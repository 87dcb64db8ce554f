"""Did you mean: in come a mistyped word and the known ones, out comes the nearest of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

from jaxrng_doctor.model.errors import UsageError

Choice = TypeVar("Choice", bound=str)


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The one of `known` that `word` was probably meant to be, or nothing."""
    by_case = {k.lower(): k for k in known}
    return [by_case[k] for k in difflib.get_close_matches(word.lower(), by_case, 1)]


def choose(option: str, typed: str, known: tuple[Choice, ...]) -> Choice:
    """The one of `known` that was `typed`; raises `UsageError`, with `option` and the nearest."""
    for choice in known:
        if choice == typed:
            return choice
    meant = "".join(f"did you mean {guess}?\n" for guess in nearest(typed, known))
    raise UsageError(f"{option}: there is no {typed!r}", f"{meant}there are {', '.join(known)}")
