"""Numbers in English text."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """`1 error`, `2 errors`, `1,000 errors`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
