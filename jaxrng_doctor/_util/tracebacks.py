"""Exceptions as `Failure`s, with tracebacks that show only the user's frames.

Frames of jaxrng-doctor, JAX and the import machinery are removed.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import re
import traceback
from pathlib import Path
from typing import Any

from jaxrng_doctor._util.paths import OWN_DIR
from jaxrng_doctor.model.findings import Failure, Stage


class Unseen:
    """Context manager that removes its function's frame from the tracebacks of exceptions.

    For functions between the user's code and JAX.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: Any) -> None:
        if error is not None and trace is not None:
            error.__traceback__ = trace.tb_next


unseen = Unseen()


def failure(stage: Stage, what: str, error: BaseException) -> Failure:
    """The failure at `stage`. `what` is the subject of the message."""
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        message = f"{what} called sys.exit({code})"
    else:
        message = f"{what} raised {in_a_line(error)}"
    return Failure(stage, message, user_traceback(error))


def in_a_line(error: BaseException) -> str:
    """The type of an exception and the first line of its message, if it has one."""
    first = str(error).strip().partition("\n")[0]
    return type(error).__name__ + (f": {first}" if first else "")


def internal_error(what: str, error: BaseException) -> Failure:
    """The failure for an internal error in the analysis of `what`, with the full traceback."""
    shown = "".join(traceback.format_exception(error)).rstrip()
    message = f"{what}: internal error in jaxrng-doctor ({type(error).__name__}); please report it"
    return Failure("analysis", message, shown)


def user_traceback(error: BaseException) -> str:
    """The traceback of `error` in Python's format, with the user's frames only.

    If no frame is the user's, all are kept, except for syntax errors, which show their location
    themselves.
    """
    shown = traceback.TracebackException.from_exception(error)
    _trim(shown, error)
    return "".join(shown.format()).rstrip()


def of_a_crash(dump: str) -> str:
    """The output of `faulthandler` as a traceback of the user's frames, `""` if it has none."""
    found = re.findall(r'^  File "(.*)", line (\d+) in (.*)$', dump, re.MULTILINE)
    # Innermost first; frames outside ours are not the user's.
    inner = itertools.takewhile(lambda frame: not frame[0].startswith(OWN_DIR), found)
    frames = [
        traceback.FrameSummary(file, int(line), name)
        for file, line, name in inner
        if _is_users(file)
    ][::-1]
    if not frames:
        return ""
    shown = "".join(traceback.StackSummary.from_list(frames).format()).rstrip()
    return f"Traceback (most recent call last):\n{shown}"


def has_user_frames(error: BaseException) -> bool:
    """Whether the exception passed through user code."""
    return any(_is_users(frame.filename) for frame in traceback.extract_tb(error.__traceback__))


def _trim(shown: traceback.TracebackException | None, error: BaseException | None) -> None:
    if shown is None:
        return
    kept = [frame for frame in shown.stack if _is_users(frame.filename)]
    if kept or isinstance(error, SyntaxError):
        shown.stack = traceback.StackSummary.from_list(kept)
    # Drop JAX's note about the internal frames that it has removed itself.
    notes = getattr(shown, "__notes__", None) or []
    shown.__notes__ = [note for note in notes if "JAX has removed its internal frames" not in note]
    for side in ("__cause__", "__context__"):
        _trim(getattr(shown, side), getattr(error, side, None))


def _is_users(filename: str) -> bool:
    return not filename.startswith("<frozen ") and not any(
        filename.startswith(folder) for folder in _others()
    )


@functools.cache
def _others() -> list[str]:
    """The folders whose code is not the user's, imported or not."""
    specs = [importlib.util.find_spec(name) for name in ("importlib", "jax", "jaxlib")]
    return [OWN_DIR, *(f"{Path(spec.origin).parent}/" for spec in specs if spec and spec.origin)]
