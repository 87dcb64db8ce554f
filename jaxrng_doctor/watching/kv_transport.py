"""Sends values between the processes of one program, at their end.

It goes through the store of `jax.distributed`, which process 0 keeps. Anybody who reaches that
store can write to it, so that only plain data of the doctor's own is read from there.
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
"""So long the first process waits for all others together; JAX takes one for dead after 100."""

_FOLDER = "jaxrng_doctor"
_CLOSED = f"{_FOLDER}/closed"
_PART = 1 << 20  # bytes; a message of over 4 MiB is refused (seen on 0.6)
_POLL = 0.5  # s, so that Ctrl-C is heard
_PATIENCE = 2.0  # s, before a word is said


class Mailbox:
    """`client` is that of `jax.distributed`, of process `index`. All may raise whatever it does."""

    def __init__(self, client: Any, index: int) -> None:
        self._client = client
        self._index = index
        self._told = False

    def post(self, value: Any) -> bool:
        """Leave `value` for process 0; false if that does not look for it any more."""
        content = pickle.dumps(value)
        parts = [content[start : start + _PART] for start in range(0, len(content), _PART)]
        for number, part in enumerate(parts):
            self._client.key_value_set_bytes(_part(self._index, number), part)
        self._client.key_value_set_bytes(_count(self._index), str(len(parts)).encode())
        # In this order, and process 0 in the other: one of the two sees what the other has done.
        return not self._has(_CLOSED)

    def collect(self, senders: Iterable[int]) -> Iterator[tuple[int, Any]]:
        """What each of `senders` has posted, or the exception that came in its place."""
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
            yield sender, self._read(sender) if late else TimeoutError("it was not there in time")

    def _wait(self, key: str, until: float) -> tuple[float, bool]:
        """Whether the key came before `until`; with Ctrl-C, nobody waits from then on."""
        try:
            while (left := until - time.monotonic()) > 0:
                if self._came(key, min(left, _POLL)):
                    return until, True
                if left < SECONDS - _PATIENCE and not self._told:
                    self._told = True
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
    """Makes nothing but the doctor's own dataclasses, and what Python's literals are made of."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == __name__.partition(".")[0]:
            found = super().find_class(module, name)
            if isinstance(found, type) and dataclasses.is_dataclass(found):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no data of the doctor's")


def _part(sender: int, number: int) -> str:
    return f"{_FOLDER}/{sender}/part/{number}"


def _count(sender: int) -> str:
    return f"{_FOLDER}/{sender}/count"


def _tell(line: str) -> None:
    print(f"jaxrng-doctor: {line}", file=sys.stderr, flush=True)
