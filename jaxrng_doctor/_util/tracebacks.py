"""Whose fault it was: in comes an exception of the user's code, out comes a `Failure`.

The traceback keeps the user's frames: ours, JAX's and the import machinery's
would only hide them.
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
    """In a `with` statement: the frame that holds it is in no traceback of what is raised there.

    For a function that stands between the user's code and JAX.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: Any) -> None:
        if error is not None and trace is not None:
            error.__traceback__ = trace.tb_next


unseen = Unseen()


def failure(stage: Stage, what: str, error: BaseException) -> Failure:
    """The failure of `what` at `stage`: `what` begins the sentence that `message` is."""
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        message = f"{what} called sys.exit({code})"
    else:
        message = f"{what} raised {in_a_line(error)}"
    return Failure(stage, message, user_traceback(error))


def in_a_line(error: BaseException) -> str:
    """The type of an exception, and the first line of what it says, if it says anything."""
    first = str(error).strip().partition("\n")[0]
    return type(error).__name__ + (f": {first}" if first else "")


def doctors_own(what: str, error: BaseException) -> Failure:
    """The failure of the doctor itself at the analysis of `what`, with all of the traceback."""
    told = "".join(traceback.format_exception(error)).rstrip()
    message = f"{what}: the doctor failed with {type(error).__name__}; please report this"
    return Failure("analysis", message, told)


def user_traceback(error: BaseException) -> str:
    """The traceback of `error` as Python prints it, with the user's frames only.

    All frames are kept where none is the user's. A syntax error needs none: its
    own lines show the place.
    """
    shown = traceback.TracebackException.from_exception(error)
    _trim(shown, error)
    return "".join(shown.format()).rstrip()


def of_a_crash(told: str) -> str:
    """What `faulthandler` wrote, as a traceback of the user's frames; `""` where it wrote none."""
    found = re.findall(r'^  File "(.*)", line (\d+) in (.*)$', told, re.MULTILINE)
    # The latest comes first; what called us is no more the user's than we are.
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
    """Whether the exception passed through any code of the user's."""
    return any(_is_users(frame.filename) for frame in traceback.extract_tb(error.__traceback__))


def _trim(shown: traceback.TracebackException | None, error: BaseException | None) -> None:
    if shown is None:
        return
    kept = [frame for frame in shown.stack if _is_users(frame.filename)]
    if kept or isinstance(error, SyntaxError):
        shown.stack = traceback.StackSummary.from_list(kept)
    # JAX adds a note on the frames that it removed itself: they are not the user's either.
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
    """The folders of code that is not the user's, whether it is imported yet or not."""
    specs = [importlib.util.find_spec(name) for name in ("importlib", "jax", "jaxlib")]
    return [OWN_DIR, *(f"{Path(spec.origin).parent}/" for spec in specs if spec and spec.origin)]
