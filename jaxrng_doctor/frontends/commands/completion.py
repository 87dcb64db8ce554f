"""`jaxrng-doctor completion`: print a shell completion script."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from typing import NoReturn

from jaxrng_doctor._util.output import write
from jaxrng_doctor.frontends.commands import CLEAN

_ZSH_IN_A_FILE = """
# If autoloaded from fpath, zsh runs this file for the first completion.
if [ "$funcstack[1]" = "_jaxrng-doctor" ]; then
  _jaxrng_doctor_completion
fi
"""


def completion(shell: str, source: Callable[[], NoReturn]) -> int:
    """Print the script that `source` prints before it exits.

    It works both when sourced and, for zsh, when autoloaded from `fpath`.
    """
    with contextlib.redirect_stdout(io.StringIO()) as script, contextlib.suppress(SystemExit):
        source()
    more = _ZSH_IN_A_FILE if shell == "zsh" else ""
    write(sys.stdout, f"{script.getvalue().strip()}\n{more}")
    return CLEAN
