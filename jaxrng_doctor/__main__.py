"""`jaxrng-doctor` and `python -m jaxrng_doctor`: what need not wait for the command line.

To read one takes typer and pydantic a fifth of a second. `rules` and `explain CODE` are answered
before that, and meanwhile the worker of a `check` imports JAX.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxrng_doctor.frontends.jobs.pool import Crew


def main() -> None:
    """Run the command line; it exits, unless it is answered at once."""
    words = sys.argv[1:]
    if _answered(words):
        return
    crew = _early_crew(words)
    try:
        from jaxrng_doctor.frontends import cli

        cli.main(crew)
    finally:
        if crew is not None:  # a command line that is wrong never comes to use it
            crew.dismiss()


def _answered(words: list[str]) -> bool:
    """Whether that was a command without options, and right, and is done."""
    if words == ["rules"]:
        from jaxrng_doctor.frontends.commands.rules import rules

        rules("terminal")
        return True
    if words[:1] == ["explain"] and words[1:]:
        from jaxrng_doctor.frontends.commands.explain import explain, is_code

        if all(map(is_code, words[1:])):
            explain(words[1:], every=False, format="terminal")
            return True
    return False


def _early_crew(words: list[str]) -> Crew | None:
    if words[:1] != ["check"] or {"-h", "--help"} & set(words):
        return None
    from jaxrng_doctor.frontends.jobs.pool import Crew

    crew = Crew()
    crew.start()
    return crew


if __name__ == "__main__":
    main()
