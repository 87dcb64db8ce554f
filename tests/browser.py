"""A headless Chromium for the tests that open HTML pages.

`python tests/browser.py` installs one if possible and prints the outcome; the Makefile calls it.
Chromium is taken from `$CHROMIUM`, from the PATH, or from Playwright's installation, in this order.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The names of the Chromium executable in Linux distributions."""

ABSENT = (
    "NO BROWSER: pages are not tested. `python tests/browser.py` tries to install one; or put "
    "Chromium on the PATH, or its path into $CHROMIUM"
)


def find(playwright: Any) -> str | None:
    """The path of a Chromium executable, or `None` if there is none."""
    named = os.environ.get("CHROMIUM")
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    own = Path(playwright.chromium.executable_path)
    return named or on_path or (str(own) if own.exists() else None)


@contextlib.contextmanager
def started() -> Iterator[Any]:
    """A headless Chromium, or `None` if there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = find(playwright)
        if path is None:
            yield None
            return
        # Chromium's sandbox does not start for root, the usual user in a container.
        sandbox = os.geteuid() != 0 if hasattr(os, "geteuid") else True
        chromium = playwright.chromium.launch(executable_path=path, chromium_sandbox=sandbox)
        try:
            yield chromium
        finally:
            chromium.close()


def install() -> str:
    """Install Chromium unless it is available; return a line about the outcome."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        if found := find(playwright):
            return f"browser: {found}"
    ways = [[sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]]
    if shutil.which("apt-get") and getattr(os, "geteuid", lambda: 1)() == 0:
        quiet = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
        package = ["install", "-y", "--no-install-recommends", "chromium-headless-shell"]
        fonts = ["fonts-dejavu-core"]
        ways += [[*quiet, "update"], [*quiet, *package, *fonts]]
    for way in ways:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(way, capture_output=True, timeout=600, check=False)
        with sync_playwright() as playwright:
            if found := find(playwright):
                return f"browser: {found}, installed by {' '.join(way)}"
    return ABSENT


if __name__ == "__main__":
    print(install())
