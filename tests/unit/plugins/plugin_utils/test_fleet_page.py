# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import typing as t
from html.parser import HTMLParser

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._fleet import PRELOAD, Answers, fleet_document
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_page import fleet_page
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_words import bytes_text, seconds_text
from ansible_collections.airlift.registry.tests.unit.plugins.support.fleets import DISK, answer, image, large, update

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!-- script -->",
    "line\u2028and\u2029more",
    '" onmouseover="alert(1)',
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
    "🚢" * 40,
    "x" * 5000,
    "\ud800 alone",
]


class Elements(HTMLParser):
    """The elements of a page, with their attributes and what is in them as text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data

    def text(self, name: str, number: int = 0) -> str:
        return [text for (tag, _attributes), text in zip(self.found, self.texts, strict=True) if tag == name][number]


def page_of(*answers: Answers, bundles: t.Sequence[str] = ("b.tar",)) -> str:
    return fleet_page(fleet_document(PRELOAD, answers, bundles), "2026-11-25T08:00:00Z")


def plain() -> list[tuple[str, dict[str, str | None]]]:
    return Elements(page_of(hostile("ship"))).found


def hostile(text: str) -> Answers:
    """A host whose every word is this text."""
    images = [image(text, "load", {"a": (1, "send")})]
    engine = {"product": text, "version": text, "driver": text}
    reason = {**DISK, "problem": text, "next_step": text}
    asked = answer(images, engine=engine)
    return Answers(text, {"failed": True, "msg": text, "reasons": [reason], "warnings": [text]}, asked, is_begun=True)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_names_are_text(text: str) -> None:
    """Whatever they are, the page has the same elements with the same attributes, and its data says them."""
    found = Elements(page_of(hostile(text), bundles=[text]))
    names = [(tag, sorted(attributes)) for tag, attributes in found.found]
    assert names == [(tag, sorted(attributes)) for tag, attributes in plain()]
    assert json.loads(found.text("script"))["hosts"][0]["name"] == text
    assert found.text("script").isascii()
    assert not set("<>&") & set(found.text("script"))


def test_the_policy_lets_in_only_this_script_and_this_style() -> None:
    page = page_of(Answers("ship"))
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0])
    for directive, text in (
        ("script-src", re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]),
        ("style-src", re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[0]),
    ):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_nothing_is_loaded_from_elsewhere() -> None:
    attributes = [name for _tag, found in Elements(page_of(hostile("ship"))).found for name in found]
    assert not {"src", "href", "style", "srcset", "action"} & set(attributes) - {"href"}
    assert [found["href"] for _tag, found in Elements(page_of(hostile("ship"))).found if "href" in found] == ["#fleet"]


def test_the_page_tells_all_without_its_script() -> None:
    asked = answer(update(70_000))
    page = page_of(
        Answers("ship1", {**asked, "bytes_sent": 70_000}, asked, is_begun=True),
        Answers("ship2", {"failed": True, "reasons": [DISK]}),
        Answers("ship3"),
    )
    for words in ("1 of 3 hosts", "ship1", "Changed", "70 kB", DISK["problem"], DISK["next_step"], "Nothing known"):
        assert words in page


def test_what_came_to_nothing_is_told_for_each_host_and_in_all() -> None:
    asked = answer(update(70_000))
    failed = {
        "failed": True,
        "reasons": [DISK],
        "bytes_sent": 40_000,
        "bytes_pulled": 0,
        "bytes_swarm": 0,
        "bytes_wasted": 8_000,
    }
    page = page_of(
        Answers("ship1", {**asked, "bytes_sent": 70_000, "bytes_wasted": 3_000}, asked, is_begun=True),
        Answers("ship2", failed, asked, is_begun=True),
    )
    rows = {row[0]: row for row in (re.findall(r">([^<>]+)<", row) for row in re.findall(r"<tr[ >].*?</tr>", page)[1:])}
    assert {"70 kB", "3 kB"} <= {*rows["ship1"]}
    assert {"40 kB", "8 kB"} <= {*rows["ship2"]}
    assert "11 kB" in re.findall(r"<ul class=\"tiles\".*?</ul>", page, re.DOTALL)[0]


def test_the_same_document_makes_the_same_page() -> None:
    assert page_of(*large(20, 5)) == page_of(*large(20, 5))


def test_each_text_is_embedded_once() -> None:
    """100 hosts with 50 images; the page has them in some kilobytes for each host."""
    assert len(page_of(*large(100, 50))) < 100 * 4000


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "not known"), (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (37_100_000, "37.1 MB"), (-2_000_000, "-2 MB")],
)  # fmt: skip
def test_bytes_are_said_in_decimal_units(count: int | None, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "not known"), (0.53, "0.53 s"), (61.3, "61.3 s"), (125.2, "2 min 5 s"), (7300, "2 h 1 min")],
)
def test_times_are_said_as_people_do(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text
