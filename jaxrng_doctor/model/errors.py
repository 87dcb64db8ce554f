"""Exceptions that end a check early."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxrng_doctor.model.findings import Failure


class UsageError(Exception):
    """Bad usage or configuration: exit code 2.

    `message` is one sentence about the problem; `hint` says how to fix it.
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
    """Internal error in jaxrng-doctor: a one-line summary, with the exception as its cause."""


class FirstFinding(BaseException):
    """Raised in a watched program to stop it at its first finding.

    Not an `Exception`, so that the program's own error handling does not catch it.
    """


class ProgramToRun(Exception):
    """Carries the function that runs the user's program out of typer's stack frames.

    JAX writes the stack into the HLO of what it compiles, so typer's frames must not be on it.
    """
