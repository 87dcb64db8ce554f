"""The pages that are made from docstrings: in come the rules and the public API, out comes text."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import jaxrng_doctor
from jaxrng_doctor.rules.rule import Rule

FIRST = ("check", "example", "Report", "FindingsError", "UsageError", "TargetError")
"""What a reader of the reference looks for; the plain data comes after it."""


def rule_table(rules: Sequence[Rule], folder: str) -> str:
    """All rules, with links to their pages in `folder`."""
    head = "| code | name | severity | what it finds |\n|---|---|---|---|\n"
    return head + "".join(
        f"| [{r.code}]({folder}{r.code}.md) | {r.name} | {r.severity} | {r.summary} |\n"
        for r in rules
    )


def rule_index(rules: Sequence[Rule]) -> str:
    return (
        "<!-- Made by `make docs` from the docstrings in jaxrng_doctor/rules/. -->\n"
        "# The rules\n\n"
        f"{rule_table(rules, '')}\n"
        "`jaxrng-doctor explain RNG001` shows one of these pages in the terminal.\n"
    )


def rule_page(rule: Rule) -> str:
    source = f"jaxrng_doctor/rules/{rule_module(rule)}.py"
    return (
        f"<!-- Made by `make docs` from {source}: edit that file. -->\n"
        f"# {rule.code} {rule.name}\n\n"
        f"Severity: {rule.severity}. [All rules](README.md)\n\n"
        f"{rule.text.doc}\n"
    )


def rule_module(rule: Rule) -> str:
    """The name of the module that a rule lives in."""
    return f"{rule.code.lower()}_{rule.name.replace('-', '_')}"


def python_reference() -> str:
    """The public API, each name with its signature or fields and its docstring."""
    others = [n for n in jaxrng_doctor.__all__ if n not in FIRST and not n.startswith("_")]
    return (
        "<!-- Made by `make docs` from the docstrings of jaxrng_doctor. -->\n"
        "# From Python\n\n"
        "All that can be imported from `jaxrng_doctor`.\n"
        + "".join(_entry(name, "##") for name in FIRST)
        + "\n## What a report is made of\n\n"
        "Plain, frozen data: it can be kept and compared, and needs no JAX.\n"
        + "".join(_entry(name, "###") for name in others)
    )


def _entry(name: str, level: str) -> str:
    thing = getattr(jaxrng_doctor, name)
    node = _node(thing)
    doc = inspect.getdoc(thing)
    if isinstance(node, ast.FunctionDef):
        return f"\n{level} {name}\n\n{_code(_head(thing))}\n{doc}\n"
    fields = "".join(f"{line}\n" for line in _fields(thing))
    shown = f"\n{_code(fields)}" if fields else ""
    return f"\n{level} {name}\n\n{doc}\n{shown}{''.join(_methods(thing))}"


def _fields(cls: type) -> Iterator[str]:
    """The fields that a reader finds in an instance, the base classes' first."""
    for base in _own_bases(cls):
        source = textwrap.dedent(inspect.getsource(base))
        for node in _node(base).body:
            if isinstance(node, ast.AnnAssign):
                name, kind = (
                    ast.get_source_segment(source, n) for n in (node.target, node.annotation)
                )
                yield f"{name}: {kind}"


def _methods(cls: type) -> Iterator[str]:
    for base in _own_bases(cls):
        for name, member in vars(base).items():
            if name.startswith("_") or (not isinstance(member, property) and not callable(member)):
                continue
            fn = member.fget if isinstance(member, property) else member
            node = _node(fn)
            assert isinstance(node, ast.FunctionDef)
            assert node.returns is not None
            given = "" if isinstance(member, property) else f"({_parameters(node)})"
            told = f"\n\n{doc}" if (doc := inspect.getdoc(fn)) else ""
            yield f"\n### `{name}{given} -> {ast.unparse(node.returns)}`{told}\n"


def _parameters(node: ast.FunctionDef) -> str:
    return ast.unparse(node.args).removeprefix("self").removeprefix(", ")


def _own_bases(cls: type) -> list[type]:
    package = jaxrng_doctor.__name__
    return [b for b in reversed(cls.__mro__) if b.__module__.split(".")[0] == package]


def _node(thing: Any) -> Any:
    """The definition of a function or a class, as syntax."""
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def _head(fn: Any) -> str:
    """A function's definition without its body, laid out as in the source."""
    lines = textwrap.dedent(inspect.getsource(fn)).splitlines(keepends=True)
    node = _node(fn)
    return "".join(lines[node.lineno - 1 : node.body[0].lineno - 1])


def _code(text: str) -> str:
    return f"```python\n{text}```\n"
