"""The running IPython shell, if any. Does not import IPython."""

from __future__ import annotations

import sys
from typing import Any


def running() -> Any | None:
    """The running IPython shell, `None` if there is none."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def is_notebook() -> bool:
    """Whether results are shown as HTML: only a notebook's shell has a kernel."""
    return hasattr(running(), "kernel")


def cell(path: str) -> str | None:
    """`In[3]` for the file name that IPython gave to cell 3, `None` for any other path."""
    compiler = getattr(running(), "compile", None)
    named = getattr(compiler, "format_code_name", lambda path: None)(path)
    return None if named is None else str(named[1])
