"""The targets and time limit of a command, as given by the user."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from jaxrng_doctor.config.pyproject import Config
from jaxrng_doctor.model.errors import UsageError


def allow(timeout: float) -> None:
    """Raise `UsageError` if `timeout`, in seconds, is out of range."""
    if not timeout > 0:
        raise UsageError(f"invalid --timeout {timeout:g}: must be positive")
    if timeout >= threading.TIMEOUT_MAX:
        raise UsageError(
            f"invalid --timeout {timeout:g}: must be less than {threading.TIMEOUT_MAX:g}"
        )


def asked_for(texts: Sequence[str], config: Config, command: str) -> tuple[Sequence[str], Path]:
    """The target names, by default the configured ones, and the folder they are relative to."""
    folder = Path.cwd() if texts else config.folder
    texts = texts or list(dict.fromkeys(entry.target for entry in config.targets))
    if not texts:
        raise UsageError(
            f"nothing to {command}",
            f"run: jaxrng-doctor {command} module:function\n"
            "or list targets in pyproject.toml, in [[tool.jaxrng-doctor.targets]]",
        )
    return texts, folder
