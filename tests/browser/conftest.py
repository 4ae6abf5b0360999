"""A headless Chromium of this machine, and a report for it to open.

Skips where there is none; with DUOLOGUE_BROWSER=1 that is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_audit import make_audit

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _missing(why: str) -> None:
    if os.environ.get("DUOLOGUE_BROWSER") == "1":
        pytest.fail(f"DUOLOGUE_BROWSER=1 and {why}")
    pytest.skip(why)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A running Chromium, driven by Playwright."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        _missing(f"there is no {BROWSERS[0]} on this machine (apt-get install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        running = driver.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()


@pytest.fixture(scope="session")
def report(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made corpus with hostile texts, compared with an audit before; asked for after `browser`,
    so that nothing is made where there is none."""
    from pipelines.audit.report.write import write_report

    corpus, record = make_audit(tmp_path_factory.mktemp("report"))
    (dead,) = (check for check in record["checks"] if check["id"] == "coefficient_dead")
    before = record | {
        "checks": [
            check | {"verdict": "pass", "n_bad": 0} if check is dead else check for check in record["checks"]
        ]
    }
    return Path(write_report(str(corpus), record, str(corpus.parent / "audited"), before=before))


class Opened:
    """A page, and everything it complained of or asked for."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.problems: list[str] = []
        self.asked: list[str] = []
        page.on(
            "console",
            lambda one: self.problems.append(one.text) if one.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda one: self.problems.append(f"dialog {one.message}"))
        page.on("request", lambda one: self.asked.append(one.url))
        page.goto(path.as_uri())


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Callable[..., Opened]]:
    """A function that opens the report in a fresh window of a size and colour scheme."""
    contexts = []

    def open_page(*, width: int = 1200, height: int = 900, scheme: str = "light") -> Opened:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.set_default_timeout(8_000)
        contexts.append(context)
        return Opened(context.new_page(), report)

    yield open_page
    for context in contexts:
        context.close()
