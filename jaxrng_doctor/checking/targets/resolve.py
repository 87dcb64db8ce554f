"""Makes `Target`s, with arguments, from a name and the flags.

Arguments missing in the flags are looked up, in this order, in the examples declared on the
function, the configuration, default values, annotations and parameter names.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor.checking.targets.annotations import suggestion
from jaxrng_doctor.checking.targets.binding import KEY_NAMES, Bound, Given, bind
from jaxrng_doctor.checking.targets.examples import ConfiguredTarget, Example, declared_on
from jaxrng_doctor.checking.targets.in_axes import check_in_axes, has_no_axis, parse_in_axes
from jaxrng_doctor.checking.targets.loading import COMMAND, Loaded, load, same_module, split
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.findings import Expect
from jaxrng_doctor.model.target import AS_IS, EXPECTATIONS, Target


@dataclass(frozen=True)
class Flags:
    """The flags about arguments; `in_axes` is the text as typed."""

    args: Mapping[str, str] = field(default_factory=dict)
    static: frozenset[str] = frozenset()
    in_axes: str | None = None
    axis_size: int | None = None
    seed: int = 0
    expect: Expect | None = None


class Configuration(Protocol):
    """A project's settings about targets. Paths are relative to `folder`."""

    @property
    def folder(self) -> Path: ...

    @property
    def targets(self) -> Sequence[ConfiguredTarget]: ...

    @property
    def expect(self) -> Expect: ...


def targets(text: str, flags: Flags, config: Configuration, folder: Path) -> list[Target]:
    """The targets that `text` names, one per example of each function.

    Paths in `text` are relative to `folder`. Raises `UsageError` if arguments are missing or do
    not match, `TargetError` if the user's code raises.
    """
    loaded = load(text, folder)
    if loaded.attribute:
        return _targets_of(loaded, loaded.attribute, loaded.named(loaded.attribute), flags, config)
    return [
        target
        for name in _with_examples(loaded, config)
        for target in _targets_of(loaded, name, loaded.named(name), flags, config)
    ]


def parse_flags(
    args: Sequence[str],
    static: Sequence[str],
    in_axes: str | None,
    axis_size: int | None,
    seed: int,
    expect: str | None,
) -> Flags:
    """Parse the flags. Raises `UsageError` for invalid ones."""
    expected = None if expect is None else choose("--expect", expect, EXPECTATIONS)
    given: dict[str, str] = {}
    for arg in args:
        name, equals, spec = arg.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise UsageError(
                f"invalid --arg {arg!r}: expected NAME=SPEC", "for example: --arg 'x=f32[32,10]'"
            )
        if name in given:
            raise UsageError(f"duplicate --arg {name}", "give each parameter one value")
        given[name] = spec
    if in_axes is not None:
        parse_in_axes(in_axes)
    return Flags(given, frozenset(static), in_axes, axis_size, seed, expected)


def _with_examples(loaded: Loaded, config: Configuration) -> list[str]:
    """The module's functions with an example, declared in the module or in the configuration."""
    named: dict[int, str] = {}  # by identity: an alias of a function is not another target
    for name, found in vars(loaded.module).items():
        examples = _declared_on(loaded, name, found) if callable(found) else []
        if any(example.module == loaded.module.__name__ for example in examples):
            named.setdefault(id(found), name)
    names = list(named.values())
    for entry in config.targets:
        where, attribute = split(entry.target)
        known = not attribute or attribute in names
        if not known and same_module(where, config.folder, loaded.module):
            names.append(attribute)
    if names:
        return names
    functions = loaded.functions()
    if not functions:
        raise UsageError(f"{loaded.where} defines no functions", f"run: {COMMAND} module:function")
    raise UsageError(
        f"{loaded.where} declares no examples to check",
        f"run: {COMMAND} {loaded.where}:{functions[0]}\n"
        f"or declare an example with @jaxrng_doctor.example(...)\n"
        f"the functions are {', '.join(functions)}",
    )


def _declared_on(loaded: Loaded, name: str, found: Any) -> list[Example]:
    """The examples declared on this function, in this module.

    `functools.wraps`, used by `jax.jit` and `jax.vmap`, copies them to the wrapper. The copies are
    valid for a decorated function, which has the same name, but not for `batched = jax.vmap(fn)`,
    whose arguments differ.
    """
    own = getattr(found, "__func__", found)
    return [
        example
        for example in declared_on(found)
        if example.declared_on is own
        or (
            example.module == loaded.module.__name__
            and getattr(example.declared_on, "__name__", None) == name.rpartition(".")[2]
        )
    ]


