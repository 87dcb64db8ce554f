"""Fingerprints: what changes them and what does not, on real files."""

from __future__ import annotations

import linecache
from dataclasses import replace

import pytest

from jaxrng_doctor.model.findings import Finding, Place, Related, Scope
from jaxrng_doctor.suppression.fingerprints import fingerprints

PROGRAM = """\
def f(key):
    a = normal(key)
    a = normal(key)
    return a + uniform(
        key,  # the same
        shape,
    )
"""


@pytest.fixture
def program(write):
    def change(text, name="p.py"):
        path = write(name, text)
        linecache.checkcache()
        return path

    return change


def found(path, line, code="RNG001", column=9, function="f", **more):
    place = Place(str(path), line, column, line, column + 5, function)
    return Finding(code, "a-name", "error", "proven", "m", place, **more)


def of(path, *lines):
    return fingerprints([found(path, n) for n in lines], str(path.parent))


def test_each_of_some_faults_that_look_equal_has_its_own(program):
    prints = of(program(PROGRAM), 2, 3, 4)
    assert len(set(prints)) == 3
    assert all(len(p) == 32 and int(p, 16) >= 0 for p in prints)


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ("# new\n\nimport jax\n" + PROGRAM, (5, 6, 7)),
        (PROGRAM.replace("    ", "\t"), (2, 3, 4)),
        (PROGRAM.replace("a = normal(key)", "a = normal(key)  # jaxrng: ignore"), (2, 3, 4)),
        (PROGRAM.replace("  # the same\n        shape", " shape"), (2, 3, 4)),
        (PROGRAM.replace("    a = n", "    b = 3\n    a = n"), (3, 5, 6)),
    ],
    ids=["shifted", "indented", "commented", "wrapped", "between"],
)
def test_what_moves_or_is_laid_out_anew_is_still_known(program, changed, lines):
    before = of(program(PROGRAM), 2, 3, 4)
    assert of(program(changed), *lines) == before


def test_another_statement_is_another(program):
    before = of(program(PROGRAM), 4)
    assert of(program(PROGRAM.replace("shape,", "(3,),")), 4) != before


def test_code_function_and_file_are_reported_apart(program):
    path, root = program(PROGRAM), str(program(PROGRAM).parent)
    other = program(PROGRAM, "q.py")
    equal = [found(path, 2), found(path, 2, "RNG002"), found(path, 2, function="g")]
    assert len(set(fingerprints([*equal, found(other, 2)], root))) == 4


def test_the_folder_may_lie_elsewhere(program):
    here = program(PROGRAM, "one/p.py")
    there = program(PROGRAM, "two/p.py")
    assert of(here, 2) == of(there, 2)
    assert fingerprints([found(here, 2)], "") != fingerprints([found(there, 2)], "")


def test_one_fault_that_two_targets_show_is_one_and_their_order_is_nothing(program):
    path = program(PROGRAM)
    vmaps = [Scope("vmap", n, place=Place(str(path), line)) for n, line in ((4, 2), (8, 2), (4, 3))]
    first, again, other = (found(path, 4, scopes=(s,)) for s in vmaps)
    root = str(path.parent)
    assert len(set(fingerprints([first, again, other], root))) == 2
    assert fingerprints([first, other], root) == fingerprints([other, first], root)[::-1]
    related = replace(first, related=(Related(Place(str(path), 2), "here"),))
    assert len(set(fingerprints([first, related], root))) == 2


def test_what_has_no_place_is_known_by_its_words(program):
    one, other = (Finding("RNG014", "n", "error", "proven", m, None) for m in ("one", "other"))
    prints = fingerprints([one, other, one], "")
    assert prints[0] == prints[2] != prints[1]


def test_source_that_cannot_be_read_leaves_place_and_number(tmp_path):
    gone = tmp_path / "gone \udc80.py"
    assert len(set(of(gone, 3, 9))) == 2
