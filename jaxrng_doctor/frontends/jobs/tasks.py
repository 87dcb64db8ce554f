"""What a worker does: in come tasks, out come answers, and at each stage a word of what goes on."""

from __future__ import annotations

from collections.abc import Callable

from jaxrng_doctor._util.time_limit import is_left_running
from jaxrng_doctor._util.tracebacks import doctors_own, failure
from jaxrng_doctor.checking.examine import examine
from jaxrng_doctor.checking.targets.resolve import targets
from jaxrng_doctor.frontends.jobs.messages import Begun, Done, Examine, Find, Found, Misused, Plan
from jaxrng_doctor.model.errors import TargetError, UsageError
from jaxrng_doctor.model.findings import Failure, Stage
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.tracing import recording_vmaps


class Examiner:
    """Finds and examines targets in the process that it is in; `hears` is told of each stage.

    `ended_by` is what the last target that failed has raised.
    """

    def __init__(self, plan: Plan, hears: Callable[[Begun], None]) -> None:
        self._plan = plan
        self._hears = hears
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
            # Another worker found it, or this one has examined it: its module is imported again.
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
                progress=self._tell,
            )
        except UsageError as error:
            return Misused(error.message, error.hint)
        except TargetError as error:
            self.ended_by = error.__cause__
            report = TargetReport(task.name, failure=error.failure)
        except BaseException as error:
            self.ended_by = error
            report = TargetReport(task.name, failure=_failure(self._stage, task.name, error))
        return Done(report, worn=is_left_running())

    def _tell(self, stage: Stage, told: str) -> None:
        self._stage = stage
        self._hears(Begun(stage, told, self._limit))

    def _targets(self, text: str) -> dict[int, Target]:
        plan = self._plan
        self._limit = plan.settings.timeout()
        self._tell("import", f"importing {text}")
        # From before the user's module is imported: its `from jax import vmap` counts too.
        with recording_vmaps():
            found = targets(text, plan.flags, plan.settings.config, plan.folder)
        self._found[text] = dict(enumerate(found))
        return self._found[text]


def _failure(stage: Stage, what: str, error: BaseException) -> Failure:
    """Of what nobody has caught: a fault of ours, or else the user's code wants to exit.

    It may choose the exit code neither of the worker nor of the doctor.
    """
    if isinstance(error, Exception):
        return doctors_own(what, error)
    return failure(stage, what, error)
