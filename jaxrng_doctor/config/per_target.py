"""How one target is examined: in come the flags and the project's settings, out comes what holds.

Plain data, so that a worker process can be told.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxrng_doctor.config.pyproject import Config
from jaxrng_doctor.model.findings import Choices
from jaxrng_doctor.model.target import NO_OVERRIDES, Overrides


@dataclass(frozen=True)
class TargetSettings:
    """The flags hold before the settings of a target, and these before those of the project."""

    config: Config
    flags: Overrides

    def choices(self, overrides: Overrides = NO_OVERRIDES) -> Choices:
        """What is to be told of a target that has settings of its own."""
        return self.config.choices(self.flags.over(overrides))

    def runs(self, overrides: Overrides = NO_OVERRIDES) -> bool:
        """Whether a target that has settings of its own is run on arrays."""
        no_run = self.flags.over(overrides).no_run
        return not (self.config.no_run if no_run is None else no_run)

    def timeout(self, overrides: Overrides = NO_OVERRIDES) -> float:
        """How many seconds a target that has settings of its own may run."""
        timeout = self.flags.over(overrides).timeout
        return self.config.timeout if timeout is None else timeout
