# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A drawing of what contenders took: a panel for each cell, in it a pair of bars for each contender. One SVG that needs nothing else, light and dark."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _NAMES, _ROW, _HEAD, _GAP = 430, 190, 30, 46, 18
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1c2733 }
.title { font-weight: 600; font-size: 13px } .small { font-size: 11px; fill: #5b6875 }
.page { fill: #ffffff } .cold { fill: #9fb0c0 } .update { fill: #cfd8e0 } .our.cold { fill: #1769aa } .our.update { fill: #7db8e8 }
@media (prefers-color-scheme: dark) {
  text { fill: #e3e9ef } .small { fill: #9aa8b5 } .page { fill: #14191f }
  .cold { fill: #66788a } .update { fill: #3f4c59 } .our.cold { fill: #4aa3e8 } .our.update { fill: #245f8f }
}
"""


@dataclass(frozen=True)
class Bar:
    """A contender's seconds, and what its labels say."""

    name: str
    is_ours: bool
    cold: float
    update: float
    label: str


@dataclass(frozen=True)
class Panel:
    """One cell."""

    title: str
    bars: t.Sequence[Bar]

    @property
    def height(self) -> int:
        """In pixels."""
        return _HEAD + _ROW * len(self.bars) + _GAP


def draw(title: str, rows: t.Sequence[t.Sequence[Panel]]) -> str:
    """The SVG of panels in rows."""
    width = _GAP + max(len(row) for row in rows) * (_WIDTH + _GAP)
    parts, top = [f'<text class="title" x="{_GAP}" y="26">{escape(title)}</text>', _legend(_GAP, 46)], 60
    for row in rows:
        parts += [_panel(panel, _GAP + number * (_WIDTH + _GAP), top) for number, panel in enumerate(row)]
        top += max(panel.height for panel in row)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<rect class="page" width="{width}" height="{top}"/>{"".join(parts)}</svg>\n'
    )


def _legend(x: int, y: int) -> str:
    entries = (("cold", "all images", 0), ("update", "one of them built again", 110))
    return "".join(
        f'<rect class="{kind}" x="{x + at}" y="{y - 9}" width="12" height="10"/>'
        f'<text class="small" x="{x + at + 18}" y="{y}">{text}</text>'
        for kind, text, at in entries
    )


def _panel(panel: Panel, x: int, y: int) -> str:
    longest = max((bar.cold for bar in panel.bars), default=1.0)
    scale = (_WIDTH - _NAMES - 50) / max(longest, *(bar.update for bar in panel.bars))
    rows = (_bar(bar, x, y + _HEAD + number * _ROW, scale) for number, bar in enumerate(panel.bars))
    return f'<text class="title" x="{x}" y="{y + 30}">{escape(panel.title)}</text>{"".join(rows)}'


def _bar(bar: Bar, x: int, y: int, scale: float) -> str:
    kind = " our" if bar.is_ours else ""
    name = f'<text x="{x}" y="{y + 11}">{escape(bar.name)}</text><text class="small" x="{x}" y="{y + 23}">{bar.label}</text>'
    return name + "".join(
        f'<rect class="{step}{kind}" x="{x + _NAMES}" y="{y + at}" width="{seconds * scale:.1f}" height="11"/>'
        f'<text class="small" x="{x + _NAMES + seconds * scale + 5:.1f}" y="{y + at + 9}">{seconds:.1f} s</text>'
        for step, seconds, at in (("cold", bar.cold, 0), ("update", bar.update, 12))
    )
