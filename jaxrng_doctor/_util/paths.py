"""Paths as shown to the user."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from jaxrng_doctor._util import ipython

OWN_DIR = str(Path(__file__).parent.parent) + os.sep
"""The folder of this package, as in the file names of its code objects."""


def shown(path: str, root: str) -> str:
    """`path` relative to `root`, with forward slashes, if it is inside `root`; else unchanged.

    Notebook cells are shown by number.
    """
    if (cell := ipython.cell(path)) is not None:
        return cell
    if root and PurePath(path).is_relative_to(root):
        return PurePath(path).relative_to(root).as_posix()
    return path
