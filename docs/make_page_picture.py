"""Makes docs/page.png: the HTML page of README's first command, as a browser shows it.

It is not among what `make stale` compares: fonts and browsers differ in every pixel. Without a
browser the picture stays as it is.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import generate
import readme

sys.path.insert(0, str(generate.ROOT / "tests"))

import browser

PICTURE = generate.ROOT / "docs" / "page.png"

WIDTH, HEIGHT = 1000, 1240
"""In CSS pixels: the summary, and the finding with its noise."""


def main() -> int:
    written = (generate.ROOT / "README.md").read_text(encoding="utf-8")
    text = generate.output_of(readme.steps(written)[0], "--format", "html")
    with tempfile.TemporaryDirectory() as folder, browser.started() as chromium:
        if chromium is None:
            print(f"left as it is: docs/page.png: {browser.ABSENT}")
            return 0
        path = Path(folder, "page.html")
        path.write_text(text, encoding="utf-8")
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(path.as_uri())
        page.screenshot(path=PICTURE)
    print("written: docs/page.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
