"""Runs each command that README and the pages show, and writes its output under it again.

    python docs/refresh.py [PAGE ...]

An output that still agrees stays untouched. One that does not is replaced; where lines were left
out by a line `…`, the lines that are most like the old ones are shown. Read the difference before
you commit it: a page must still say what its outputs show.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import shown


def refreshed(page: str, text: str) -> str:
    """The text of a page with the output of each command as it is printed now."""
    given = {} if page == shown.README.name else shown.shared_files()
    for step in shown.steps(text, given):
        if not step.output:
            continue
        printed = shown.printed(step)
        if not shown.agrees(printed, step.output):
            old, new = (f"$ {step.command}\n{o}" for o in (step.output, cut(printed, step.output)))
            assert text.count(old) == 1, f"{page} shows this twice: {old}"
            text = text.replace(old, new)
    return text


def cut(printed: str, former: str) -> str:
    """The lines of `printed` that take the place of those in `former`, with its lines `…`."""
    lines = printed.splitlines(keepends=True)
    parts = [
        part.splitlines(keepends=True)
        for part in re.split(rf"^{shown.ELISION}\n", former, flags=re.MULTILINE)
    ]
    kept: list[str] = []
    at = 0
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        chosen: list[str] = []
        if part:
            start = at if first else _most_like(part[0], lines, at, at)
            end = len(lines)
            if not last:
                end = _most_like(part[-1], lines, start, start + len(part) - 1) + 1
            chosen, at = lines[start:end], end
        kept.append("".join(chosen))
    return f"{shown.ELISION}\n".join(kept)


def _most_like(line: str, lines: Sequence[str], start: int, near: int) -> int:
    """The index from `start` on of the line that is most like `line`; ties go to the nearest."""

    def likeness(index: int) -> tuple[float, int]:
        ratio = difflib.SequenceMatcher(None, line, lines[index], autojunk=False).ratio()
        return round(ratio, 2), -abs(index - near)

    return max(range(min(start, len(lines) - 1), len(lines)), key=likeness)


def main(arguments: list[str]) -> int:
    for path in [Path(a).resolve() for a in arguments] or shown.pages():
        text = path.read_text(encoding="utf-8")
        new = refreshed(path.name, text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            print(f"written: {path.relative_to(shown.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
