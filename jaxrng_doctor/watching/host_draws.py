"""The draws from NumPy's and Python's generators while JAX traced a function."""

from __future__ import annotations

from collections.abc import Collection

from jaxrng_doctor.model.facts import HostDrawFacts
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.tracing.host_rng import doubt
from jaxrng_doctor.tracing.places import is_users

Source = tuple[str, str]
"""The name of a function and the path of its file."""


class HostDraws:
    """The host draws of one program, by the function that was traced."""

    def __init__(self) -> None:
        self._found: dict[Source, tuple[HostDrawFacts, bool]] = {}

    def __contains__(self, source: object) -> bool:
        return source in self._found

    def note(self, library: str, source: str, is_alone: bool) -> None:
        """Note a draw; see `Listener.drew_while_tracing`."""
        name, _, where = source.partition(" at ")
        path, _, line = where.rpartition(":")
        is_place = line.isdecimal() and is_users(path)
        place = Place(path, int(line), function=name) if is_place else None
        self._found[name, path] = HostDrawFacts(library, "", place), is_alone

    def but(self, known: Collection[Source]) -> tuple[tuple[HostDrawFacts, ...], list[str]]:
        """The draws, and messages about uncertain ones, except in the functions that are `known`.

        The second trace of those has shown the lines of the draws. For the others there was no
        second trace, or it drew nothing.
        """
        drew = [draw for source, draw in self._found.items() if source not in known]
        doubts = [doubt(draw.library) for draw, is_alone in drew if not is_alone]
        return tuple(draw for draw, is_alone in drew if is_alone), doubts
