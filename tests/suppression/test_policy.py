"""Which findings are reported, which are suppressed, and in what order."""

from __future__ import annotations

import linecache
import textwrap
from dataclasses import replace

import pytest

from jaxrng_doctor.model.findings import Choices, Finding, Place, Related, Scope
from jaxrng_doctor.suppression import comments, policy

PATH = "/project/noise.py"


@pytest.fixture
def text():
    def put(source):
        lines = textwrap.dedent(source).splitlines(keepends=True)
        linecache.cache[PATH] = (0, None, lines, PATH)

    yield put
    linecache.cache.pop(PATH, None)


def finding(code="RNG001", line=1, column=None, scopes=(), path=PATH, **more):
    place = Place(path, line, column)
    values = {"severity": "error", "confidence": "proven", "message": "m", **more}
    return Finding(code=code, name="n", place=place, scopes=tuple(scopes), **values)


def reason(*findings, **options):
    """The reason why the only finding is suppressed, or `None` if it is not."""
    reported, suppressed = policy.apply(findings, Choices(**options))
    assert len(reported) + len(suppressed) == 1
    return suppressed[0].reason if suppressed else None


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# jaxrng: ignore[RNG001] one mask a batch", "one mask a batch"),
        ("# jaxrng: ignore[RNG001]", ""),
        ("# jaxrng: ignore", ""),
        ("# jaxrng: ignore meant", "meant"),
        ("#jaxrng:ignore[ rng003 , RNG001 ]why", "why"),
        ("# JAXRNG : Ignore [RNG001] see #12", "see #12"),
        ("# noqa # jaxrng: ignore[RNG001] meant", "meant"),
        ("# jaxrng: ignore[RNG001] meant  # noqa", "meant"),
        ("# jaxrng: ignore[RNG002] a # jaxrng: ignore[RNG001] b", "b"),
        ("# jaxrng: ignore[RNG002]", None),
        ("# jaxrng: ignore[]", None),
        ("# jaxrng: ignore[RNG001", None),
        ("# jaxrng: ignore RNG001", None),
        ("# jaxrng: ignore: rng001 meant", None),
        ("# jaxrng: ignore(RNG001) meant", None),
        ("# jaxrng: ignore as RNG001 says", "as RNG001 says"),
        ("# jaxrng: ignore[RNG001]: meant", "meant"),
        ("# jaxrng: ignore[RNG001] -- meant", "meant"),
        ("# jaxrng: ignored", None),
        ("# jaxrng: ignore[RNG003 # jaxrng: ignore[RNG001] b", "b"),
        ("# jaxrng: ignore-all", None),
        ("# jaxrng: ignore-fil[RNG001]", None),
        ("# jaxrng: ignore[RNG00]", None),
        ("# noqa", None),
    ],
)
def test_comments(text, comment, expected):
    text(f"x = normal(key)  {comment}\n")
    assert reason(finding()) == expected


def test_a_string_is_no_comment(text):
    text("x = normal(key, '# jaxrng: ignore[RNG001]')\n")
    assert reason(finding()) is None


@pytest.mark.parametrize("line", [1, 2, 3])
def test_any_line_of_the_statement(text, line):
    lines = ["x = normal(", "    key,", ")"]
    lines[line - 1] += "  # jaxrng: ignore[RNG001] meant"
    text("\n".join(lines) + "\ny = 2\n")
    assert reason(finding(line=2)) == "meant"
    assert reason(finding(line=4)) is None


@pytest.mark.parametrize(("varies", "expected"), [(False, "meant"), (None, "meant"), (True, None)])
def test_the_flagged_vmap_has_its_comment(text, varies, expected):
    text("x = normal(key)\nvmap(f)(x)  # jaxrng: ignore[RNG001] meant\n")
    scope = Scope("vmap", 4, place=Place(PATH, 2), varies=varies)
    elsewhere = Scope("scan", 4, varies=False)
    assert reason(finding(scopes=[elsewhere, scope])) == expected


def test_a_comment_for_the_file_of_the_draw(text):
    text("x = normal(key)\n# jaxrng: ignore-file[RNG001] all meant\n")
    (intended,) = policy.apply([finding()], Choices())[1]
    assert (intended.by, intended.reason) == ("file-comment", "all meant")
    assert intended.comment == Place(PATH, 2)
    assert reason(finding("RNG003")) is None
    scope = Scope("vmap", 4, place=Place(PATH, 1), varies=False)
    assert reason(finding(path="/no/such/file.py", scopes=[scope])) is None
    text("x = normal(key)  # jaxrng: ignore[RNG001] this\n# jaxrng: ignore-file[RNG001] all\n")
    assert reason(finding()) == "this"


