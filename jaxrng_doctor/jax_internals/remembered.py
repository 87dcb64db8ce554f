"""Remembers in the user's cache folder that all facts hold for this JAX, Python and settings.

Trying the facts takes a tenth of a second, which each process would pay otherwise. A result is
valid only for the versions, files and settings that it was found with. Facts that do not hold are
not remembered: each process tries them again.
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


def known_to_hold() -> bool:
    """Whether all facts are remembered to hold for this environment. Never raises."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        return _file().read_text(encoding="utf-8") == _HELD
    return False


def remember() -> None:
    """Remember that all facts hold. Errors, such as an unwritable folder, are ignored."""
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
    """The cache folder of jaxrng-doctor, by the conventions of the operating system."""
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
    """A hash of what the result depends on: versions, settings, files of JAX and this package."""
    digest = hashlib.sha256()
    for part in (__version__, jax.__version__, jaxlib.__version__, sys.version, *_settings()):
        digest.update(part.encode() + b"\0")
    digest.update(_of_files())
    return digest.hexdigest()[:32]


def _settings() -> list[str]:
    return [f"{name}={value!r}" for name, value in sorted(jax.config.values.items())]


@functools.cache
def _of_files() -> bytes:
    """A hash of the files' modification times and sizes: an installed JAX may be edited."""
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
