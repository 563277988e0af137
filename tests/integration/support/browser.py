# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's chromium, without a window. What a page complains of fails the test."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# From asking for the page to the frame after its script has run.
_UNTIL_SHOWN = "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
# An action, and the frame after it.
_ACT = """async (selector) => {
  const begin = performance.now();
  document.querySelector(selector).click();
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - begin;
}"""


@contextmanager
def chromium() -> t.Iterator[Browser]:
    """The browser. Root has no sandbox in a container; the pages are our own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A page that is open, and all that it complained of or asked the network for."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def milliseconds_to_open(self) -> float:
        return t.cast(float, self.page.evaluate(_UNTIL_SHOWN))

    def milliseconds_to_click(self, selector: str) -> float:
        return t.cast(float, self.page.evaluate(_ACT, selector))

    def overflows(self) -> bool:
        """Whether the page can be scrolled sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def shown(self) -> list[str]:
        """The hosts of the table, from the top."""
        return self.page.locator("#hosts > tbody > tr[data-host]:not([hidden]) > th").all_inner_texts()


@contextmanager
def opened(
    browser: Browser, path: Path, *, width: int = 1280, dark: bool = False, script: bool = True
) -> t.Iterator[Tab]:
    """A file in a tab of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        offline=True,
    )
    tab = Tab(context.new_page())
    tab.page.on("console", lambda message: tab.complaints.append(message.text))
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on("dialog", lambda dialog: tab.complaints.append(dialog.message))
    tab.page.on("request", lambda request: tab.complaints.append(request.url) if request.url != path.as_uri() else None)
    try:
        tab.page.goto(path.as_uri())
        yield tab
        assert tab.complaints == []
    finally:
        context.close()
