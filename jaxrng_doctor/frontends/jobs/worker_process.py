"""A worker process from the parent's side: starts it, exchanges messages with it, stops it.

`jaxrng_doctor.frontends.jobs.worker_main` is the program that it runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from queue import SimpleQueue
from typing import Any

from jaxrng_doctor.frontends.jobs.messages import received, send

POSIX = os.name == "posix"

_PROGRAM = """\
import sys
sys.path[:], sys.argv = {path!r}, {argv!r}
from jaxrng_doctor.frontends.jobs.worker_main import main
main({crashes!r})
"""

Events = SimpleQueue[tuple["Process", Any]]


class Process:
    """One worker. Its messages go to `events`; `None` is the last and means that it is dead.

    The creator must call `end`.
    """

    def __init__(self, events: Events) -> None:
        # Crash reports bypass Python's streams, in a pipe that is large enough for a traceback.
        crashes: int | None = None
        self._crash: int | None = None
        if POSIX:
            self._crash, crashes = os.pipe()
        program = _PROGRAM.format(path=sys.path, argv=sys.argv, crashes=crashes)
        warnings = [f"-W{option}" for option in sys.warnoptions]
        self._popen = subprocess.Popen(
            # -P: do not prepend a folder to the given sys.path.
            [sys.executable, "-P", *warnings, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=() if crashes is None else (crashes,),
            # Only the parent receives Ctrl-C; it stops its workers and all that they have started.
            start_new_session=POSIX,
        )
        if self._crash is not None and crashes is not None:
            os.close(crashes)
            os.set_blocking(self._crash, False)
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._to, self._from = self._popen.stdin, self._popen.stdout
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def send(self, message: object) -> None:
        """Send a message. If the worker is dead, an event will report that."""
        with contextlib.suppress(OSError):
            send(self._to, message)

    def alive(self) -> bool:
        return self._popen.poll() is None

    def end(self, patience: float = 0.0) -> None:
        """Stop the worker and everything in its session.

        A worker that was sent `None` gets `patience` seconds to exit and run its exit handlers.
        """
        if patience:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(patience)
        if POSIX:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        else:
            self._popen.kill()
        self._popen.wait()

    def how_it_ended(self) -> str:
        """For a dead worker: how it ended, as the predicate of a sentence."""
        code = self._popen.wait()
        if code >= 0:
            return f"ended the process with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ", possibly because the system ran out of memory" if name == "SIGKILL" else ""
        return f"crashed: its process was killed by {name}{hint}"

    def crash(self) -> str:
        """For a dead worker: the output of `faulthandler`, `""` if it did not crash."""
        if self._crash is None:
            return ""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._crash, 1 << 16).decode(errors="replace")
        return ""

    def _listen(self, events: Events) -> None:
        for message in received(self._from):
            events.put((self, message))
        events.put((self, None))
