"""That all facts held, kept in the user's cache folder for the very same JAX, Python and settings.

To try them takes a tenth of a second, which each process would pay. An answer counts only for
what it was given for; that a fact does not hold is not kept, but found anew each time.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import jax
import jaxlib

from jaxrng_doctor._util.version import __version__

_HELD = "all facts held\n"


def all_hold() -> bool:
    """They did, when they were tried under what is here now. Never raises."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        return _file().read_text(encoding="utf-8") == _HELD
    return False


def remember() -> None:
    """They hold. A folder that cannot be written is no fault."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(_HELD)
        os.replace(name, file)


def _file() -> Path:
    return folder() / f"jax-{jax.__version__}-{_digest()}.txt"


def folder() -> Path:
    """The user's folder for caches of this program, as the system's convention has it."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        base = Path(named)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        base = Path(local)
    else:
        base = Path.home() / ".cache"
    return base / "jaxrng-doctor"


def _digest() -> str:
    """Of all that the answer rests on: versions, files of JAX and of this package, settings."""
    digest = hashlib.sha256()
    for part in (__version__, jax.__version__, jaxlib.__version__, sys.version, *_settings()):
        digest.update(part.encode() + b"\0")
    digest.update(_of_files())
    return digest.hexdigest()[:32]


def _settings() -> list[str]:
    return [f"{name}={value!r}" for name, value in sorted(jax.config.values.items())]


@functools.cache
def _of_files() -> bytes:
    """When each of the files was written, and how long it is: an installed JAX may be changed."""
    source = Path(jax.__file__).parent / "_src"
    folders = (source, source / "interpreters", source / "lax" / "control_flow", source / "random")
    digest = hashlib.sha256()
    for place in (*folders, Path(__file__).parent):
        if place.is_dir():
            with os.scandir(place) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.name.endswith(".py"):
                        stat = entry.stat()
                        line = f"{entry.name} {stat.st_mtime_ns} {stat.st_size}"
                        digest.update(line.encode() + b"\0")
    return digest.digest()
