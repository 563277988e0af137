# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How the page of the fleet's report says numbers and states."""

from __future__ import annotations

_LABELS = {
    "unknown": "Nothing known",
    "unreachable": "Not reached",
    "failed": "Failed",
    "refused": "Cannot take it",
    "drifted": "Drifted",
    "pending": "To be changed",
    "changed": "Changed",
    "unchanged": "Had everything",
    "matches": "As it should be",
}


def state_label(state: str) -> str:
    """A state of a host or an image for people; those of images are words already."""
    return _LABELS.get(state, state)


def bytes_text(count: int | None) -> str:
    """Bytes in decimal units, as links are measured in."""
    if count is None:
        return "not known"
    value, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    while abs(value) >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.3g} {units[0]}"


def seconds_text(seconds: float | None) -> str:
    """A time as one says it."""
    if seconds is None:
        return "not known"
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def share_text(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{part / whole * 100:.0f} %" if whole else "0 %"


def hosts_text(count: int) -> str:
    """A number of hosts."""
    return "1 host" if count == 1 else f"{count} hosts"
