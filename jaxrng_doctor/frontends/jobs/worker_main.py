"""The main program of a worker: reads tasks from stdin and writes answers to stdout.

Before any user code runs, both are moved to other descriptors: user code sees an empty stdin and
prints to stderr. A worker leads a separate session. When the parent process is gone, the worker
kills itself and everything that the user's code has started.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import os
import signal
import sys
import threading
from queue import SimpleQueue
from typing import IO, Any

from jaxrng_doctor.frontends.jobs.messages import Answered, Begun, Find, Plan, Ready, received, send
from jaxrng_doctor.frontends.jobs.worker_process import POSIX


def main(crashes: int | None) -> None:
    """Run tasks until a `None` arrives. `crashes` is the descriptor for `faulthandler`."""
    done = threading.Event()
    atexit.register(_leave, done)  # registered first, so that it runs after the user's handlers
    tasks, answers = _take_streams()
    _keep_from_children(tasks, answers)
    if crashes is not None:
        os.set_inheritable(crashes, False)
        faulthandler.enable(crashes, all_threads=False)
    inbox: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(tasks, inbox), daemon=True).start()

    # These imports are never freed. Collecting garbage among them would take a third of the import
    # time, and so would each later search for the user's generators among all objects.
    gc.disable()
    import jax

    from jaxrng_doctor.frontends.jobs.tasks import Examiner
    from jaxrng_doctor.suppression.source_versions import noting_imports

    gc.freeze()
    gc.enable()
    send(answers, Ready(jax.__version__))
    plan: Plan | None = inbox.get()
    if plan is None:  # a usage error
        done.set()
        return
    worker = os.getpid()

    def on_stage(message: Begun) -> None:
        _end_if_forked(worker)
        send(answers, message)

    examiner = Examiner(plan, on_stage)
    with noting_imports:
        while (task := inbox.get()) is not None:
            examiner.ended_by = None
            answer = examiner.find(task) if isinstance(task, Find) else examiner.examine(task)
            _end_if_forked(worker, examiner.ended_by)
            send(answers, Answered(task, answer))
    done.set()


def _end_if_forked(worker: int, error: BaseException | None = None) -> None:
    """Exit from a process that the user's code has forked and that has returned from that code.

    Its exit code is what Python would use if `error` ended a program, in case the parent asks.
    """
    if os.getpid() != worker:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(_exit_code(error))


def _exit_code(error: BaseException | None) -> int:
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def _keep_from_children(*streams: IO[bytes]) -> None:
    """Detach the pipes from processes that the user's code forks.

    Otherwise a child could answer for its parent, or hide its parent's death by outliving it.
    """
    fds = [stream.fileno() for stream in streams]

    def detach() -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in fds:
            os.dup2(nothing, fd, inheritable=False)
        os.close(nothing)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=detach)


def _leave(done: threading.Event) -> None:
    """Exit immediately: tearing down JAX would take a quarter of a second."""
    if done.is_set():
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(0)


def _take_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes from and to the parent process, out of reach of other code in this process.

    The descriptors are moved too, because subprocesses bypass `sys.stdout`.
    """
    tasks = open(os.dup(0), "rb")  # noqa: SIM115
    answers = open(os.dup(1), "wb")  # noqa: SIM115
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return tasks, answers


def _listen(tasks: IO[bytes], inbox: SimpleQueue[Any]) -> None:
    for message in received(tasks):
        inbox.put(message)
        if message is None:
            return
    if POSIX:
        os.killpg(0, signal.SIGKILL)
    else:
        os.kill(os.getpid(), signal.SIGTERM)
