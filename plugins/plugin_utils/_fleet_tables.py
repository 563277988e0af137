# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The figures, the list of what to do, and the tables of the fleet's report."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._fleet import DRIFT, HOST_STATES
from ansible_collections.airlift.registry.plugins.module_utils._fleet_images import came
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_charts import share_bar, stacked_bar
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_words import (
    bytes_text,
    hosts_text,
    seconds_text,
    share_text,
    state_label,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._html import Html, joined, name_of, tag

Document = t.Mapping[str, t.Any]

_GOOD = ("changed", "unchanged", "matches")
_IN_PLACE = ("present", "loaded", "renamed")


def tiles(document: Document) -> Html:
    """The figures that one wants first."""
    totals, states = document["totals"], document["totals"]["states"]
    good = sum(states.get(state, 0) for state in _GOOD)
    what = "as they should be" if document["kind"] == DRIFT else "with all images"
    found = [(f"{good} of {hosts_text(totals['hosts'])}", what)]
    if totals["bytes"]:
        counts = totals["bytes"]
        cost = counts["archives"] - counts["saved"]
        is_asked = document["kind"] == DRIFT or "pending" in states
        found.append((bytes_text(cost), "to send" if is_asked else "brought"))
        found.append(
            (
                share_text(counts["saved"], counts["archives"]),
                f"less than whole archives ({bytes_text(counts['archives'])})",
            )
        )
    if totals["traffic"] and totals["traffic"]["wasted"]:
        found.append((bytes_text(totals["traffic"]["wasted"]), "of all hosts came to nothing"))
    if totals["seconds"]:
        found.append((seconds_text(totals["seconds"]["median"]), "median time of a host"))
    return tag("ul", *(tag("li", tag("b", value), " ", tag("span", text)) for value, text in found), class_="tiles")


def to_do(document: Document) -> Html:
    """What is wrong, by what is to be done, each with its hosts."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for host in document["hosts"]:
        for reason in host["reasons"]:
            groups.setdefault(reason["next_step"], []).append((host["host"], reason["problem"]))
    if not groups:
        return tag("p", "Nothing stands against any host.", class_="calm")
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    return tag("ul", *(_group(step, hosts) for step, hosts in ordered), class_="todo")


def _group(step: str, hosts: t.Sequence[tuple[str, str]]) -> Html:
    who = hosts_text(len({host for host, _problem in hosts}))
    lines = [tag("li", tag("b", name_of(host)), " ", tag("span", problem, dir="auto")) for host, problem in hosts]
    return tag(
        "li", tag("p", step, dir="auto"), tag("details", tag("summary", who), tag("ul", *lines), open=len(hosts) <= 3)
    )


def states_filter(document: Document) -> Html:
    """A button for each state that there is."""
    states = document["totals"]["states"]
    buttons = [
        tag("button", tag("span", class_=f"key {state}"), f"{state_label(state)} {count}", type="button",
            data_state=state, aria_pressed="false")
        for state, count in states.items()
    ]  # fmt: skip
    return joined(buttons)


def hosts_table(document: Document) -> Html:
    """One row for each host. The script opens the rest of it."""
    is_drift = document["kind"] == DRIFT
    is_asked = is_drift or "pending" in document["totals"]["states"]
    heads = [
        ("Host", "text", None), ("State", "number", None), ("Images there", "number", "wide"),
        ("To send" if is_asked else "Brought", "number", None), ("Whole archives", "number", "wide"),
        # Of drift no time is told, and nothing was sent.
        *([] if is_drift else [("In vain", "number", "wide time"), ("Time", "number", "wide time")]), ("Engine", "text", "wide"),
    ]  # fmt: skip
    head = tag("tr", *(tag("th", text, scope="col", data_sort=sort, class_=class_) for text, sort, class_ in heads))
    rows = [_host_row(number, host, is_drift) for number, host in enumerate(document["hosts"])]
    return tag("table", tag("caption", "Hosts"), tag("thead", head), tag("tbody", *rows), id="hosts")


def _host_row(number: int, host: Document, is_drift: bool) -> Html:
    counts, images = host["bytes"] or {}, host["images"]
    archives, cost = counts.get("archives"), _cost(host["bytes"])
    there = sum(image["state"] in _IN_PLACE for image in images)
    engine = " ".join(str((host["engine"] or {}).get(key) or "") for key in ("product", "version", "driver")).strip()
    cells = [
        tag("td", tag("span", class_=f"key {host['state']}"), state_label(host["state"]), data_value=HOST_STATES.index(host["state"])),
        _number_cell(f"{there} of {len(images)}" if images else "not known", there - len(images) if images else None, "number wide"),
        _number_cell(bytes_text(cost), cost, "number", *([share_bar(cost, archives)] if cost is not None and archives else [])),
        _number_cell(bytes_text(archives), archives, "number wide"),
        *([] if is_drift else _cells_of_a_run(counts.get("wasted"), host["seconds"])),
        tag("td", engine or "not known", class_="wide" if engine else "wide none"),
    ]  # fmt: skip
    name = tag("th", name_of(host["host"]), scope="row")
    return tag("tr", name, *cells, data_host=number, data_state=host["state"])


def _cells_of_a_run(wasted: int | None, seconds: float | None) -> list[Html]:
    """What only a preload has, and no report on drift."""
    return [
        _number_cell(bytes_text(wasted), wasted, "number wide"),
        _number_cell(seconds_text(seconds), seconds, "number wide"),
    ]


def _cost(counts: Document | None) -> int | None:
    """What was brought to a host, or would be; None when that is not known."""
    if counts is None or counts["saved"] is None:
        return came(counts) if counts else None
    return t.cast(int, counts["archives"] - counts["saved"])


def _number_cell(text: str, value: float | None, class_: str, *more: Html) -> Html:
    """A cell that is sorted by its value; what is not known comes first, and is quiet."""
    if value is None:
        return tag("td", text, data_value="-Infinity", class_=f"{class_} none")
    return tag("td", text, *more, data_value=value, class_=class_)


def images_table(document: Document) -> Html:
    """One row for each image: on how many hosts it is in which state."""
    head = tag(
        "tr",
        *(
            tag("th", text, scope="col", class_=class_)
            for text, class_ in (("Image", None), ("Size", "number wide"), ("On the hosts", None))
        ),
    )
    rows = [
        tag(
            "tr",
            tag("th", name_of(image["name"]), scope="row"),
            tag("td", bytes_text(image["size"]), class_="number wide"),
            tag(
                "td",
                stacked_bar(image["states"]),
                tag("span", ", ".join(f"{count} {state}" for state, count in image["states"].items())),
            ),
        )
        for image in document["images"]
    ]
    if not rows:
        return tag("p", "No host told of any image.", class_="calm")
    return tag("table", tag("caption", "Images"), tag("thead", head), tag("tbody", *rows), id="images")
