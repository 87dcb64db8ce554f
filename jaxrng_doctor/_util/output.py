"""Where a report goes: in comes its text, out it goes to a stream or to a file, whole."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

from jaxrng_doctor.model.errors import UsageError


def real_stdout() -> TextIO:
    """The stdout of this process, which writes `?` for what its encoding does not have."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


def take_stdout() -> TextIO:
    """Return the real stdout, and send all else that is printed from now on to stderr.

    The descriptor is moved too, because subprocesses and handlers that were made
    before write past `sys.stdout`.
    """
    sys.stdout.flush()
    real = open(os.dup(1), "w", encoding=sys.stdout.encoding, errors="replace")  # noqa: SIM115
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    sys.stdout = sys.stderr
    return real


def write(out: TextIO, text: str) -> None:
    """Write and flush; whoever closed the pipe has read enough."""
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def check_writable(path: Path, flag: str) -> None:
    """Raise `UsageError` where `write_file` could not write, before any work is done for it.

    `flag` is what the user typed.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise UsageError(f"{flag} is a folder", "give the name of a file")
    if not folder.is_dir():
        raise UsageError(f"{flag}: there is no folder {folder}", "make the folder first")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"{flag} may not be written", "choose another file")


def write_file(path: Path, text: str, flag: str) -> None:
    """Write the file so that nobody ever sees half of it; a `UsageError` begins with `flag`."""
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # A device or a pipe cannot be replaced.
        else:
            replace_file(path, text.encode())
    except OSError as error:
        raise UsageError(f"{flag} cannot be written: {error.strerror}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Put a whole file in the place of another, with the same permissions; raises `OSError`."""
    real = path.resolve()
    part = real.with_name(f".{real.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        if real.exists():
            shutil.copymode(real, part)
        part.replace(real)
    finally:
        part.unlink(missing_ok=True)
