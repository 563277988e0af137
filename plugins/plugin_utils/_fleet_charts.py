# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The pictures of the fleet's report, as SVG with their numbers beside them. Colours and words are never the only ones to say a thing."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._fleet import DRIFT
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_words import (
    bytes_text,
    hosts_text,
    seconds_text,
    state_label,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._html import Html, joined, tag

Document = t.Mapping[str, t.Any]

_WIDTH = 1000
_GAP = 4
_BINS = 24


def states_chart(document: Document) -> Html:
    """How many hosts are in which state."""
    states = document["totals"]["states"]
    legend = [
        tag("li", tag("span", class_=f"key {state}"), f"{state_label(state)} ", tag("b", count))
        for state, count in states.items()
    ]
    return _figure("State of the hosts", stacked_bar(states), tag("ul", *legend, class_="legend"))


def stacked_bar(counts: t.Mapping[str, int]) -> Html:
    """A bar with a part for each state."""
    total = sum(counts.values()) or 1
    x, parts = 0.0, []
    for state, count in counts.items():
        width = count / total * _WIDTH
        parts.append(_rect(x, max(width - (_GAP if len(counts) > 1 else 0), 1), state))
        x += width
    label = ", ".join(f"{state_label(state)} {count}" for state, count in counts.items())
    return _picture(label or "no hosts", 24, parts)


def bytes_chart(document: Document) -> Html:
    """What went over the links, or would, against whole archives."""
    counts = document["totals"]["bytes"]
    if not counts:
        return Html()
    cost = counts["archives"] - counts["saved"]
    is_asked = document["kind"] == DRIFT or "pending" in document["totals"]["states"]
    rows = [
        ("Whole archives", counts["archives"], "whole"),
        ("To send" if is_asked else "Brought", cost, "cost"),
    ]
    most = max(*(size for _name, size, _class in rows), 1)
    bars = [
        tag(
            "div",
            tag("span", name),
            _picture(f"{name}: {bytes_text(size)}", 24, [_rect(0, max(size / most * _WIDTH, 1), class_)]),
            tag("b", bytes_text(size)),
            class_="bar",
        )
        for name, size, class_ in rows
    ]
    note = f"Compressed layers, {hosts_text(document['totals']['hosts_with_bytes'])}. The archives are those of the images that had to be loaded or renamed."
    return _figure("Bytes over the links", *bars, tag("p", note, class_="note"))


def time_chart(document: Document) -> Html:
    """How long the hosts took: a column for each span of time."""
    spread = document["totals"]["seconds"]
    seconds = [host["seconds"] for host in document["hosts"] if host["seconds"] is not None]
    if not spread or len(seconds) < 2:
        return Html()
    counts = _counts(seconds, spread["most"])
    width, most = _WIDTH / _BINS, max(counts)
    columns = [
        tag("rect", x=_number(number * width), y=_number(120 - count / most * 120), width=_number(width - _GAP),
            height=_number(count / most * 120), class_="cost")
        for number, count in enumerate(counts) if count
    ]  # fmt: skip
    least, middle, longest = (seconds_text(spread[key]) for key in ("least", "median", "most"))
    label = f"{len(seconds)} hosts took {least} to {longest}, half of them at most {middle}"
    axis = tag("div", tag("span", "0 s"), tag("span", longest), class_="axis")
    return _figure("Time of a host", _picture(label, 120, columns), axis, tag("p", f"{label}.", class_="note"))


def share_bar(cost: int, whole: int) -> Html:
    """For a row of a table, whose cells have the numbers."""
    width = min(cost / whole, 1) * 100 if whole else 0
    parts = [
        tag("rect", width=100, height=6, class_="whole"),
        tag("rect", width=_number(width), height=6, class_="cost"),
    ]
    return tag("svg", *parts, viewBox="0 0 100 6", preserveAspectRatio="none", class_="share", aria_hidden="true")


def _counts(seconds: t.Sequence[float], most: float) -> list[int]:
    counts = [0] * _BINS
    for value in seconds:
        counts[min(int(value / (most or 1) * _BINS), _BINS - 1)] += 1
    return counts


def _figure(title: str, *content: Html) -> Html:
    return tag("figure", tag("figcaption", title), *content)


def _picture(label: str, height: int, parts: t.Sequence[Html]) -> Html:
    return tag(
        "svg", tag("title", label), joined(parts), viewBox=f"0 0 {_WIDTH} {height}", height=height,
        preserveAspectRatio="none", role="img", aria_label=label,
    )  # fmt: skip


def _rect(x: float, width: float, class_: str) -> Html:
    return tag("rect", x=_number(x), width=_number(width), height=24, class_=class_)


def _number(value: float) -> str:
    return f"{value:.1f}"
