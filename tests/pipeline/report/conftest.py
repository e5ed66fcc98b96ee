"""Debian's Chromium, driven by Playwright, and axe-core to look for what keeps people out."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_CHROMIUM = Path("/usr/bin/chromium")
_AXE = Path(__file__).resolve().parents[3] / ".browser/node_modules/axe-core/axe.min.js"
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Opened:
    """A page in the browser, and what it said and asked for meanwhile."""

    def __init__(self, page):
        self.page, self.said, self.asked = page, [], []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.asked.append(request.url))

    def violations(self) -> list[str]:
        """What axe-core calls serious, or worse."""
        self.page.evaluate(_AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run().then(found => found.violations)")
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Chromium; the test is skipped where it is absent, and fails in CI."""
    missing = [
        said
        for path, said in (
            (_CHROMIUM, "Chromium is not installed (Debian: apt-get install chromium)"),
            (_AXE, "axe-core is not installed (make browser; it takes npm)"),
        )
        if not path.is_file()
    ]
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail("; ".join(missing))
        pytest.skip("; ".join(missing))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(_CHROMIUM), args=list(_QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser) -> Iterator[Callable[..., Opened]]:
    """Opens a file in a window of its own."""
    contexts = []

    def open_file(path: Path, *, width: int = 1280, scheme: str = "light") -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.goto(path.as_uri())
        return found

    yield open_file
    for context in contexts:
        context.close()
