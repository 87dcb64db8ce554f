"""Makes docs/pictures/page.png: the HTML report of the first command in README, in a browser.

`make stale` does not compare it, because fonts and browsers differ. Without a browser the picture
is left unchanged.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import generate
import shown

sys.path.insert(0, str(generate.ROOT / "tests"))

import browser

PICTURE = generate.ROOT / "docs" / "pictures" / "page.png"

WIDTH, HEIGHT = 1000, 1240
"""In CSS pixels: enough for the summary and the finding with its noise."""


def main() -> int:
    written = (generate.ROOT / "README.md").read_text(encoding="utf-8")
    text = generate.output_of(shown.steps(written)[0], "--format", "html")
    with tempfile.TemporaryDirectory() as folder, browser.started() as chromium:
        if chromium is None:
            print(f"unchanged: docs/pictures/page.png: {browser.ABSENT}")
            return 0
        path = Path(folder, "page.html")
        path.write_text(text, encoding="utf-8")
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(path.as_uri())
        page.screenshot(path=PICTURE)
    print("written: docs/pictures/page.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
