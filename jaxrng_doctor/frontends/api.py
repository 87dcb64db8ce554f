"""The Python API: `check`, `watch` and the `Report` that both return."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

from jaxrng_doctor._util import ipython
from jaxrng_doctor._util.tracebacks import internal_error
from jaxrng_doctor._util.version import __version__
from jaxrng_doctor.checking.examine import examine
from jaxrng_doctor.checking.targets.in_axes import check_in_axes
from jaxrng_doctor.jax_internals import patches
from jaxrng_doctor.model import report as model_report
from jaxrng_doctor.model.errors import TargetError, UsageError
from jaxrng_doctor.model.findings import Choices, Expect, Finding, Severity
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.model.target import AS_IS, Target
from jaxrng_doctor.reports import html
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions
from jaxrng_doctor.suppression.unused import finish
from jaxrng_doctor.tracing.array_call import parameter_names
from jaxrng_doctor.watching.build_reports import error_report
from jaxrng_doctor.watching.hooks import listening, paused
from jaxrng_doctor.watching.processes import ProcessMerge
from jaxrng_doctor.watching.recorder import Recorder


class FindingsError(AssertionError):
    """Raised by `Report.raise_for_findings`. Its text is the full report."""


class Report(model_report.Report):
    """The result of `check` or `watch`. `print(report)` shows it as the command line does."""

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, *, verbose: bool = False) -> str:
        """The report as text; with `verbose` the whole report of functions that pass, too."""
        options = RenderOptions(root=os.getcwd(), verbosity="verbose" if verbose else "normal")
        return FORMATS["terminal"](self, options).rstrip("\n")

    def to_json(self) -> str:
        """The report as JSON text, in the format of `docs/report.schema.json`."""
        return FORMATS["json"](self, RenderOptions(root=os.getcwd()))

    def to_html(self) -> str:
        """The report as a self-contained HTML page.

        Raises `UsageError` if Jinja2 is not installed.
        """
        return FORMATS["html"](self, RenderOptions(root=os.getcwd()))

    def _repr_html_(self) -> str:
        return html.framed(self, RenderOptions(root=os.getcwd()))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def raise_for_findings(self, *, gaps: bool = False) -> None:
        """Raise `FindingsError` if the report has errors, warnings or failures.

        With `gaps`, also raise if it has gaps.
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
    """Check `fn(*args, **kwargs)` for random numbers that are shared by mistake.

    Array leaves of `args` and `kwargs` are traced; other values are passed through unchanged.
    With `in_axes` (and `axis_size`), as in `jax.vmap`, `fn` is a per-example function and is
    checked under that vmap. Without `in_axes`, `fn` is called directly and the vmaps inside it
    are checked. `run=False` only traces and executes nothing. `expect="same"` declares sharing
    as intended. `select` and `ignore` are rule codes or code prefixes. `detail` keeps data that
    only the HTML page shows: the program and pictures of the noise. It is on by default in
    notebooks.

    Returns a `Report`. An exception that `fn` raises during tracing propagates. One that it
    raises only when it runs is in `report.failures`, as are internal errors of jaxrng-doctor.
    Raises `UsageError` if `in_axes` does not match the arguments.
    """
    name = getattr(fn, "__qualname__", None) or type(fn).__name__
    target = Target(name, fn, tuple(args), dict(kwargs or {}), in_axes, axis_size, expect)
    try:
        if in_axes is not AS_IS:
            named = list(zip(parameter_names(target), target.args, strict=True))
            check_in_axes(in_axes, axis_size, named, target.kwargs, name)
        # A surrounding `watch` must not record the calls made by this check.
        with paused():
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
        targets = (TargetReport(name, failure=internal_error(name, error)),)
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
    """Watch the code in this context for random numbers that are shared by mistake.

    Each compiled function is checked when it is first called with new argument shapes, like
    `check` but without comparing outputs. With `key_values`, the keys of each call and of each
    use outside compiled functions are recorded, and compared at the end (RNG005, RNG006, RNG014).

    Yields a `Report` that is empty until the context exits. The program's results do not change;
    internal errors of the analysis are in `report.gaps`. `detail` is as in `check`.

    With `stop_at`, the exception `FirstFinding` stops the program at the first finding of at
    least that severity. Keys are then also compared while the program runs, at growing intervals.
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
    merge: ProcessMerge | None = None,
) -> Iterator[Report]:
    """`watch` with the project's settings.

    `new` filters out the findings that must not stop the program. With a `merge`, the keys of
    all `jax.distributed` processes are compared at the end.
    """
    recorder = Recorder(
        choices,
        key_values=key_values,
        samples=merge is not None,
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
        # A forked child must not run JAX; its parent makes the report.
        if os.getpid() == process:
            try:
                targets = recorder.reports()
                if merge is not None:
                    targets = merge.merge(targets, recorder.functions(), choices)
            except Exception as error:  # an internal error must not fail the program
                targets = (error_report("the program", error, choices),)
            report._fill(targets)


def _in_detail(asked: bool | None) -> bool:
    """`asked`, by default whether this is a notebook, which shows a report as an HTML page."""
    return ipython.is_notebook() if asked is None else asked


def _choices(select: Sequence[str] | None, ignore: Sequence[str] | None) -> Choices:
    return Choices(None if select is None else tuple(select), tuple(ignore or ()))


__all__ = ["FindingsError", "Report", "check", "watch"]
