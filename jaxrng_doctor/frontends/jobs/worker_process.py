"""A worker process, seen from the doctor: started, told what to do, listened to, ended.

It does all that touches the user's code; `jaxrng_doctor.frontends.jobs.worker_main` is its inside.
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
    """One worker. Each message from it goes to `events`; the last one is `None`: it is dead.

    Whoever starts it must `end` it.
    """

    def __init__(self, events: Events) -> None:
        # A crash is told past Python's own streams, through a pipe that holds a whole traceback.
        crashes: int | None = None
        self._crash: int | None = None
        if POSIX:
            self._crash, crashes = os.pipe()
        program = _PROGRAM.format(path=sys.path, argv=sys.argv, crashes=crashes)
        warnings = [f"-W{option}" for option in sys.warnoptions]
        self._popen = subprocess.Popen(
            # -P: no folder comes before the path that is asked for.
            [sys.executable, "-P", *warnings, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=() if crashes is None else (crashes,),
            # Ctrl-C is for the doctor, who ends its workers and all that they have started.
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
        """Send a message; that the worker is dead will be told as an event."""
        with contextlib.suppress(OSError):
            send(self._to, message)

    def alive(self) -> bool:
        return self._popen.poll() is None

    def end(self, patience: float = 0.0) -> None:
        """End the worker, and everything in its session.

        One that was sent `None` ends by itself, exit handlers and all, if it has the patience of
        so many seconds.
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
        """Of a dead worker: what a sentence says that begins with what it did."""
        code = self._popen.wait()
        if code >= 0:
            return f"ended the process with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ", as by a system that is out of memory" if name == "SIGKILL" else ""
        return f"crashed: its process was killed by {name}{hint}"

    def crash(self) -> str:
        """Of a dead worker: what `faulthandler` wrote of its crash, `""` where there was none."""
        if self._crash is None:
            return ""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._crash, 1 << 16).decode(errors="replace")
        return ""

    def _listen(self, events: Events) -> None:
        for message in received(self._from):
            events.put((self, message))
        events.put((self, None))
