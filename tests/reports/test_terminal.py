"""The terminal report: golden files, and what must hold for any text and any width.

After an intended change of the layout, `python tests/reports/test_terminal.py` rewrites the golden
files; review the diff.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sample_reports as samples
from rich.cells import cell_len

from jaxrng_doctor.model.findings import (
    Comparison,
    Draw,
    Evidence,
    Failure,
    Finding,
    Gap,
    Leaf,
    Pairs,
    Place,
    Related,
    Scope,
    Suppressed,
)
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

GOLDEN = {
    f"{name}-{width}{'-color' if color else ''}.txt": (name, width, color)
    for name, width, color in [
        *((name, width, False) for name in ("shared", "clean", "many") for width in (100, 60, 40)),
        ("empty", 60, False),
        ("shared", 100, True),
    ]
}
"""The whole reports."""

SHORT = {f"short-{width}.txt": width for width in (100, 40)}
"""The reports of several targets, of which some pass."""

SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def draw(varies, size=4):
    return Draw("normal", None, "argument key", (Scope("vmap", size, "f", varies=varies),))


def render(*targets, width=100, color=False, verbosity="verbose"):
    options = RenderOptions(color, width, samples.ROOT, verbosity=verbosity)
    return FORMATS["terminal"](samples.report(*targets), options)


def golden(name, width, color):
    options = RenderOptions(color, width, samples.ROOT, verbosity="verbose")
    return FORMATS["terminal"](samples.REPORTS[name](), options)


def short(width):
    mask = TargetReport(
        "train/loop.py:mask", draws=(draw(False),), suppressed=samples.shared_target().suppressed
    )
    loop = TargetReport("train/loop.py:walk", draws=(draw(True), draw(None)))
    nothing = TargetReport("noise.py:nothing")
    targets = (samples.clean_target(), samples.failed_target(), nothing, loop, mask)
    return render(*targets, width=width, verbosity="normal")


@pytest.mark.parametrize("file", GOLDEN)
def test_golden(file):
    path = Path(__file__).parent / "golden" / file
    assert golden(*GOLDEN[file]) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", SHORT)
def test_a_target_that_passes_is_one_line(file):
    path = Path(__file__).parent / "golden" / file
    assert short(SHORT[file]) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (TargetReport("t"), "passed: t (no draws)"),
        (TargetReport("t", draws=(draw(True),) * 2), "passed: t (2 draws)"),
        (TargetReport("t", draws=(draw(True), draw(None))), "passed: t (2 draws, 1 undecided)"),
        (TargetReport("t", draws=(draw(False),)), "passed: t (1 draw, 1 with a shared key)"),
    ],
)
def test_the_line_of_a_target_that_passes(target, line):
    assert render(target, verbosity="normal").splitlines()[:2] == [line, ""]


@pytest.mark.parametrize("make", [samples.gap_target, samples.failed_target, samples.shared_target])
def test_what_does_not_pass_is_reported_whole(make):
    assert render(make(), verbosity="normal") == render(make())
    gap = TargetReport("t", gaps=(Gap("g"),))
    assert render(gap, verbosity="normal") == render(gap)


def test_a_quiet_report_is_the_summary():
    made = [samples.clean_target(), samples.gap_target(), samples.failed_target()]
    for n in range(len(made) + 1):
        whole = render(*made[:n]).splitlines()
        quiet = render(*made[:n], verbosity="quiet").splitlines()
        assert quiet == whole[-len(quiet) :]
        assert len(quiet) == (1 if n > 1 else 2)
    assert "2 gaps" in quiet[0]
    assert "1 target failed" in quiet[0]


@pytest.mark.parametrize("name", samples.REPORTS)
@pytest.mark.parametrize("width", [40, 41, 55, 72, 80, 93, 120, 200])
def test_nothing_is_wider_than_the_terminal_but_what_is_copied(name, width):
    traceback = samples.failed_target().failure.traceback.splitlines()
    for line in golden(name, width, False).splitlines():
        copied = re.match(r" *(-->|:::|\|  )", line) or line[2:] in traceback
        assert copied or cell_len(line) <= width
        assert line == line.rstrip()


def test_widths_below_forty_are_forty():
    assert golden("shared", 1, False) == golden("shared", 40, False)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    "variables",
    [
        {"TERM": "dumb"},
        {"COLUMNS": "20", "LINES": "3"},
        {"NO_COLOR": "1"},
        {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"},
    ],
)
def test_the_environment_changes_nothing(monkeypatch, variables, color):
    before = golden("shared", 100, color)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert golden("shared", 100, color) == before


def test_colour_changes_no_word():
    for name in samples.REPORTS:
        colored = golden(name, 100, True)
        assert SGR.search(colored)
        assert SGR.sub("", colored) == golden(name, 100, False)


# Text from users is data.

EVIL = "[red]x[/] [bold] :boom: \x1b[31m\x1b]0;t\x07 \x9b2J \u202e \r\u2028\udc80"


def test_hostile_text_is_shown_and_never_obeyed():
    samples.put_source("/project/evil.py", f"x = f(key)  # {EVIL}\n")
    place = Place(f"/project/{EVIL}.py", 1, 1, 1, 3, EVIL)
    scope = Scope("vmap", 4, EVIL, EVIL, None, False, 1)
    finding = Finding(
        code="RNG001",
        name="shared-key-under-vmap",
        severity="error",
        confidence="proven",
        message=EVIL,
        place=Place("/project/evil.py", 1, 5, 1, 11, EVIL),
        scopes=(scope,),
        related=(Related(place, EVIL),),
        evidence=Evidence(4, 1, (0,) * 4, None, EVIL, EVIL),
        notes=(EVIL,),
    )
    pairs = Pairs(True, 0.0, 6, 6, 1)
    target = TargetReport(
        target=EVIL,
        findings=(finding,),
        comparison=Comparison(4, (Leaf(EVIL, (4,), EVIL, 0, pairs, pairs),)),
        gaps=(Gap(EVIL, place),),
        suppressed=(Suppressed(finding, "comment", EVIL),),
    )
    clean = TargetReport(EVIL, draws=(Draw(EVIL, place, EVIL, (scope,)),))
    failed = TargetReport(EVIL, failure=Failure("run", EVIL, EVIL))
    away = TargetReport(EVIL, comparison=Comparison(unavailable=EVIL))
    for width in (40, 100):
        for color in (False, True):
            text = render(target, clean, failed, away, width=width, color=color)
            words = SGR.sub("", text) if color else text
            steering = re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", words)
            assert steering == []
            assert "\x1b[31m" not in text
    assert "x = f(key)  # [red]x[/] [bold] :boom: \\x1b[31m\\x1b]0;t\\x07 \\x9b2J" in words


# Carets are below the code that they mark.


def marked(text, place, width=100):
    """The source row as shown, the text above its carets, and the row of carets."""
    samples.put_source("/project/s.py", text)
    finding = Finding("RNG001", "n", "error", "inferred", "m", place)
    rows = render(TargetReport("t", (finding,)), width=width).splitlines()
    n = next(n for n, row in enumerate(rows) if re.match(r" *\| *\^", row))
    carets = rows[n]
    start, end = carets.index("^"), carets.rindex("^") + 1
    source, cell, above = rows[n - 1], 0, ""
    for char in source:
        if start <= cell < end:
            above += char
        cell += cell_len(char)
    assert max(cell, end) <= width
    return source, above, carets


@pytest.mark.parametrize("width", [40, 60, 100])
@pytest.mark.parametrize(
    "before",
    [
        "",
        "    ",
        "\t\t",
        "日本語 = ",
        "'🎲🎲', ",
        "e\u0301 = ",
        "'\x1b[0m' + ",
        "x = '" + "long" * 40 + "', ",
        "x = '" + "長い" * 40 + "', ",
        " " * 70,
    ],
)
@pytest.mark.parametrize("after", ["", " + 1", "," + "z" * 200, "  # 日本語" * 20])
def test_carets_stand_under_the_call(before, after, width):
    call = "normal(key, '日')"
    text = f"{before}{call}{after}\n"
    samples.put_source("/project/s.py", text)
    place = samples.at("/project/s.py", 1, call)
    source, above, _ = marked(text, place, width)
    assert above == call
    assert call in source


def test_a_call_longer_than_the_terminal_is_cut():
    call = "normal(" + "key" * 40 + ")"
    samples.put_source("/project/s.py", call)
    source, above, carets = marked(call, samples.at("/project/s.py", 1, call), 40)
    assert source == "1 | " + call[:35] + "…"
    assert above == call[:35]
    assert carets.endswith("^…")


@pytest.mark.parametrize(
    ("place", "above"),
    [
        (Place("/project/s.py", 2), "x = f(key)"),
        (Place("/project/s.py", 2, 7), "f"),
        (Place("/project/s.py", 2, 500, 2, 600), "x = f(key)"),
        (Place("/project/s.py", 2, 7, 2, 600), "f(key)"),
        (Place("/project/s.py", 2, 7, 4, 1), "f(key)"),
        (Place("/project/s.py", 2, 7, 2, 3), "f"),
    ],
)
def test_odd_places(place, above):
    _, shown, carets = marked("\n  x = f(key)  \n\n", place)
    assert shown == above
    assert ("^…" in carets) == (place.end_line == 4)


def test_an_empty_line_gets_one_caret():
    assert marked("a\n\nb\n", Place("/project/s.py", 2, 1))[2].count("^") == 1


@pytest.mark.parametrize("path", ["/project/gone.py", "/project/noise.py"])
def test_source_that_is_not_there(path):
    finding = Finding("RNG001", "n", "error", "proven", "m", Place(path, 999, 5, 999, 8))
    text = render(TargetReport("t", (finding,)))
    assert f"--> {path.removeprefix('/project/')}:999:5" in text
    assert "drawn here (line 999 could not be read)" in text


def test_near_places_share_a_snippet_and_far_ones_do_not():
    lines = [f"line{n}()\n" for n in range(1, 31)]
    samples.put_source("/project/s.py", "".join(lines))

    def place(n):
        return samples.at("/project/s.py", n, f"line{n}()")

    related = tuple(Related(place(n), f"label {n}") for n in (9, 20, 4, 12))
    finding = Finding("RNG001", "n", "error", "proven", "m", place(9), related=related)
    text = render(TargetReport("t", (finding,)))
    numbers = [int(n) for n in re.findall(r"^ *(\d+) \|", text, re.MULTILINE)]
    assert numbers == [*range(3, 13), 19, 20]
    assert text.index("drawn here") < text.index("label 9") < text.index("label 12")
    assert re.findall(r"(-->|:::) (\S+)", text) == [("-->", "s.py:9:1"), (":::", "s.py:20:1")]


# Keys, counts, verdicts.


def strip(evidence, width=100, color=False):
    scopes = (Scope("vmap", evidence.examples, varies=False),)
    finding = Finding("RNG002", "n", "error", "proven", "m", None, scopes, evidence=evidence)
    text = render(TargetReport("t", (finding,)), width=width, color=color)
    return next(row for row in text.splitlines() if "keys:" in row)


def test_strip_letters():
    row = strip(Evidence(60, 60, tuple(range(60))))
    assert "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz········" in row
    assert "  4 examples, 2 distinct keys; examples 0 and 2 share one (scan step 0)" in strip(
        Evidence(4, 2, (0, 1, 0, 1), (0, 2), fixed="scan step 0")
    )


def test_two_uses_of_one_key_are_no_examples():
    finding = Finding("RNG005", "n", "error", "proven", "m", None, evidence=Evidence(2, 1, (0, 0)))
    assert "= keys: AA  2 uses, 1 distinct key" in render(TargetReport("t", (finding,)))


def test_strip_colours_are_those_of_the_keys():
    row = strip(Evidence(6, 3, (0, 1, 2, 0, 1, 1)), color=True)
    colours = re.findall(r"48;5;(\d+)m([A-C]+)", row)
    assert "".join(letters for _, letters in colours) == "ABCABB"
    shades = {letter: colour for colour, letters in colours for letter in letters}
    assert len(set(shades.values())) == 3
    assert all(shades[letter] == c for c, letters in colours for letter in letters)


@pytest.mark.parametrize("width", [40, 60, 100])
def test_a_long_batch_is_summed_up(width):
    row = strip(Evidence(1_000_000, 1, (0,) * 500), width)
    shown, more = re.search(r"keys: (A+) … and ([\d,]+) more$", row).groups()
    assert len(shown) + int(more.replace(",", "")) == 1_000_000
    assert width - 2 <= cell_len(row) <= width


def test_steps_are_counted_as_steps():
    scope = Scope("scan", 3, "step", varies=False)
    evidence = Evidence(3, 1, (0, 0, 0))
    finding = Finding("RNG003", "n", "error", "proven", "m", None, (scope,), evidence=evidence)
    assert "AAA  3 steps, 1 distinct key" in render(TargetReport("t", (finding,)))


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (TargetReport("t"), "No draws found: nothing to check"),
        (TargetReport("t", draws=(draw(True),)), "All clear: no shared noise in 1 draw"),
        (TargetReport("t", draws=(draw(False, 1),)), "All clear: no shared noise in 1 draw"),
        (
            TargetReport("t", draws=(draw(True), draw(None))),
            "No findings in 2 draws (1 undecided)",
        ),
        (
            TargetReport("t", draws=(draw(False),)),
            "No findings in 1 draw; 1 shares a key in a way no rule flags",
        ),
        (
            TargetReport("t", draws=(draw(True),), gaps=(Gap("g"),)),
            "No findings in 1 draw, but the analysis has 1 gap",
        ),
        (
            TargetReport("t", gaps=(Gap("g"), Gap("h"))),
            "No draws found, but the analysis has 2 gaps",
        ),
    ],
)
def test_verdicts(target, sentence):
    lines = render(target).splitlines()
    assert lines[-2] == sentence
    assert sum("All clear" in line for line in lines) == sentence.startswith("All clear")


def test_all_clear_is_not_said_over_findings_or_failures():
    for target in (samples.shared_target(), samples.failed_target()):
        assert "All clear" not in render(samples.clean_target(), target)


def test_no_finding_shows_its_keys_only_where_they_were_counted():
    counted = Scope("vmap", 4, "f", varies=True, distinct=4)
    assert "keys: ABCD  4 examples, 4 distinct keys" in render(
        TargetReport("t", draws=(Draw("normal", None, "k", (counted,)),))
    )
    assert "keys:" not in render(TargetReport("t", draws=(draw(True),)))


def test_more_draws_than_fit_are_counted():
    text = render(TargetReport("t", draws=(draw(True),) * 9))
    assert text.count("draw: normal") == 5
    assert "… and 4 more" in text


@pytest.mark.parametrize(
    ("equal", "sentence"),
    [
        (6, "→ examples with equal inputs get equal outputs: the noise is shared, or there is"),
        (0, "→ no two examples with equal inputs get equal outputs: some of the noise differs"),
        (2, "→ some examples with equal inputs get equal outputs: by chance, if few values"),
    ],
)
def test_what_the_replicated_run_means(equal, sentence):
    leaf = Leaf("", (4,), "float32", 0, replicated=Pairs(equal == 6, 1.0, equal, 6, 4))
    assert sentence in render(TargetReport("t", comparison=Comparison(4, (leaf,))))


LEAF = Leaf("", (1,), "float32", 0, replicated=Pairs(True, 0.0, 0, 0, 1))


@pytest.mark.parametrize(
    ("comparison", "line"),
    [
        (Comparison(1, (LEAF,)), "not compared: the batch has only one example"),
        (Comparison(0, (LEAF,)), "not compared: the batch is empty"),
        (Comparison(4), "not compared: the function returns no arrays"),
        (
            Comparison(4, (Leaf("['loss']", (), "float32", None),)),
            "not compared: no output has a batch axis",
        ),
        (
            Comparison(None, (LEAF,), "no vmap maps over a batch of the outputs"),
            "not compared: no vmap maps over a batch of the outputs",
        ),
    ],
)
@pytest.mark.parametrize("format", ["terminal", "markdown", "junit", "html"])
def test_without_examples_to_compare_one_line_says_why(comparison, line, format):
    found = (samples.shared_finding(),)
    target = TargetReport("t", found, comparison=comparison, gaps=(Gap("g"),))
    text = FORMATS[format](samples.report(target), RenderOptions(root=samples.ROOT))
    if format == "html":
        kind, _, why = line.partition(": ")
        line = f'<p><b class="warning">{kind}</b> {why}</p>'
    assert line in text.splitlines()
    assert not re.search("(?i)first and last example", text)


if __name__ == "__main__":
    samples.install()
    texts = {file: golden(*case) for file, case in GOLDEN.items()}
    texts |= {file: short(width) for file, width in SHORT.items()}
    for file, text in texts.items():
        path = Path(__file__).parent / "golden" / file
        path.write_text(text, encoding="utf-8")
