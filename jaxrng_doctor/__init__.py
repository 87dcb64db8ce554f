"""Finds JAX programs whose random numbers are not as random as their authors believe.

This module is the public API. It imports its parts on first use, so that `import jaxrng_doctor`
and declaring an example do not import JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from jaxrng_doctor._util.version import __version__

if TYPE_CHECKING:
    from jaxrng_doctor.checking.targets.examples import example
    from jaxrng_doctor.frontends.api import FindingsError, Report, check, watch
    from jaxrng_doctor.model.errors import TargetError, UsageError
    from jaxrng_doctor.model.findings import (
        Choices,
        Comparison,
        Draw,
        Evidence,
        Failure,
        Finding,
        Gap,
        Help,
        Leaf,
        Pairs,
        Place,
        Related,
        Scope,
        Suppressed,
    )
    from jaxrng_doctor.model.report import TargetReport

__all__ = [
    "Choices",
    "Comparison",
    "Draw",
    "Evidence",
    "Failure",
    "Finding",
    "FindingsError",
    "Gap",
    "Help",
    "Leaf",
    "Pairs",
    "Place",
    "Related",
    "Report",
    "Scope",
    "Suppressed",
    "TargetError",
    "TargetReport",
    "UsageError",
    "__version__",
    "check",
    "example",
    "watch",
]

_HOMES = {
    "check": "frontends.api",
    "watch": "frontends.api",
    "FindingsError": "frontends.api",
    "Report": "frontends.api",
    "example": "checking.targets.examples",
    "TargetError": "model.errors",
    "TargetReport": "model.report",
    "UsageError": "model.errors",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'model.findings')}")
    return getattr(home, name)


def load_ipython_extension(shell: Any) -> None:
    """Register the notebook magics; called by `%load_ext jaxrng_doctor`."""
    importlib.import_module(f"{__name__}.frontends.notebook").register(shell)


def __dir__() -> list[str]:
    return __all__
