"""The HTML page in a real browser: opened from disk, used with mouse and keyboard.

`show` (in conftest.py) fails a test whose page requests anything or writes to the console.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys

import pytest
import sample_reports as samples
from hostile import MARKUP, hostile

from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports import html
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

pytestmark = pytest.mark.slow

PROGRAM = """\
import jax
import jax.numpy as jnp


def dropout(x, key):
    keep = jax.random.bernoulli(key, 0.5, x.shape)
    return jnp.where(keep, x, 0.0)


def model(w, x, key):
    mask_key, walk_key = jax.random.split(key)
    hidden = jax.vmap(dropout, in_axes=(0, None))(x @ w, mask_key)

    def step(state, i):
        noise = jax.random.normal(jax.random.fold_in(walk_key, i), state.shape)
        return state + noise, None

    return jax.lax.scan(step, hidden, jnp.arange(5))[0]
"""

ARGUMENTS = ("--arg", "w=f32[10,16]", "--arg", "x=f32[32,10]")

FLAGS = ("--format", "html", "--output", "page.html")


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def render(*targets):
    return FORMATS["html"](samples.report(*targets), RenderOptions(root=samples.ROOT))


@pytest.fixture(scope="module")
def page_of_model(tmp_path_factory, cli_environment):
    """The page that the command line writes for `PROGRAM`."""
    return checked(tmp_path_factory.mktemp("model"), cli_environment, "model.py", PROGRAM)


def checked(folder, environment, name, text, arguments=ARGUMENTS):
    (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "jaxrng_doctor", "check", f"{name}:model", *arguments, *FLAGS],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    return (folder / "page.html").read_text(encoding="utf-8")


def many(count):
    place = samples.shared_finding().place
    return TargetReport(
        "noise.py:noisy_batch",
        tuple(
            dataclasses.replace(
                samples.shared_finding(), message=f"number {n} of them", place=place
            )
            for n in range(count)
        ),
    )


SEEN = """(query) => [...document.querySelectorAll(query)].filter(
    (e) => e.checkVisibility({contentVisibilityAuto: false})).map((e) => e.textContent)"""

CONTRAST = """() => {
    // The ratio of WCAG 2, of each text against the nearest background behind it.
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (color) => {
        const [r, g, b] = rgba(color).slice(0, 3).map((x) => x / 255)
            .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const faint = [];
    let texts = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || element.closest("script, svg")) continue;
        let behind = element;
        while (behind && rgba(getComputedStyle(behind).backgroundColor)[3] === 0)
            behind = behind.parentElement;
        const one = light(getComputedStyle(element).color);
        const other = light(behind ? getComputedStyle(behind).backgroundColor : "white");
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        texts += 1;
        if (ratio < 4.5) faint.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim()}`);
    }
    return [texts, faint];
}"""


def test_a_page_shows_what_is_wrong(show, page_of_model):
    page = show(page_of_model)
    assert page.title() == "jaxrng-doctor: 1 error, 0 warnings, 0 notes"
    (finding,) = page.locator("article.finding").all()
    assert finding.locator("h3").inner_text() == "error RNG001 shared-key-under-vmap"
    text = finding.inner_text()
    assert "all 32 examples of vmap(dropout) draw the same numbers" in text
    assert "keep = jax.random.bernoulli(key, 0.5, x.shape)" in text
    assert finding.locator(".lineage li").all_inner_texts()[1].startswith("split(2) ")
    assert finding.locator(".lineage li").count() >= 3
    assert page.locator(".strip").first.inner_text() == "A" * 32
    assert "not compared no output has a batch axis" in page.inner_text("body")


def test_equal_rows_are_plain_to_see(show, chromium, page_of_model):
    """Compares the rows on the screen itself, by the colour of each cell."""
    page = show(page_of_model)
    shared, fixed = page.locator("figure.noise svg[role=img]").all()
    rows = [pixels(chromium, drawn) for drawn in (shared, fixed)]
    assert [len(row) for picture in rows for row in picture] == [16] * 64
    assert len({tuple(row) for row in rows[0]}) == 1
    assert len({tuple(row) for row in rows[1]}) == 32
    assert len(set(rows[0][0])) == 2  # kept, and dropped
    assert shared.get_attribute("aria-label").startswith("Noise, current: 32 examples, 1 dist")
    assert shared.locator("text").all_text_contents() == ["A"] * 32
    assert len(set(fixed.locator("text").all_text_contents())) == 32


def pixels(chromium, drawn):
    """The colours of a picture's cells, from a screenshot."""
    data = base64.b64encode(drawn.screenshot()).decode()
    columns, height = (int(x) for x in drawn.get_attribute("viewBox").split()[2:])
    page = chromium.new_page()
    try:
        return page.evaluate(
            """async ([data, columns, rows]) => {
                const image = new Image();
                image.src = `data:image/png;base64,${data}`;
                await image.decode();
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [image.width, image.height];
                const context = canvas.getContext("2d");
                context.drawImage(image, 0, 0);
                const unit = image.width / (columns + 2);
                const at = (x, y) =>
                    [...context.getImageData((x + 2.1) * unit, (y + 0.5) * unit, 1, 1).data].join();
                return Array.from({length: rows}, (_, y) =>
                    Array.from({length: columns}, (_, x) => at(x, y)));
            }""",
            [data, columns - 2, height],
        )
    finally:
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(show, page_of_model, scheme):
    for text in (page_of_model, render(*(samples.gap_target(), samples.shared_target()))):
        page = show(text, color_scheme=scheme)
        page.click("text=Unfold all")
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        texts, faint = page.evaluate(CONTRAST)
        assert texts > 100
        assert faint == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_print_shows_all_on_white(show, page_of_model):
    page = show(page_of_model, color_scheme="dark")
    page.get_by_text("The program:").click()
    page.locator(".equation.draw .variable").first.hover()
    assert page.locator(".tied").count() > 1
    page.get_by_text("Key tree").click()
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST)[1] == []
    assert page.evaluate(SEEN, "details:not([open])") == []
    assert page.evaluate(SEEN, ".tools") == []
    assert "random_fold_in" in page.locator(".program .rows").inner_text()
    rows = page.locator(".rows").evaluate("(e) => e.scrollHeight - e.clientHeight")
    assert rows <= 1  # the program has no hidden part to scroll to
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(SEEN, "details:not([open])")
    assert page.pdf().count(b"/Type /Page\n") >= 2


def test_a_narrow_page_does_not_scroll_sideways(show, page_of_model):
    page = show(page_of_model)
    page.set_viewport_size({"width": 380, "height": 700})
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 380


def test_nor_does_one_with_very_long_names(show, tmp_path, cli_environment):
    text = PROGRAM.replace("dropout", "drop_" + "and_drop_" * 20 + "out")
    page = show(checked(tmp_path, cli_environment, "model.py", text))
    page.set_viewport_size({"width": 380, "height": 700})
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.add_style_tag(content=".finding { content-visibility: visible !important }")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 380
    index = page.locator(".index").evaluate("(e) => e.scrollWidth - e.clientWidth")
    assert index <= 0


def test_findings_are_searched_and_folded(show):
    page = show(render(many(12)))
    search = page.get_by_label("Search the findings")
    search.fill("number 7 of")
    assert page.evaluate(SEEN, "article.finding .message") == ["number 7 of them"]
    assert len(page.evaluate(SEEN, ".index li")) == 1
    assert page.locator("output").inner_text() == "1 of 12"
    search.press("Escape")
    assert len(page.evaluate(SEEN, "article.finding .message")) == 12
    assert page.locator("output").inner_text() == ""
    page.click("text=Fold all")
    assert page.evaluate(SEEN, "article.finding .message") == []
    search.fill("number 7 of")
    assert page.evaluate(SEEN, "article.finding .message") == ["number 7 of them"]
    search.fill("")
    assert page.evaluate(SEEN, "article.finding .message") == []
    page.click("text=Unfold all")
    assert len(page.evaluate(SEEN, "article.finding .message")) == 12


def test_a_page_is_read_with_keys_alone(show):
    page = show(render(many(3)))
    at = "document.activeElement.id"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    assert page.evaluate(at) == "finding-1"
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate(at) == "finding-3"
    page.keyboard.press("k")
    assert page.evaluate(at) == "finding-2"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    assert len(page.evaluate(SEEN, "article.finding .message")) == 2
    page.keyboard.press("/")
    page.keyboard.type("j of them")  # in a field, letters are not shortcuts
    assert page.get_by_label("Search the findings").input_value() == "j of them"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_two_hundred_findings_scroll(show):
    from playwright.sync_api import expect

    page = show(render(many(200)), reduced_motion="reduce")
    assert page.locator("article.finding").count() == 200
    assert page.locator(".index li").count() == 200
    page.locator(".index a").nth(199).click()
    last = page.locator("#finding-200")
    assert last.locator(".message").is_visible()
    assert 0 <= last.bounding_box()["y"] < 800
    page.locator("#finding-190").scroll_into_view_if_needed()
    expect(page.locator("#finding-190 .message")).to_be_in_viewport()
    assert page.locator("#finding-190 .message").inner_text() == "number 189 of them"
    page.get_by_label("Search the findings").fill("number 123 of")
    assert page.evaluate(SEEN, "article.finding .message") == ["number 123 of them"]


def test_without_script_all_is_there_and_folds(show, page_of_model):
    page = show(page_of_model, java_script_enabled=False)
    page.get_by_text("The program:").click()
    assert page.locator(".program .rows").is_visible()
    assert not page.get_by_text("Fold all").first.is_visible()
    page.locator("article.finding summary").click()
    assert not page.locator("article.finding .message").is_visible()


# -- the program ---------------------------------------------------------------------------


@pytest.fixture
def program(show, page_of_model):
    page = show(page_of_model)
    page.get_by_text("The program:").click()
    return page


def line_of(text):
    return next(n for n, line in enumerate(PROGRAM.splitlines(), 1) if text in line)


def tied(page, where):
    return page.locator(f"{where} .tied").all_inner_texts()


def test_scopes_are_boxes_that_fold(program):
    vmap = program.locator("details.scope", has_text="vmap")
    assert "over 32" in vmap.locator("summary").first.inner_text()
    assert "RNG001" in vmap.inner_text()
    vmap.locator("summary").first.click()
    assert "bernoulli" not in program.locator(".rows").inner_text()
    program.locator(".program").get_by_text("Unfold all").click()
    assert "bernoulli" in program.locator(".rows").inner_text()


def test_the_program_is_searched(program):
    program.get_by_label("Search the program").fill("fold_in")
    shown = program.evaluate(SEEN, ".rows div.equation")
    assert len(shown) == 1
    assert "random_fold_in" in shown[0]
    boxes = program.evaluate(SEEN, ".rows details.box > summary")
    assert len(boxes) == 1
    assert boxes[0].startswith("scan")
    program.get_by_label("Search the program").fill("")
    assert len(program.evaluate(SEEN, ".rows div.equation")) > 5


def test_pointing_at_a_variable_shows_its_line_and_its_uses(program):
    made = program.locator(".equation", has_text="random_split").first
    variable = made.locator(".made .variable").first
    name = variable.inner_text()
    variable.hover()
    (line,) = tied(program, ".sources")
    assert "jax.random.split(key)" in line
    assert line.split()[0] == str(line_of("jax.random.split(key)"))
    uses = program.locator(".rows a.variable.tied").all_inner_texts()
    assert len(uses) == 3  # where it is defined, and the two keys taken from it
    assert set(uses) == {name}


def test_pointing_at_a_line_shows_what_it_became(program):
    number = line_of("jax.random.fold_in")
    program.locator(".sources .line", has_text="fold_in(walk_key").hover()
    became = program.locator(".rows .equation.tied").all_inner_texts()
    assert len(became) >= 2
    assert all(f"model.py:{number}" in text for text in became)
    assert any("random_fold_in" in text for text in became)


def test_a_program_is_read_with_keys_alone(program):
    program.locator(".rows").focus()
    program.keyboard.press("ArrowDown")
    assert "equation" in program.evaluate("document.activeElement.className")
    first = program.evaluate("document.activeElement.textContent")
    (line,) = tied(program, ".sources")
    assert line.strip()
    program.keyboard.press("ArrowDown")
    assert program.evaluate("document.activeElement.textContent") != first
    program.keyboard.press("ArrowUp")
    assert program.evaluate("document.activeElement.textContent") == first


def test_links_lead_to_the_source_and_back(program):
    draw = program.locator(".equation.draw", has_text="bernoulli")
    link = draw.locator("a.at")
    assert link.inner_text() == f"model.py:{line_of('jax.random.bernoulli')}:12"
    link.click()
    line = program.locator(".sources .line:target")
    assert "keep = jax.random.bernoulli" in line.inner_text()
    line.locator("a.number").click()
    assert "bernoulli" in program.locator(".rows :target").inner_text()


def test_the_tree_of_keys_leads_from_the_seed_to_the_draws(program):
    tree = program.locator("ul.tree")
    roots = tree.locator(":scope > li").all()
    assert len(roots) == 1
    assert roots[0].inner_text().startswith("key:")
    assert "RNG001" in tree.locator("li.faulty").last.inner_text()
    assert "bernoulli" in tree.locator("li.faulty").last.inner_text()


# -- text from users -------------------------------------------------------------------------


def test_markup_in_a_report_is_text(show, page_of_model):
    samples.put_source(f"/project/noise.py{MARKUP}", f"{MARKUP}\n" * 20)
    samples.put_source(f"/project/train/loop.py{MARKUP}", f"{MARKUP}\n" * 30)
    for name in samples.REPORTS:
        page = show(
            FORMATS["html"](hostile(samples.REPORTS[name]()), RenderOptions(root=samples.ROOT))
        )
        unhurt(page)
        assert MARKUP in page.evaluate("document.querySelector('h2').textContent")


def unhurt(page):
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, a[onmouseover], a[href^='javascript']").count() == 0
    assert page.locator("script").count() == 1


def test_markup_in_a_program_is_text(show, tmp_path, cli_environment):
    """Names, strings, paths and comments of a real program, in findings and in the listing."""
    evil = "<img src=x onerror=alert(1)>"
    name = f"{evil}.py"
    quoted = json.dumps(evil)
    text = f"""\
import jax
# </script><script>alert(2)</script>
def noisy(tree, key):
    def inner(x, key):  # {evil}
        return x + jax.random.normal(key, x.shape)  # {evil} <!--
    inner.__name__ = inner.__qualname__ = {quoted}
    mapped = jax.vmap(inner, in_axes=(0, None), axis_name={quoted})
    return {{{quoted}: mapped(tree[{quoted}], key)}}
def model(x, key):
    return noisy({{{quoted}: x}}, key)
"""
    arguments = ("--arg", "x=f32[4,3]")
    page = show(checked(tmp_path, cli_environment, name, text, arguments=arguments))
    unhurt(page)
    assert evil in page.locator("h2").inner_text()
    assert f"# {evil}" in page.locator("article.finding .code").first.inner_text()
    assert page.locator(".rows").inner_text().count(evil) >= 2
    assert evil in page.locator(".sources").inner_text()
    page.locator(".rows .variable").last.hover()
    page.get_by_label("Search the program").fill("onerror")
    unhurt(page)


def test_a_notebook_shows_the_page_in_a_frame(show, page_of_model):
    report = samples.report(samples.shared_target())
    framed = html.framed(report, RenderOptions(root=samples.ROOT))
    page = show(f"<!DOCTYPE html><title>A notebook</title><p class=error>cell</p>{framed}")
    inside = page.frame_locator("iframe")
    assert "draw the same numbers" in inside.locator("article.finding").inner_text()
    inside.get_by_text("Fold all", exact=True).click()
    assert not inside.locator(".message").first.is_visible()
    # The frame has no access to the notebook, and the page's styles stay inside.
    assert page.frames[1].evaluate("origin") == "null"
    assert page.locator("p.error").evaluate("(e) => getComputedStyle(e).color") == "rgb(0, 0, 0)"


@pytest.mark.parametrize("flags", [(), ("--all",), ("--lineage",)])
def test_inspect_writes_a_page_too(show, tmp_path, run_cli, flags):
    (tmp_path / "model.py").write_text(PROGRAM, encoding="utf-8")
    done = run_cli("inspect", "model.py:model", *ARGUMENTS, "--format", "html", *flags)
    assert done.returncode == 0, done.stderr
    page = show(done.stdout)
    assert page.locator("h2").inner_text() == "model.py:model"
    assert page.locator("ul.tree").is_visible()
    assert page.locator(".rows").count() == (0 if flags == ("--lineage",) else 1)
    if flags == ("--all",):
        assert page.locator(".fold").all_inner_texts() != []
        page.get_by_label("Search the program").fill("dot_general")
        assert len(page.evaluate(SEEN, ".rows div.equation")) == 1


@pytest.mark.parametrize("flags", [(), ("--lineage",)])
def test_inspect_tells_what_is_wrong_in_words(show, tmp_path, run_cli, flags):
    (tmp_path / "model.py").write_text(PROGRAM, encoding="utf-8")
    done = run_cli("inspect", "model.py:model", *ARGUMENTS, "--format", "html", *flags)
    page = show(done.stdout)
    found = page.get_by_role("list", name="Findings")
    assert "all 32 examples of vmap(dropout) draw the same numbers" in found.inner_text()
    # The number of keys is visible without a mouse, too.
    assert "32 keys, 1 distinct" in page.locator("main").inner_text()
    if not flags:
        found.get_by_role("link", name="RNG001").click()
        assert "jax.random.bernoulli" in page.locator(".equation:target").inner_text()
    # The keyboard shortcuts are shown where they have an effect.
    assert page.locator("footer").count() == (0 if flags else 1)
