"""Sends values from the processes of one program to process 0, at their end.

It uses the key-value store of `jax.distributed`, which process 0 hosts. Anyone who can reach that
store can write to it, so only plain data is read from it.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

SECONDS = 30.0
"""How long process 0 waits for all others together; JAX considers a process dead after 100 s."""

_FOLDER = "jaxrng_doctor"
_CLOSED = f"{_FOLDER}/closed"
_PART = 1 << 20  # bytes; messages over 4 MiB are refused (seen on 0.6)
_POLL = 0.5  # s; Ctrl-C takes effect in between
_PATIENCE = 2.0  # s, until a message is printed


class Mailbox:
    """The messages of the processes. `client`: that of `jax.distributed` in process `index`.

    All methods propagate the exceptions of the client.
    """

    def __init__(self, client: Any, index: int) -> None:
        self._client = client
        self._index = index
        self._reported = False

    def post(self, value: Any) -> bool:
        """Store `value` for process 0; return whether process 0 still reads it."""
        content = pickle.dumps(value)
        parts = [content[start : start + _PART] for start in range(0, len(content), _PART)]
        for number, part in enumerate(parts):
            self._client.key_value_set_bytes(_part(self._index, number), part)
        self._client.key_value_set_bytes(_count(self._index), str(len(parts)).encode())
        # This process writes the count, then looks for `_CLOSED`; process 0 does the reverse.
        # So at least one of the two sees what the other has written.
        return not self._has(_CLOSED)

    def collect(self, senders: Iterable[int]) -> Iterator[tuple[int, Any]]:
        """Each of `senders` with what it has posted, or with the exception if that failed."""
        until = time.monotonic() + SECONDS
        missing = []
        for sender in senders:
            until, came = self._wait(_count(sender), until)
            if came:
                yield sender, self._read(sender)
            else:
                missing.append(sender)
        if missing:
            self._client.key_value_set_bytes(_CLOSED, b"1")
        for sender in missing:
            late = self._has(_count(sender))
            yield sender, self._read(sender) if late else TimeoutError("it did not arrive in time")

    def _wait(self, key: str, until: float) -> tuple[float, bool]:
        """The deadline for the next key, and whether this one was set; Ctrl-C ends all waiting."""
        try:
            while (left := until - time.monotonic()) > 0:
                if self._came(key, min(left, _POLL)):
                    return until, True
                if left < SECONDS - _PATIENCE and not self._reported:
                    self._reported = True
                    _tell("waiting for the other processes to end; Ctrl-C to wait no longer")
        except KeyboardInterrupt:
            return 0.0, False
        return until, self._has(key)

    def _came(self, key: str, seconds: float) -> bool:
        try:
            self._client.blocking_key_value_get_bytes(key, max(int(seconds * 1000), 1))
        except Exception as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise
            return False
        return True

    def _has(self, key: str) -> bool:
        try:
            self._client.key_value_try_get_bytes(key)
        except Exception as error:
            if "NOT_FOUND" not in str(error):
                raise
            return False
        return True

    def _read(self, sender: int) -> Any:
        try:
            count = int(self._client.key_value_try_get_bytes(_count(sender)))
            names = [_part(sender, number) for number in range(count)]
            parts = [self._client.key_value_try_get_bytes(name) for name in names]
            return _PlainData(io.BytesIO(b"".join(parts))).load()
        except Exception as error:
            return error


class _PlainData(pickle.Unpickler):
    """Unpickles only the dataclasses of jaxrng-doctor and the types of Python's literals."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == __name__.partition(".")[0]:
            found = super().find_class(module, name)
            if isinstance(found, type) and dataclasses.is_dataclass(found):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a report")


def _part(sender: int, number: int) -> str:
    return f"{_FOLDER}/{sender}/part/{number}"


def _count(sender: int) -> str:
    return f"{_FOLDER}/{sender}/count"


def _tell(line: str) -> None:
    print(f"jaxrng-doctor: {line}", file=sys.stderr, flush=True)
