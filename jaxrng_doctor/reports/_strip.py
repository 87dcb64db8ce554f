"""The strip: one cell per example, whose letter and colour identify its key.

Colours alone would not do: many hues are hard to tell apart, especially for colour-blind readers,
and a copied report loses its colours.
"""

from __future__ import annotations

import colorsys
import string
from collections.abc import Iterator, Sequence
from itertools import groupby

from jaxrng_doctor.reports._layout import Row

_LETTERS = string.ascii_uppercase + string.ascii_lowercase


def cells(keys: Sequence[int]) -> Row:
    """A cell for each key, grouped into runs; hues are spread evenly over the keys."""
    count = max(keys, default=0) + 1
    return tuple((letters, f"#000000 on {color}") for letters, color in runs(keys, count))


def runs(keys: Sequence[int], count: int) -> Iterator[tuple[str, str]]:
    """The letters and the colour of each run of one key, out of `count` numbered keys."""
    for key, run in groupby(keys):
        yield letter(key) * len(list(run)), _hue(key / count)


def letter(key: int) -> str:
    """The letter of a key, a dot for keys beyond the alphabet."""
    return _LETTERS[key] if key < len(_LETTERS) else "·"


def _hue(turn: float) -> str:
    # Light enough for black letters at every hue.
    channels = colorsys.hls_to_rgb(turn, 0.68, 0.75)
    return "#" + "".join(f"{round(255 * c):02x}" for c in channels)