def test_a_finding_without_a_place_or_a_source_is_reported():
    nowhere = Finding("RNG001", "n", "error", "proven", "m", None)
    assert reason(nowhere) is None
    assert reason(finding(path="/no/such/file.py")) is None


def test_expect_same_is_about_sharing_only(text):
    text("x = normal(key)\ny = normal(key)  # jaxrng: ignore meant\n")
    codes = ["RNG001", "RNG002", "RNG003", "RNG005"]
    findings = [finding(code) for code in codes]
    reported, suppressed = policy.apply(findings, Choices(expect="same"))
    assert [f.code for f in reported] == ["RNG005"]
    assert [(s.finding.code, s.by) for s in suppressed] == [(c, "expect") for c in codes[:3]]
    assert policy.apply(findings, Choices())[0] == tuple(findings)
    # A comment, which has a reason, takes precedence over `expect`.
    assert reason(finding(line=2), expect="same") == "meant"


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        (None, None, "RNG001 RNG003 RNG010"),
        ([], [], "RNG001 RNG003 RNG010"),
        (["ALL"], None, "RNG001 RNG003 RNG010"),
        (["RNG"], ["RNG00"], "RNG010"),
        (["RNG001"], ["RNG0"], "RNG001"),
        (["rng001 ", "RNG010"], None, "RNG001 RNG010"),
        (["RNG001"], ["RNG001"], ""),
        (None, ["ALL"], ""),
        (["RNG0"], ["ALL"], "RNG001 RNG003 RNG010"),
        (["RNG9"], None, ""),
        (None, ["RNG003"], "RNG001 RNG010"),
    ],
)
def test_selection(select, ignore, expected):
    findings = [finding(c, path="/no/such/file.py") for c in ("RNG001", "RNG003", "RNG010")]
    reported, suppressed = policy.apply(findings, Choices(select, ignore or ()))
    assert " ".join(f.code for f in reported) == expected
    assert suppressed == ()


def test_what_is_not_selected_is_not_suppressed(text):
    text("x = normal(key)  # jaxrng: ignore\n")
    assert policy.apply([finding()], Choices(ignore=["RNG001"])) == ((), ())


def test_order():
    a, b = "/no/a.py", "/no/b.py"
    ordered = [
        finding(path=a, line=2, column=1),
        finding(path=a, line=10),
        finding(path=a, line=10, column=3, message="a"),
        finding(path=a, line=10, column=3, message="b"),
        finding("RNG003", path=a, line=10, column=3),
        finding(path=b, line=1),
        Finding("RNG001", "n", "error", "proven", "m", None),
    ]
    for findings in (ordered[::-1], ordered[3:] + ordered[:3]):
        assert policy.apply(findings, Choices())[0] == tuple(ordered)


def test_all_ignores_of_a_file(text):
    text("# jaxrng: ignore\nx = 1\ny = 2  # jaxrng: ignore[RNG001,RNG003] z\n")
    assert comments.ignores(PATH) == (
        comments.Ignore(1, None, ""),
        comments.Ignore(3, frozenset({"RNG001", "RNG003"}), "z"),
    )
    assert comments.ignores("/no/such/file.py") == ()


def test_a_slip_is_no_comment_for_every_rule(text):
    text("x = 1  # jaxrng: ignore (RNG001) a # noqa\ny = 2  # jaxrng: ignore-file[RNG001\n")
    first, second = comments.ignores(PATH)
    assert (first.codes, first.text) == (frozenset(), "# jaxrng: ignore (RNG001) a")
    assert (second.codes, second.text) == (frozenset(), "# jaxrng: ignore-file[RNG001")


@pytest.mark.parametrize(
    "typed",
    [
        *(" RNG001", ": [RNG001]", "([RNG001])", " - RNG001", "=RNG001", ", RNG001"),
        *("-RNG001", " {RNG001}", " 'RNG001'", "-file RNG001"),
    ],
)
def test_codes_in_other_brackets_or_none(text, typed):
    text(f"x = 1  # jaxrng: ignore{typed}\n")
    (ignore,) = comments.ignores(PATH)
    assert ignore.codes == frozenset()
    assert ignore.slip


@pytest.mark.parametrize("reason", ["why", "-- why", ": why", "for RNG005's sake"])
def test_a_reason_without_codes(text, reason):
    text(f"x = 1  # jaxrng: ignore {reason}\n")
    assert comments.ignores(PATH) == (comments.Ignore(1, None, reason.lstrip(":- ")),)


