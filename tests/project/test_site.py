"""The documentation site: it builds without warnings, and looks right in a real browser.

Sphinx is taken from this environment, or from the one that `make site` creates. Without it, the
tests are skipped. `make test-site` has it, and tests the site that it has built (`SITE`).
"""

import functools
import http.server
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_jax

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TOOLS = ("sphinx", "myst_parser", "sphinx_book_theme", "sphinx_copybutton", "sphinx_design")
PAGES = ["index", "tutorial", "public-code", "architecture", "how-to/ci", "explanation/lineage",
         "explanation/scopes", "rules/README", "rules/RNG001", "settings", "command-line",
         "report-schema", "key_reuse", "field-notes", "compatibility"]  # fmt: skip
NARROW, WIDE = (390, 844), (1400, 900)


def sphinx_python():
    """The interpreter of an environment with Sphinx and the extensions in docs/conf.py."""
    if all(importlib.util.find_spec(name) for name in TOOLS):
        return sys.executable
    made = ROOT / ".venv-site" / "bin" / "python"
    if made.exists():
        return str(made)
    pytest.skip("Sphinx is missing: `make test-site` installs it")


def build(source, folder):
    """The warnings and the exit code of a strict build, as `make site` runs it."""
    strict = ["-W", "--keep-going", "-n", "-q", "-d", folder / "doctrees"]
    done = subprocess.run(
        [
            sphinx_python(),
            "-m",
            "sphinx",
            *strict,
            "-d",
            folder / "doctrees",
            source,
            folder / "html",
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return done.stderr, done.returncode


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of the built site."""
    if built := os.environ.get("SITE"):
        return ROOT / built
    folder = tmp_path_factory.mktemp("site")
    assert build(DOCS, folder) == ("", 0)
    return folder / "html"


@pytest.fixture(scope="module")
def address(html):
    """The address of a server for the built site."""
    handler = functools.partial(QuietHandler, directory=html)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def visit(chromium, address):
    """Open a page of the site; fail if it has errors or requests anything from another host."""
    contexts, faults = [], []

    def open_page(name, size=WIDE, scheme="light"):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda r: r.url.startswith(address) or elsewhere.append(r.url))
        page.on("response", lambda r: r.status < 400 or faults.append(f"{r.status} {r.url}"))
        page.goto(f"{address}/{name}.html")
        return page

    elsewhere = []
    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
    assert [url for url in elsewhere if not url.startswith("data:")] == []


def test_every_page_is_in_the_site(html):
    pages = {path.relative_to(DOCS).with_suffix("") for path in DOCS.glob("**/*.md")}
    assert {page for page in pages if not (html / f"{page}.html").exists()} == set()
    assert {name for name in PAGES if not (html / f"{name}.html").exists()} == set()


@pytest.mark.parametrize(
    ("link", "warning"),
    [
        ("[x](nowhere.md)", "nowhere.md"),
        ("[x](other.md#no-such-heading)", "no-such-heading"),
        ("![x](nowhere.svg)", "nowhere.svg"),
    ],
)
def test_a_broken_link_fails_the_build(link, warning, tmp_path):
    source = tmp_path / "docs"
    source.mkdir()
    shutil.copy(DOCS / "conf.py", source)
    shutil.copytree(DOCS / "_static", source / "_static")
    version = tmp_path / "jaxrng_doctor" / "_util" / "version.py"
    version.parent.mkdir(parents=True)
    version.write_text('__version__ = "1"\n')
    toctree = "```{toctree}\nother\n```\n"
    (source / "other.md").write_text("# Other\n\n## Heading\n\n[x](index.md)\n")
    (source / "index.md").write_text(f"# Title\n\n[x](other.md#heading)\n\n{toctree}")
    assert build(source, tmp_path) == ("", 0)
    (source / "index.md").write_text(f"# Title\n\n{link}\n\n{toctree}")
    said, code = build(source, tmp_path)
    assert code == 1
    assert warning in said


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_the_screen(visit, name, size):
    """The page does not scroll sideways, and its pictures and its heading are visible."""
    page = visit(name, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    pictures = page.locator(".bd-content img").evaluate_all(
        "all => all.map(one => [one.naturalWidth, one.getBoundingClientRect().right])"
    )
    assert all(width > 0 and right <= size[0] for width, right in pictures)
    assert page.locator(".bd-article h1").first.is_visible()


def contrast(page, selector):
    """The lowest contrast (WCAG 2) of the text of these elements with its background."""
    return page.locator(selector).evaluate_all("""all => {
        const channels = text => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = one => {
            for (; one; one = one.parentElement) {
                const colour = channels(getComputedStyle(one).backgroundColor);
                if (colour.length == 3 || colour[3] == 1) return colour;
            }
            return [255, 255, 255];
        };
        const ratio = one => {
            const both = [light(channels(getComputedStyle(one).color)), light(behind(one))];
            return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
        };
        return Math.min(...all.filter(one => one.textContent.trim()).map(ratio));
    }""")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "tutorial", "settings", "explanation/lineage"])
def test_text_can_be_read(visit, name, scheme):
    page = visit(name, scheme=scheme)
    assert page.locator("html").get_attribute("data-theme") == scheme
    for selector in (
        "article p",
        "article a:not(.headerlink)",
        "article h1",
        "article li, article td",
    ):
        if page.locator(selector).count():
            assert contrast(page, selector) >= 4.5, selector
    if page.locator("article pre span").count():
        assert contrast(page, "article pre, article pre span") >= 4.5


def colours(page, selector):
    """The median, lowest and highest brightness of an element's pixels, from a screenshot."""
    from base64 import b64encode

    shot = b64encode(page.locator(selector).first.screenshot()).decode()
    return page.evaluate(
        """async shot => {
        const image = new Image();
        image.src = "data:image/png;base64," + shot;
        await image.decode();
        const canvas = new OffscreenCanvas(image.width, image.height);
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const {data} = context.getImageData(0, 0, image.width, image.height);
        const light = [];
        for (let i = 0; i < data.length; i += 4)
            light.push((data[i] + data[i + 1] + data[i + 2]) / 3);
        light.sort((a, b) => a - b);
        return {median: light[light.length >> 1], darkest: light[0], lightest: light.at(-1)};
    }""",
        shot,
    )


@pytest.mark.parametrize("name", ["architecture", "explanation/scopes", "explanation/lineage"])
def test_a_drawn_picture_follows_the_theme_and_its_switch(visit, name):
    page = visit(name, scheme="light")
    picture = ".bd-content img[src$='.svg']"
    assert colours(page, picture)["median"] > 200
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = colours(page, picture)
    assert dark["median"] < 80
    assert dark["lightest"] > 180


def test_the_first_page_leads_to_the_others(visit):
    page = visit("index")
    for title in ("Tutorial", "How-to", "Reference", "Explanation"):
        card = page.locator(".sd-card", has_text=title).locator("a").first
        assert card.get_attribute("href").endswith(".html")
    page.get_by_role("link", name="Read more").click()
    assert page.locator(".bd-article h1").inner_text().startswith("What it found in public code")


def test_the_search_finds_a_rule(visit):
    page = visit("search")
    page.goto(f"{page.url}?q=RNG004")
    page.locator("#search-results a", has_text="RNG004").first.wait_for()
