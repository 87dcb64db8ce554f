"""The strip: one cell an example, which tells by letter and by colour which key it drew from.

In: the keys' numbers, in the order in which they first appear. Out: styled cells.

The letters are there with colour too: two of many hues look alike to most people, and to the
colour-blind far fewer than two of many do; and a report that is copied loses its colours.
"""

from __future__ import annotations

import colorsys
import string
from collections.abc import Iterator, Sequence
from itertools import groupby

from jaxrng_doctor.reports._layout import Row

_LETTERS = string.ascii_uppercase + string.ascii_lowercase


def cells(keys: Sequence[int]) -> Row:
    """A cell for each key, runs of one key together; the hues are spread evenly over the keys."""
    count = max(keys, default=0) + 1
    return tuple((letters, f"#000000 on {color}") for letters, color in runs(keys, count))


def runs(keys: Sequence[int], count: int) -> Iterator[tuple[str, str]]:
    """The letters and the colour of each run of one key, where `count` keys have a number."""
    for key, run in groupby(keys):
        yield letter(key) * len(list(run)), _hue(key / count)


def letter(key: int) -> str:
    """The letter of a key; those beyond the alphabet share a dot."""
    return _LETTERS[key] if key < len(_LETTERS) else "·"


def _hue(turn: float) -> str:
    # Light enough for black letters at every hue.
    channels = colorsys.hls_to_rgb(turn, 0.68, 0.75)
    return "#" + "".join(f"{round(255 * c):02x}" for c in channels)
