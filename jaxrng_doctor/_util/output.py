"""Writes text to streams and, atomically, to files."""

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
    """The stdout of this process. Writes `?` for characters that its encoding does not have."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


def take_stdout() -> TextIO:
    """Return the real stdout, and redirect everything else printed from now on to stderr.

    The descriptor is moved too, because subprocesses and existing log handlers bypass
    `sys.stdout`.
    """
    sys.stdout.flush()
    real = open(os.dup(1), "w", encoding=sys.stdout.encoding, errors="replace")  # noqa: SIM115
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    sys.stdout = sys.stderr
    return real


def write(out: TextIO, text: str) -> None:
    """Write and flush. Ignores a closed pipe, as of `| head`."""
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        # Python flushes again at exit, and would report the error then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def check_writable(path: Path, flag: str) -> None:
    """Raise `UsageError` if `write_file` could not write, to fail before doing any work.

    `flag` is the flag as typed.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise UsageError(f"{flag} is a folder", "use a file name")
    if not folder.is_dir():
        raise UsageError(f"{flag}: the folder {folder} does not exist", "create it first")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"{flag} is not writable", "choose another file")


def write_file(path: Path, text: str, flag: str) -> None:
    """Write the file atomically. The message of a `UsageError` begins with `flag`."""
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a device or a pipe cannot be replaced
        else:
            replace_file(path, text.encode())
    except OSError as error:
        raise UsageError(f"{flag} cannot be written: {error.strerror}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically and keep its permissions. Raises `OSError`."""
    real = path.resolve()
    part = real.with_name(f".{real.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        if real.exists():
            shutil.copymode(real, part)
        part.replace(real)
    finally:
        part.unlink(missing_ok=True)
