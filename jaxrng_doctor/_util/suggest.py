"""Suggestions for mistyped words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

from jaxrng_doctor.model.errors import UsageError

Choice = TypeVar("Choice", bound=str)


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The word in `known` that `word` most likely stands for, or nothing."""
    by_case = {k.lower(): k for k in known}
    return [by_case[k] for k in difflib.get_close_matches(word.lower(), by_case, 1)]


def choose(option: str, typed: str, known: tuple[Choice, ...]) -> Choice:
    """`typed`, if it is in `known`. Otherwise raises a `UsageError` with the closest match."""
    for choice in known:
        if choice == typed:
            return choice
    meant = "".join(f"did you mean {guess}?\n" for guess in nearest(typed, known))
    choices = f"the choices are {', '.join(known)}"
    raise UsageError(f"{option}: unknown value {typed!r}", f"{meant}{choices}")
