"""The doctor from Python: `check`, and the `Report` that it returns."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

from jaxrng_doctor._util import ipython
from jaxrng_doctor._util.tracebacks import doctors_own
from jaxrng_doctor._util.version import __version__
from jaxrng_doctor.checking.examine import examine
from jaxrng_doctor.checking.targets.in_axes import check_in_axes
from jaxrng_doctor.jax_internals import patches
from jaxrng_doctor.model import report as model_report
from jaxrng_doctor.model.errors import TargetError, UsageError
from jaxrng_doctor.model.findings import Choices, Expect, Finding, Severity
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.model.target import AS_IS, Target
from jaxrng_doctor.reports import FORMATS, RenderOptions, html
from jaxrng_doctor.suppression.unused import finish
from jaxrng_doctor.tracing.array_call import parameter_names
from jaxrng_doctor.watching.build_reports import nothing_judged
from jaxrng_doctor.watching.hooks import deaf, listening
from jaxrng_doctor.watching.processes import Meeting
from jaxrng_doctor.watching.recorder import Recorder


class FindingsError(AssertionError):
    """Raised by `Report.raise_for_findings`; its text is the whole report."""


class Report(model_report.Report):
    """What `check` found out. `print(report)` shows it as the command line would."""

    def __str__(self) -> str:
        return FORMATS["terminal"](self, RenderOptions(root=os.getcwd())).rstrip("\n")

    def to_json(self) -> str:
        """The report as JSON text, in the format of `docs/report.schema.json`."""
        return FORMATS["json"](self, RenderOptions(root=os.getcwd()))

    def to_html(self) -> str:
        """The report as one HTML page that needs no other file.

        Raises `UsageError` where Jinja2 is not installed.
        """
        return FORMATS["html"](self, RenderOptions(root=os.getcwd()))

    def _repr_html_(self) -> str:
        return html.framed(self, RenderOptions(root=os.getcwd()))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def raise_for_findings(self, *, gaps: bool = False) -> None:
        """Raise `FindingsError` unless the report is ok: no error, no warning, no failure.

        With `gaps`, also unless it is complete: nothing may have gone unfollowed.
        """
        if not self.ok or (gaps and not self.complete):
            raise FindingsError(str(self))


def check(
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    in_axes: Any = AS_IS,
    axis_size: int | None = None,
    expect: Expect = "different",
    run: bool = True,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    detail: bool | None = None,
) -> Report:
    """Examine `fn(*args, **kwargs)` for random numbers that are shared by mistake.

    Array leaves of `args` and `kwargs` are traced, other values are passed as they
    are. With `in_axes` (and `axis_size`), as `jax.vmap` takes them, `fn` is a
    per-example function and is examined under that vmap; without, it is called as
    it is and the vmaps inside of it are examined. `run=False` executes nothing.
    `expect="same"` says that sharing is intended; `select` and `ignore` are rule
    codes or their beginnings. `detail` keeps what only the HTML page shows, the program
    itself and pictures of the noise; without a word it is kept in notebooks.

    Returns a `Report`. An exception of `fn` itself is raised as it is while `fn` is
    traced, and is among `report.failures` if it comes only when `fn` runs; so is a fault of
    the doctor's own. Raises `UsageError` where `in_axes` does not fit the arguments.
    """
    name = getattr(fn, "__qualname__", None) or type(fn).__name__
    target = Target(name, fn, tuple(args), dict(kwargs or {}), in_axes, axis_size, expect)
    try:
        if in_axes is not AS_IS:
            named = list(zip(parameter_names(target), target.args, strict=True))
            check_in_axes(in_axes, axis_size, named, target.kwargs, name)
        # What is examined is not what the program does, if one is being watched.
        with deaf():
            found = examine(
                target, run=run, choices=_choices(select, ignore), detail=_in_detail(detail)
            )
        targets = finish((found,))
    except UsageError:
        raise
    except TargetError as error:
        if error.failure.stage != "analysis":
            raise (error.__cause__ or error) from None
        targets = (TargetReport(name, failure=error.failure),)
    except Exception as error:
        targets = (TargetReport(name, failure=doctors_own(name, error)),)
    return Report(targets, __version__, jax.__version__)


@contextlib.contextmanager
def watch(
    *,
    key_values: bool = True,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    stop_at: Severity | None = None,
    detail: bool | None = None,
) -> Iterator[Report]:
    """Watch the program inside for random numbers that are shared by mistake.

    Each function that it compiles is examined when it is first called with arguments of
    new shapes, as `check` would, without comparing outputs. With `key_values` the keys
    of each call and of each use outside of compiled functions are kept, and compared at
    the end (RNG014, RNG006). Yields a `Report`, which is empty until the context closes. Nothing
    that the program computes changes; a fault of the analysis is among `report.gaps`.
    `detail` is that of `check`.
    With `stop_at`, the program ends by the exception `FirstFinding` as soon as there is a
    finding as grave as that; keys are then also compared while it runs, ever more rarely.
    """
    with watching(
        _choices(select, ignore), key_values=key_values, stop_at=stop_at, detail=detail
    ) as report:
        yield report


@contextlib.contextmanager
def watching(
    choices: Choices,
    *,
    key_values: bool = True,
    stop_at: Severity | None = None,
    new: Callable[[Sequence[Finding]], Sequence[Finding]] = tuple,
    detail: bool | None = None,
    meeting: Meeting | None = None,
) -> Iterator[Report]:
    """`watch`, with all that the project's settings may say.

    The program ends only by a finding that is among those that `new` leaves. With a `meeting`,
    the processes of `jax.distributed` are compared at the end.
    """
    recorder = Recorder(
        choices,
        key_values=key_values,
        samples=meeting is not None,
        stop_at=stop_at,
        new=new,
        detail=_in_detail(detail),
    )
    report = Report((), __version__, jax.__version__)
    process = os.getpid()
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(patches.receiving_faults(recorder.gap))
            patches.enter(stack, "watching", lambda: listening(recorder))
            yield report
    finally:
        # A process that was forked off meanwhile must not run JAX, and its parent tells it all.
        if os.getpid() == process:
            try:
                targets = recorder.reports()
                if meeting is not None:
                    targets = meeting.hold(targets, recorder.functions(), choices)
            except Exception as error:  # the program has done nothing wrong
                targets = (nothing_judged("the program", error, choices),)
            model_report.Report.__init__(report, targets, __version__, jax.__version__)


def _in_detail(asked: bool | None) -> bool:
    """What was asked for, or else whether this is a notebook, which shows a report as a page."""
    return ipython.is_notebook() if asked is None else asked


def _choices(select: Sequence[str] | None, ignore: Sequence[str] | None) -> Choices:
    return Choices(None if select is None else tuple(select), tuple(ignore or ()))


__all__ = ["FindingsError", "Report", "check", "watch"]
