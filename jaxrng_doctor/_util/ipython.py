"""The IPython shell around this process, if there is one: nothing here imports IPython."""

from __future__ import annotations

import sys
from typing import Any


def running() -> Any | None:
    """The shell that runs the user's cells, `None` where no IPython is running."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def is_notebook() -> bool:
    """Whether what a cell ends with is shown as a page: a terminal's shell has no kernel."""
    return hasattr(running(), "kernel")


def cell(path: str) -> str | None:
    """`In[3]` for the file name that IPython gave to cell 3, `None` for any other path."""
    compiler = getattr(running(), "compile", None)
    named = getattr(compiler, "format_code_name", lambda path: None)(path)
    return None if named is None else str(named[1])
