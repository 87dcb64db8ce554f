"""Opens pages from a file, in a real browser that blocks all other requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def show(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open the text of a page in a new window; fail if the page requests, logs or raises anything.

    The options are those of Playwright's `new_context`, such as `color_scheme="dark"`.
    """
    contexts: list[Any] = []
    asked: list[str] = []
    said: list[str] = []

    def opened(text: str, **options: Any) -> Any:
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        context = chromium.new_context(viewport={"width": 1100, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))

        def gate(route: Any) -> None:
            if route.request.url == path.as_uri():
                route.continue_()
            else:
                route.abort()

        page.route("**/*", gate)
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    pages = {f"page{n}.html" for n in range(len(contexts))}
    assert {url.rsplit("/", 1)[-1] for url in asked} == pages
    assert len(asked) == len(contexts)
    assert said == []
