"""The HTML page as text: it is complete and well-formed, and needs no other file."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sample_reports as samples
from hostile import MARKUP, hostile

from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.findings import Picture
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports import html
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

ROOT = Path(__file__).parents[2]

NOISY = """\
import jax


def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)


def noisy_batch(x, key):
    return jax.vmap(add_noise, in_axes=(0, None))(x, key)
"""

VOID = {"meta", "link", "input", "br", "hr", "img"}


class Reader(HTMLParser):
    """The elements in order with their attributes, and the text; unclosed elements are an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def render(report, **options):
    return FORMATS["html"](report, RenderOptions(root=samples.ROOT, **options))


def words(text):
    return " ".join("".join(Reader(text).text).split())


@pytest.mark.parametrize("name", samples.REPORTS)
def test_pages_are_whole_ascii_and_alone(name):
    text = render(samples.REPORTS[name]())
    assert text.isascii()
    assert text.endswith("</html>\n")
    elements = Reader(text).elements
    ids = [attrs["id"] for _, attrs in elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in elements:
        assert tag not in {"iframe", "object", "embed", "base", "form", "img"}
        assert not [name for name in attrs if name.startswith("on")]
        for link in (attrs.get("href"), attrs.get("src")):
            assert link is None or link == "data:," or link[1:] in ids
    (policy,) = [a["content"] for _, a in elements if "Content-Security-Policy" in a.values()]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|//[\w.]+/|@import|url\(", text)


def test_all_of_a_report_is_there():
    text = words(render(samples.REPORTS["many"]()))
    for said in [
        "1 error, 1 warning, 1 note",
        "1,000,000 examples of vmap(<lambda>) draw from only 2 distinct keys",
        "train/loop.py:11",
        "(this line could not be read)",
        "and repeated here, out of sight",
        "not compared the function was stopped after 60 s",
        "a key flows into `pure_callback`",
        "target could not be traced: TypeError: bad",
        "return x + jax.random.normal(key, x.shape) TypeError: unsupported",
    ]:
        assert said in text


def test_the_parts_of_a_finding():
    text = words(render(samples.REPORTS["shared"]()))
    for said in [
        "error RNG001 shared-key-under-vmap",
        "all 32 examples of vmap(add_noise) draw the same numbers",
        "noise.py:7:16 in add_noise",
        "drawn here",
        "`key` is not mapped: in_axes is None for it",
        "32 examples, 1 distinct key (chain 0)",
        "vmap(add_noise) over 32: shared",
        "the keys were computed and are equal (00000000 0000002a)",
        "the inner vmap (32) shares its noise; the outer (4) does not",
        "give each example its own key, where each example needs its own stream",
        "jax.vmap(add_noise, in_axes=(0, 0))(x, keys)",
        "496 of 496 pairs equal",
        "examples with equal inputs get equal outputs",
        "2 suppressed",
        "ignored by a comment: one mask a batch",
        'expect = "same"',
    ]:
        assert said in text


def test_a_brief_page_leaves_out_what_says_nothing():
    report = samples.report(samples.shared_target(), TargetReport("noise.py:quiet"))
    assert "noise.py:quiet" in words(render(report))
    assert "noise.py:quiet" not in words(render(report, brief=True))


def test_what_users_write_stays_text():
    samples.put_source(f"/project/noise.py{MARKUP}", f"{MARKUP}\n" * 20)
    samples.put_source(f"/project/train/loop.py{MARKUP}", f"{MARKUP}\n" * 30)
    for name in samples.REPORTS:
        plain = Reader(render(samples.REPORTS[name]())).elements
        text = render(hostile(samples.REPORTS[name]()))
        assert {tag for tag, _ in Reader(text).elements} <= {tag for tag, _ in plain} | {"mark"}
        assert MARKUP in "".join(Reader(text).text)
        assert not [a for _, a in Reader(text).elements for n in a if n.startswith("on")]


def test_what_would_hide_text_is_spelled_out():
    target = TargetReport("noise.py:\u202egninworc\x1b[31m\udcff")
    text = render(samples.report(target))
    assert "noise.py:\\u202egninworc\\x1b[31m\\udcff" in words(text)


def test_a_picture_of_noise_is_drawn_row_by_row():
    picture = Picture(
        size=3,
        drawn=2,
        examples=(0, 1, 2),
        keys=(0, 0, 1),
        shared=((0.0, 1.0), (0.0, 1.0), (1.0, 0.5)),
        separate=((0.0, 0.0), (0.5, 1.0), (1.0, 0.0)),
        distinct=(2, 3),
        sampler="jax.random.uniform",
        stands_in=True,
    )
    finding = dataclasses.replace(samples.shared_finding(), picture=picture)
    text = render(samples.report(TargetReport("noise.py:noisy_batch", (finding,))))
    paths = [attrs for tag, attrs in Reader(text).elements if tag == "path"]
    # Zero has the first shade, one the last. The two equal rows are one stroke of height two.
    assert paths[:3] == [
        {"class": "level0", "d": "M0 0v2"},
        {"class": "level4", "d": "M1 2v1"},
        {"class": "level8", "d": "M1 0v2M0 2v1"},
    ]
    assert "3 examples, 2 distinct rows" in words(text)
    assert "3 examples, 3 distinct rows" in words(text)
    assert "Drawn by jax.random.uniform in place of the sampler" in words(text)
    assert "Rows: all 3 examples. Columns: all 2 numbers of each draw." in words(text)
    cut = dataclasses.replace(picture, size=3000, drawn=50, examples=(0, 1500, 2999))
    finding = dataclasses.replace(finding, picture=cut)
    reported = words(render(samples.report(TargetReport("noise.py:noisy_batch", (finding,)))))
    assert "Rows: 3 of 3,000 examples (0 to 2,999). Columns: 2 of 50 numbers" in reported
    alts = [a["aria-label"] for tag, a in Reader(text).elements if a.get("role") == "img"]
    assert len(alts) == 2
    assert "2 distinct rows" in alts[0]


def test_without_jinja_it_says_what_to_install(tmp_path, cli_environment):
    (tmp_path / "noisy.py").write_text(NOISY, encoding="utf-8")
    code = (
        "import sys; sys.modules['jinja2'] = None\n"
        "from jaxrng_doctor.__main__ import main\n"
        "sys.argv = ['jaxrng-doctor', 'check', 'noisy.py:noisy_batch', '--arg', 'x=f32[3]',"
        " '--format', 'html']\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=cli_environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "pip install 'jaxrng-doctor[html]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_jinja_a_notebook_shows_the_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    report = samples.REPORTS["shared"]()
    with pytest.raises(UsageError):
        html.render(report, RenderOptions())
    text = html.framed(report, RenderOptions(root=samples.ROOT))
    assert text.startswith("<pre>")
    assert "error[RNG001]" in text
    assert "jaxrng-doctor[html]" in text


def test_the_wheel_has_all_that_pages_are_made_of(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    folder = Path(html.__file__).parent
    needed = {
        f"jaxrng_doctor/reports/html/templates/{path.name}"
        for path in (folder / "templates").iterdir()
    }
    assert {Path(name).suffix for name in needed} == {".j2", ".css", ".js"}
    assert needed <= set(zipfile.ZipFile(wheel).namelist())
