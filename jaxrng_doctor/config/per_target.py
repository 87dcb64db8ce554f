"""The effective settings of one target: flags, the target's and the project's settings combined.

Plain data that can be sent to a worker process.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxrng_doctor.config.pyproject import Config
from jaxrng_doctor.model.findings import Choices
from jaxrng_doctor.model.target import NO_OVERRIDES, Overrides


@dataclass(frozen=True)
class TargetSettings:
    """Flags take precedence over a target's settings, and these over the project's."""

    config: Config
    flags: Overrides

    def choices(self, overrides: Overrides = NO_OVERRIDES) -> Choices:
        """What is reported for a target with these settings."""
        return self.config.choices(self.flags.over(overrides))

    def runs(self, overrides: Overrides = NO_OVERRIDES) -> bool:
        """Whether a target with these settings is run."""
        no_run = self.flags.over(overrides).no_run
        return not (self.config.no_run if no_run is None else no_run)

    def timeout(self, overrides: Overrides = NO_OVERRIDES) -> float:
        """The time limit, in seconds per stage, of a target with these settings."""
        timeout = self.flags.over(overrides).timeout
        return self.config.timeout if timeout is None else timeout
