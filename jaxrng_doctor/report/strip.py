"""The strip: one cell an example, which tells by letter and by colour which key it drew from.

In: the keys' numbers, in the order in which they first appear. Out: styled cells.

The letters are there with colour too: two of many hues look alike to most people, and to the
colour-blind far fewer than two of many do; and a report that is copied loses its colours.
"""

from __future__ import annotations

import colorsys
import string
from collections.abc import Sequence
from itertools import groupby

from jaxrng_doctor.report.layout import Row

_LETTERS = string.ascii_uppercase + string.ascii_lowercase


def cells(keys: Sequence[int]) -> Row:
    """A cell for each key, runs of one key together; the hues are spread evenly over the keys."""
    count = max(keys, default=0) + 1
    runs = ((key, len(list(run))) for key, run in groupby(keys))
    return tuple((_letter(key) * n, f"#000000 on {_hue(key / count)}") for key, n in runs)


def _letter(key: int) -> str:
    return _LETTERS[key] if key < len(_LETTERS) else "·"


def _hue(turn: float) -> str:
    # Light enough for black letters at every hue.
    channels = colorsys.hls_to_rgb(turn, 0.68, 0.75)
    return "#" + "".join(f"{round(255 * c):02x}" for c in channels)
