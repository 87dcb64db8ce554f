"""Markdown, read back by a parser: the report has its markup, text from users has none."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
import sample_reports as samples
from markdown_it import MarkdownIt

from jaxrng_doctor.model.findings import Finding, Gap, Place, Suppressed
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports._plain_text import target_text
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

OURS = {
    "heading", "paragraph", "table", "thead", "tbody", "tr", "th", "td", "strong",
    "fence", "html_block", "html_inline", "text", "inline", "text_special",
}  # fmt: skip


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def rendered(*targets):
    return FORMATS["markdown"](samples.report(*targets), RenderOptions(root=samples.ROOT))


def tokens(text):
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for token in parser.parse(text):
        yield token
        yield from token.children or ()


def cells(text):
    """The texts of the cells in each row of the table."""
    rows, inside = [], False
    for token in tokens(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in {"th_open", "td_open"}:
            rows[-1].append("")
            inside = True
        elif token.type in {"th_close", "td_close"}:
            inside = False
        elif inside and token.type in {"text", "text_special"}:
            rows[-1][-1] += token.content
    return rows


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.words = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        assert attributes == []

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (samples.clean_target, "All clear: no shared noise in 1 draw"),
        (lambda: TargetReport("t"), "No draws found: nothing to check"),
    ],
)
def test_what_is_clean_is_one_line(make, line):
    assert rendered(make()) == f"**jaxrng-doctor**: {line}\n"


def test_what_is_called_intended_is_one_line():
    (mask, _) = samples.shared_target().suppressed
    target = TargetReport("t", draws=samples.clean_target().draws, suppressed=(mask,))
    assert rendered(target) == (
        "**jaxrng-doctor**: No unexpected sharing in 1 draw (1 finding suppressed)\n"
    )


def test_heading_table_and_blocks():
    text = rendered(samples.gap_target(), samples.clean_target(), samples.failed_target())
    assert text.startswith("## jaxrng-doctor: 1 error, 1 warning, 1 note\n\n")
    head, *rows = cells(text)
    assert head == ["", "message", "location", "target"]
    assert [row[0] for row in rows] == ["warning", "error", "note", "gap", "gap", "failure"]
    assert rows[1] == [
        "error",
        "RNG003 all 1,000 steps of scan(step) draw the same numbers",
        "train/loop.py:15:30",
        "train/loop.py:chains",
    ]
    blocks = [token.content for token in tokens(text) if token.type == "fence"]
    reported = (samples.gap_target(), samples.failed_target())
    assert blocks == [f"{target_text(target, samples.ROOT)}\n" for target in reported]
    assert "train/loop.py:15:30 in walk.<locals>.step" in blocks[0]
    assert "good_batch" not in [row[3] for row in rows]


def test_gaps_alone_are_no_clean_verdict():
    target = TargetReport("t", draws=samples.clean_target().draws, gaps=(Gap("g"),))
    first, *_ = rendered(target).splitlines()
    assert first == ("## jaxrng-doctor: No findings in 1 draw, but the analysis has 1 gap")


def test_hostile_text_is_shown_and_never_obeyed():
    targets = samples.hostile_targets()
    text = rendered(*targets)
    types = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens(text)}
    assert types <= OURS
    rows = cells(text)
    assert len(rows) == 5  # the head, a finding, two gaps, a failure
    assert {len(row) for row in rows} == {4}
    assert "<script>1</script> &amp; \" ' | \\| \\ `x` ~~~~ ````` # h - i [l](http" in rows[1][1]
    blocks = [token.content for token in tokens(text) if token.type == "fence"]
    reported = (targets[0], targets[2])
    assert blocks == [f"{target_text(target, samples.ROOT)}\n" for target in reported]
    assert "x = f(key)  # ``` `````` </details> ]]> ::error::z 🎲" in blocks[0]
    for token in tokens(text):
        if token.type == "html_inline":
            assert token.content in {"<code>", "</code>"}
        if token.type == "html_block" and token.content.strip() != "</details>":
            summary = Tags(token.content)
            assert summary.tags == ["details", "summary", "code"]
            assert "</details> <script>1</script>" in summary.words


def test_nobody_and_no_issue_is_mentioned():
    words, code = [], False
    for token in tokens(rendered(*samples.hostile_targets())):
        if token.type == "html_inline":
            code = token.content == "<code>"
        elif token.type in {"text", "text_special"} and not code:
            words.append(token.content)
    assert "@\u200bghost" in "".join(words)
    assert "@ghost" not in "".join(words)
    assert "#1" not in "".join(words)


def test_links_are_not_made_of_text():
    parser = MarkdownIt("gfm-like", {"linkify": False}).enable("table")
    text = rendered(*samples.hostile_targets())
    assert "<a " not in parser.render(text)
    outside = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    for address in ("http://", "www.", "@ghost"):
        assert address not in outside


def test_a_comment_has_room_for_it():
    place = Place("/project/noise.py", 7, 1, 7, 5)
    findings = tuple(
        Finding("RNG001", "n", "error", "proven", f"number {n}", place) for n in range(400)
    )
    several = [TargetReport(f"t{n}", findings[:40]) for n in range(30)]
    for targets in (several, [TargetReport("t", findings)]):
        text = rendered(*targets)
        assert len(text) < 65_536
        assert len(cells(text)) == 51
        assert "… and " in text
        assert "of this report omitted: too long for a comment." in text.splitlines()[-1]
        assert sum(t.type == "fence" for t in tokens(text)) == text.count("<details>")
    one = rendered(TargetReport("t", findings[:3], suppressed=(Suppressed(findings[0], "expect"),)))
    assert "omitted" not in one
