"""`jaxrng-doctor completion`: the script with which a shell completes what is typed."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from typing import NoReturn

from jaxrng_doctor._util.output import write
from jaxrng_doctor.frontends.commands import CLEAN

_ZSH_IN_A_FILE = """
# In a file of fpath, zsh runs this for the first completion: that is to offer something, too.
if [ "$funcstack[1]" = "_jaxrng-doctor" ]; then
  _jaxrng_doctor_completion
fi
"""


def completion(shell: str, source: Callable[[], NoReturn]) -> int:
    """Print the script that `source` prints before it exits.

    It is right in a file as well as sourced.
    """
    with contextlib.redirect_stdout(io.StringIO()) as script, contextlib.suppress(SystemExit):
        source()
    more = _ZSH_IN_A_FILE if shell == "zsh" else ""
    write(sys.stdout, f"{script.getvalue().strip()}\n{more}")
    return CLEAN
