# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The page of the fleet's report: one file, from the document and the template in C(page/). It reads without its script, which sorts, searches and opens."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import typing as t
from pathlib import Path

from ansible_collections.airlift.registry.plugins.module_utils._fleet import DRIFT
from ansible_collections.airlift.registry.plugins.module_utils._fleet_images import IMAGE_STATES
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_charts import (
    bytes_chart,
    states_chart,
    time_chart,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_tables import (
    hosts_table,
    images_table,
    states_filter,
    tiles,
    to_do,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_words import state_label
from ansible_collections.airlift.registry.plugins.plugin_utils._html import Html, joined, name_of, tag

Document = t.Mapping[str, t.Any]

_FILES = Path(__file__).with_name("page")
# What JSON may have in it and a script element or JavaScript must not.
_UNSAFE = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def fleet_page(document: Document, written: str) -> str:
    """The page; I(written) is when the document became what it is (RFC 3339, UTC)."""
    style, script = (_read(name) for name in ("page.css", "page.js"))
    parts = {
        "policy": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'",
        "title": _title(document),
        "style": Html(style),
        "script": Html(script),
        "data": Html(_embedded(document)),
        "written": tag("time", written.replace("T", " ").replace("Z", " UTC"), datetime=written),
        "bundles": joined([name_of(", ".join(document["bundles"]) or "none named")]),
        "tiles": tiles(document),
        "charts": joined([states_chart(document), bytes_chart(document), time_chart(document)]),
        "to_do": to_do(document),
        "filter": states_filter(document),
        "hosts": hosts_table(document),
        "images": images_table(document),
    }
    return re.sub(r"<!-- (\w+) -->", lambda found: joined([parts[found[1]]]), _read("page.html"))


def _title(document: Document) -> str:
    return "Drift of the fleet" if document["kind"] == DRIFT else "Preload of the fleet"


def _read(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names an inline element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(document: Document) -> str:
    """What the script needs, with each text once: 1000 hosts with 50 images say the same few things."""
    texts = _Texts()
    hosts = [
        {
            "name": host["host"],
            "search": " ".join([state_label(host["state"]), *_engine(host)]),
            "images": [
                [
                    texts.index(image["name"]), texts.index(image["state"]), texts.index(image["reason"]),
                    image["size"], image["lacking"],
                ]
                for image in sorted(host["images"], key=lambda image: IMAGE_STATES.index(image["state"]))
            ],
            "extra": [texts.index(name) for image in host["extra"] for name in image["names"] or [image["id"]]],
            "reasons": [[texts.index(reason["problem"]), texts.index(reason["next_step"])] for reason in host["reasons"]],
            "warnings": [texts.index(text) for text in host["warnings"]],
        }
        for host in document["hosts"]
    ]  # fmt: skip
    return json.dumps({"texts": texts.all, "hosts": hosts}, separators=(",", ":")).translate(_UNSAFE)


def _engine(host: Document) -> list[str]:
    return [str(value) for value in (host["engine"] or {}).values() if value]


class _Texts:
    """Texts by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def index(self, text: str) -> int:
        return self._numbers.setdefault(str(text), len(self._numbers))

    @property
    def all(self) -> list[str]:
        return list(self._numbers)
