"""The ways to end without a verdict, or before all is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxrng_doctor.model.findings import Failure


class UsageError(Exception):
    """Bad usage or configuration: exit code 2.

    `message` says in one sentence what is wrong, `hint` what to type instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message}\n{hint}")
        self.message = message
        self.hint = hint


class TargetError(Exception):
    """The target could not be imported, traced or run: exit code 3."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class AnalysisFault(Exception):
    """The doctor itself has failed; its cause is what was raised, its text says that in a line."""


class FirstFinding(BaseException):
    """Raised into a watched program that is to end with its first finding.

    Not an `Exception`: the program is not to take it for a failure of its own.
    """


class ProgramToRun(Exception):
    """Its argument runs a program: not below typer, whose frames JAX would write into its HLO."""
