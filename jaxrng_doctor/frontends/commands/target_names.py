"""The targets of a command: in come names as they were typed, out come those that are meant."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from jaxrng_doctor.config.pyproject import Config
from jaxrng_doctor.model.errors import UsageError


def allow(timeout: float) -> None:
    """Raise `UsageError` where `timeout`, in seconds, is no time."""
    if not 0 < timeout < threading.TIMEOUT_MAX:
        raise UsageError(f"--timeout {timeout:g} is no time to wait", "type: --timeout 60")


def asked_for(texts: Sequence[str], config: Config, command: str) -> tuple[Sequence[str], Path]:
    """The targets' texts, the configured ones where there are none, and where they are found."""
    folder = Path.cwd() if texts else config.folder
    texts = texts or list(dict.fromkeys(entry.target for entry in config.targets))
    if not texts:
        raise UsageError(
            f"nothing to {command}",
            f"type: jaxrng-doctor {command} module:function\n"
            "or name targets in pyproject.toml, in [[tool.jaxrng-doctor.targets]]",
        )
    return texts, folder