def test_many_findings_in_one_file_are_quick(text):
    """The file is tokenized once: ten thousand times would take minutes."""
    text("x = normal(key)  # jaxrng: ignore[RNG003]\n" * 2000)
    findings = [finding(line=n % 2000 + 1) for n in range(10_000)]
    reported, _ = policy.apply(findings, Choices())
    assert len(reported) == 10_000


@pytest.mark.parametrize(
    "typed", ["reused-key", "Reused-Key", "RNG001, reused-key", "reused-key RNG001", "rng005"]
)
def test_a_rule_is_named_by_its_code_or_its_name(text, typed):
    text(f"x = 1  # jaxrng: ignore[{typed}]\n")
    (ignore,) = comments.ignores(PATH)
    assert ignore.codes - {"RNG001"} == {"RNG005"}
    assert (ignore.unknown, ignore.meant) == (frozenset(), "")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("# jaxrng-ignore", "# jaxrng: ignore"),
        ("# jaxrng ignore[RNG001]", "# jaxrng: ignore[RNG001]"),
        ("# jaxrng_ignore RNG001", "# jaxrng: ignore[RNG001]"),
        ("# jaxrng: ignore RNG001, RNG002", "# jaxrng: ignore[RNG001, RNG002]"),
        ("# jaxrng-ignore-file[reused-key]", "# jaxrng: ignore-file[RNG005]"),
        ("# jaxrng: ignore[reused-kye]", "# jaxrng: ignore[RNG005]"),
        ("# jaxrng: ignore[RNG0005]", "# jaxrng: ignore[RNG005]"),
        ("# jaxrng: ignore[RNG001, resued-key]", "# jaxrng: ignore[RNG001, RNG005]"),
        ("# jaxrng: ignore reused-key", "# jaxrng: ignore[RNG005]"),
        ("# jaxrng: ignore(reused-key) why", "# jaxrng: ignore[RNG005]"),
        ("# jaxrng: ignore-reused-key", "# jaxrng: ignore[RNG005]"),
        ("# jaxrng: ignore-file reused-key", "# jaxrng: ignore-file[RNG005]"),
        ("# jaxrng: ignore[reused-key", "# jaxrng: ignore[RNG005]"),
        ("# jaxrng: ignore[E501]", ""),
        ("# jaxrng-ignore[E501]", ""),
        ("# jaxrng ignore[]", ""),
    ],
)
def test_what_was_meant(text, typed, meant):
    text(f"x = 1  {typed}\n")
    (ignore,) = comments.ignores(PATH)
    assert bool(ignore.slip) != bool(ignore.unknown)
    assert ignore.meant == meant
    assert not ignore.slip or not ignore.covers("RNG001")


@pytest.mark.parametrize(
    "prose",
    [
        *("# jaxrng ignores this", "# jaxrng: ignored", "# jaxrng.ignore", "# jaxrng---ignore"),
        *("# jaxrng ignore this line", "# jaxrng ignore comments are not allowed here"),
    ],
)
def test_prose_is_no_slip(text, prose):
    text(f"x = 1  {prose}\n")
    assert comments.ignores(PATH) == ()


def test_a_comment_counts_at_the_draw_and_at_the_call_that_repeats_the_key(text):
    lines = ["x = normal(key)", "y = normal(key)", "z = f(key)", "w = 1"]
    text("".join(f"{line}\n" for line in lines))
    marked = finding("RNG005", line=2)
    related = Related(Place(PATH, 1), "the first use"), Related(Place(PATH, 3), "a call", True)
    marked = replace(marked, related=related)
    for number in range(1, 5):
        commented = list(lines)
        commented[number - 1] += "  # jaxrng: ignore[RNG005] why"
        text("".join(f"{line}\n" for line in commented))
        reported, suppressed = policy.apply([marked], Choices())
        assert (len(reported), len(suppressed)) == ((0, 1) if number in (2, 3) else (1, 0))
    text("".join(f"{line}\n" for line in lines).replace("f(key)", "f(key)  # jaxrng: ignore"))
    assert len(policy.apply([marked], Choices())[0]) == 1  # it names no rule


def test_no_code_is_added_to_a_slip():
    assert comments.with_codes("# jaxrng-ignore[RNG001] why", frozenset({"RNG005"})) is None
    assert comments.with_codes("# jaxrng: ignore[RNG001", frozenset({"RNG005"})) is None
