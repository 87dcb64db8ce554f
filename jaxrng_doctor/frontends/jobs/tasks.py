"""The tasks of a worker: finds and checks targets, and reports each stage."""

from __future__ import annotations

from collections.abc import Callable

from jaxrng_doctor._util.time_limit import is_left_running
from jaxrng_doctor._util.tracebacks import failure, internal_error
from jaxrng_doctor.checking.examine import examine
from jaxrng_doctor.checking.targets.resolve import targets
from jaxrng_doctor.frontends.jobs.messages import Begun, Done, Examine, Find, Found, Misused, Plan
from jaxrng_doctor.model.errors import TargetError, UsageError
from jaxrng_doctor.model.findings import Failure, Stage
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.suppression.source_versions import with_versions
from jaxrng_doctor.tracing import recording_vmaps


class Examiner:
    """Finds and checks targets in its own process, and calls `on_stage` for each stage.

    `ended_by` is the exception of the last target that failed.
    """

    def __init__(self, plan: Plan, on_stage: Callable[[Begun], None]) -> None:
        self._plan = plan
        self._on_stage = on_stage
        self._stage: Stage = "import"
        self._limit = 0.0
        self._found: dict[str, dict[int, Target]] = {}
        self.ended_by: BaseException | None = None

    def find(self, task: Find) -> Found | Misused | Done:
        try:
            found = self._targets(task.text)
        except UsageError as error:
            return Misused(error.message, error.hint)
        except TargetError as error:
            self.ended_by = error.__cause__
            return Done(TargetReport(task.text, failure=error.failure))
        except BaseException as error:
            self.ended_by = error
            what = f"importing {task.text}"
            return Done(TargetReport(task.text, failure=_failure("import", what, error)))
        return Found(tuple(target.name for target in found.values()))

    def examine(self, task: Examine) -> Misused | Done:
        try:
            # If another worker found it, or this one has checked it already, import it again.
            if task.number not in self._found.get(task.text, ()):
                self._targets(task.text)
            target = self._found[task.text].pop(task.number)
            own, settings = target.overrides, self._plan.settings
            self._limit = settings.timeout(own)
            report = examine(
                target,
                run=settings.runs(own),
                timeout=self._limit,
                choices=settings.choices(own),
                detail=self._plan.detail,
                progress=self._begin,
            )
        except UsageError as error:
            return Misused(error.message, error.hint)
        except TargetError as error:
            self.ended_by = error.__cause__
            report = TargetReport(task.name, failure=error.failure)
        except BaseException as error:
            self.ended_by = error
            report = TargetReport(task.name, failure=_failure(self._stage, task.name, error))
        return Done(with_versions(report), worn=is_left_running())

    def _begin(self, stage: Stage, text: str) -> None:
        self._stage = stage
        self._on_stage(Begun(stage, text, self._limit))

    def _targets(self, text: str) -> dict[int, Target]:
        plan = self._plan
        self._limit = plan.settings.timeout()
        self._begin("import", f"importing {text}")
        # Patch JAX before importing the user's module, which may use `from jax import vmap`.
        with recording_vmaps():
            found = targets(text, plan.flags, plan.settings.config, plan.folder)
        self._found[text] = dict(enumerate(found))
        return self._found[text]


def _failure(stage: Stage, what: str, error: BaseException) -> Failure:
    """The failure for an uncaught exception: an internal error, or an exit of the user's code.

    The user's code must not determine the exit code of the worker or the command.
    """
    if isinstance(error, Exception):
        return internal_error(what, error)
    return failure(stage, what, error)
