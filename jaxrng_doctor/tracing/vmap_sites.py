"""Records where each vmap was written: wraps `jax.vmap` to record the place of its call.

The trace only sees the call of the mapped function. A report should show the line with
`jax.vmap(…, in_axes=…)`, which may be far from that call.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax

from jaxrng_doctor._util.tracebacks import unseen
from jaxrng_doctor.jax_internals import patches, stacks
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing import places

_state = threading.local()


@dataclass(frozen=True, slots=True)
class VmapSite:
    """Information about the vmap that is being called: where it was written, or its names.

    `function` and `names` are the names of the mapped function and of its arguments, given only
    for a vmap that jaxrng-doctor makes. `via` is the module of the library that called `jax.vmap`
    for the user, `""` if none did.
    """

    place: Place | None
    function: str | None = None
    names: tuple[str, ...] | None = None
    via: str = ""


@contextlib.contextmanager
def described(function: str, names: tuple[str, ...]) -> Iterator[None]:
    """While open, the next vmap is internal: of the user's `function` with arguments `names`."""
    _state.made = VmapSite(None, function, names)
    try:
        yield
    finally:
        _state.made = None


def _recording(original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def vmap(*args: Any, **kwargs: Any) -> Callable[..., Any]:
        with unseen:
            return _remembering(original(*args, **kwargs), _made_here())

    return vmap


_RECORDING = patches.attribute(jax, "vmap", _recording)


@contextlib.contextmanager
def recording_vmaps() -> Iterator[None]:
    """While open, `jax.vmap` records the place where it is called; otherwise it is unchanged.

    Functions that are mapped inside keep their record for good. Nested use is harmless.
    """
    with _RECORDING:
        yield


def _made_here() -> VmapSite:
    stack = list(places.python_stack())
    return VmapSite(places.innermost(stack), via=places.calling_library(stack))


def _remembering(mapped: Callable[..., Any], made: VmapSite) -> Callable[..., Any]:
    @functools.wraps(mapped)
    def vmapped(*args: Any, **kwargs: Any) -> Any:
        with unseen:
            _state.made = getattr(_state, "made", None) or made
            try:
                return mapped(*args, **kwargs)
            finally:
                _state.made = None

    return vmapped


def pop() -> VmapSite:
    """The site of the vmap that is being called; without a record, the place is that of the call.

    The record is removed, so that it is not used for another vmap.
    """
    made: VmapSite | None = getattr(_state, "made", None)
    _state.made = None
    return made or _made_here()


def called_by_jacobian() -> bool:
    """Whether `jacfwd`, `jacrev` or `hessian` calls the current vmap, which maps over a basis."""
    frame = sys._getframe(1)
    while frame is not None:
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        if stacks.is_api_file(path) and name != stacks.VMAP_CALL:
            return name == stacks.JACOBIAN_CALL
        if not places.is_machinery(path):
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return False
