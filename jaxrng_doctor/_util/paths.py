"""How a path is shown: in, an absolute path and a folder; out, the text that a reader sees."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from jaxrng_doctor._util import ipython

OWN_DIR = str(Path(__file__).parent.parent) + os.sep
"""Where the doctor's own code is, as the code itself says it."""


def shown(path: str, root: str) -> str:
    """`path` from `root` on with forward slashes where it lies under it, else as it is.

    A notebook's cell is shown by its number.
    """
    if (cell := ipython.cell(path)) is not None:
        return cell
    if root and PurePath(path).is_relative_to(root):
        return PurePath(path).relative_to(root).as_posix()
    return path