def _targets_of(
    loaded: Loaded, attribute: str, fn: Callable[..., Any], flags: Flags, config: Configuration
) -> list[Target]:
    name = f"{loaded.where}:{attribute}"
    declared = _declared_on(loaded, attribute, fn)
    configured = [
        entry
        for entry in config.targets
        if split(entry.target)[1] == attribute
        and same_module(split(entry.target)[0], config.folder, loaded.module)
    ]
    nothing = ConfiguredTarget(name, Example())
    # If there are both, the configuration completes the declaration.
    first = configured[0] if configured else nothing
    rest = first.example if declared else nothing.example
    rest = replace(rest, expect=rest.expect or config.expect)
    examples = [(e, first) for e in declared] or [(c.example, c) for c in configured or [nothing]]
    near = Path(getattr(loaded.module, "__file__", None) or ".").parent
    folder = near if declared else config.folder
    made = []
    for number, (example, entry) in enumerate(examples, start=1):
        label = example.name or (str(number) if len(examples) > 1 else "")
        given: Given = {
            **{key: (spec, config.folder) for key, spec in rest.args.items()},
            **{key: (spec, folder) for key, spec in example.args.items()},
            **{key: (spec, Path()) for key, spec in flags.args.items()},
        }
        request = _Request(f"{name}[{label}]" if label else name, name, fn, given, flags)
        made.append(replace(request.target(example, rest), overrides=entry.overrides))
    return made


@dataclass(frozen=True)
class _Request:
    """One requested target: `label` is its name, `typed` selects its function."""

    label: str
    typed: str
    fn: Callable[..., Any]
    given: Given
    flags: Flags

    def target(self, example: Example, rest: Example) -> Target:
        """The target. `rest` has values missing in the flags and the example."""
        flags = self.flags
        in_axes = rest.in_axes if example.in_axes is AS_IS else example.in_axes
        axis_size = rest.axis_size if example.axis_size is None else example.axis_size
        if flags.in_axes is not None:
            in_axes, axis_size = flags.in_axes, None
        if flags.axis_size is not None:
            axis_size = flags.axis_size
        static = flags.static | example.static | rest.static
        with self._naming_target():
            if isinstance(in_axes, str):
                in_axes = parse_in_axes(in_axes)
            if isinstance(in_axes, list):
                in_axes = tuple(in_axes)
            if in_axes is AS_IS and axis_size is not None:
                raise UsageError(
                    "an axis size needs in_axes",
                    f"add it, such as --in-axes None --axis-size {axis_size}",
                )
            bound = bind(self.fn, self.given, static, seed=flags.seed, in_axes=in_axes)
        if bound.missing:
            raise self._missing(bound, in_axes)
        if in_axes is not AS_IS:
            with self._naming_target():
                name = f"{self._called()}()"
                check_in_axes(in_axes, axis_size, bound.positional, bound.keyword, name)
        return Target(
            name=self.label,
            fn=self.fn,
            args=tuple(value for _, value in bound.positional),
            kwargs=bound.keyword,
            in_axes=in_axes,
            axis_size=axis_size,
            expect=flags.expect or example.expect or rest.expect or "different",
            static=static,
        )

    @contextlib.contextmanager
    def _naming_target(self) -> Iterator[None]:
        """Add the target's name to a `UsageError`."""
        try:
            yield
        except UsageError as error:
            raise UsageError(f"{self.label}: {error.message}", error.hint) from error

    def _called(self) -> str:
        return self.typed.rpartition(":")[2]

    def _missing(self, bound: Bound, in_axes: Any) -> UsageError:
        """The error for missing arguments, with a command that provides them."""
        names = [parameter.name for parameter in bound.missing]
        message = f"{self._called()}() needs a value for: {', '.join(names)}"
        if names[0] == "self":
            return UsageError(
                message, "check a method of an instance that the module creates: module:obj.fn"
            )
        hints = []
        specs: dict[str, str] = {}
        for parameter in bound.missing:
            spec, open_axes = suggestion(parameter.annotation)
            specs[parameter.name] = spec or "f32[32,10]"
            if spec and open_axes:
                hints.append(
                    f"{parameter.name}: the annotation does not fix the size of {open_axes}: "
                    f"adjust {spec}"
                )
        hints.append(f"run: {self._command(specs)}")
        if in_axes is AS_IS and bound.positional:
            # Keyword arguments are always mapped, so a lone keyword-only key has to be a batch.
            batched = {key: "key[32]" for key in bound.keyword if key in KEY_NAMES}
            axes = [
                "0" if name in specs or not has_no_axis(found) else "None"
                for name, found in bound.positional
            ]
            entries = ",".join(axes) + "," * (len(axes) == 1)
            hints.append(
                "or, to check it under jax.vmap: "
                + self._command({**specs, **batched}, "--in-axes", entries)
            )
        return UsageError(message, "\n".join(hints))

    def _command(self, specs: Mapping[str, str], *more: str) -> str:
        flags = self.flags
        words = ["jaxrng-doctor", "check", self.typed]
        for name, spec in {**flags.args, **specs}.items():
            words += ["--arg", f"{name}={spec}"]
        for name in sorted(flags.static):
            words += ["--static", name]
        if flags.in_axes is not None:
            words += ["--in-axes", flags.in_axes]
        if flags.axis_size is not None:
            words += ["--axis-size", str(flags.axis_size)]
        return shlex.join([*words, *more])
