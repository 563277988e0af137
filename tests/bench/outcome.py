# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What contenders took in the cells of a run: lines, figures, a table and a drawing."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.tests.bench.chart import Bar, Panel, draw
from ansible_collections.airlift.registry.tests.bench.contenders import CONTENDERS, OURS
from ansible_collections.airlift.registry.tests.bench.meters import Spent
from ansible_collections.airlift.registry.tests.bench.support import ROOT

MB = 1_000_000
RESULTS = ROOT / ".cache/bench"
FREE, FAST, THIN = 0, 100, 10  # Mbit/s, of the link to each host; the first is as it is


@dataclass(frozen=True)
class Cell:
    """So many hosts, each with such a link."""

    hosts: int
    megabits: int

    def __str__(self) -> str:
        return (
            f"{self.hosts} host{'s' * (self.hosts > 1)}, {f'{self.megabits} Mbit/s' if self.megabits else 'free link'}"
        )

    @property
    def size(self) -> str:
        """Which images: small ones where links or processors would need minutes."""
        return "small" if self.hosts > 4 or self.megabits == THIN else "large"

    @property
    def contenders(self) -> list[str]:
        """A swarm is for many."""
        return [name for name in CONTENDERS if self.hosts > 4 or "swarm" not in name]

    @property
    def steps(self) -> list[str]:
        """What hosts lack: all images, then one with a layer that was built again; in one cell also a new name."""
        return ["cold", "v2", *["renamed"] * (self == Cell(1, FAST))]


# By contender and step.
Of = t.Mapping[tuple[str, str], Spent]


def line(name: str, step: str, spent: Spent) -> str:
    """A row of the table."""
    return (
        f"  {name:30} {step:8} {spent.seconds:6.1f} s, wire {spent.wire / MB:7.1f} MB, CPU hosts {spent.hosts_cpu:6.1f} s, controller {spent.controller_cpu:6.1f} s,"
        f" memory +{spent.memory / MB:5.0f} MB, disk at most +{spent.disk / MB:6.0f} MB, kept {spent.kept / MB:6.0f} MB"
    )


def table(found: t.Mapping[Cell, Of]) -> str:
    """Each contender of each cell, all images and the update, as Markdown."""
    head = (
        "cell",
        "contender",
        "s",
        "MB on the wire",
        "CPU s, hosts",
        "CPU s, controller",
        "memory, MB",
        "disk at most, MB",
        "disk kept, MB",
    )
    rows = [head, ["---"] * len(head)]
    for cell, of_cell in found.items():
        rows += [
            (str(cell), name.replace("|", "\\|"), *_pairs(of_cell[name, "cold"], of_cell[name, "v2"]))
            for name in cell.contenders
        ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _pairs(cold: Spent, update: Spent) -> t.Iterator[str]:
    for before, after, scale, digits in zip(
        cold, update, (1, MB, 1, 1, MB, MB, MB), (1, 1, 1, 1, 0, 0, 0), strict=True
    ):
        yield f"{before / scale:.{digits}f}; {after / scale:.{digits}f}"


def keep(found: t.Mapping[Cell, Of]) -> None:
    """Write what was measured so far, and draw it."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "hosts": cell.hosts,
            "megabits": cell.megabits,
            "images": cell.size,
            "contender": name,
            "step": step,
            **spent._asdict(),
        }
        for cell, of_cell in found.items()
        for (name, step), spent in of_cell.items()
    ]
    (RESULTS / "peers.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    (RESULTS / "peers.md").write_text(table(found))
    links = dict.fromkeys(cell.megabits for cell in found)
    panels = [[panel(cell, found[cell]) for cell in found if cell.megabits == megabits] for megabits in links]
    (RESULTS / "peers.svg").write_text(
        draw("From the controller's engine to the last host that has the images, packing included", panels)
    )


def panel(cell: Cell, found: Of) -> Panel:
    """The cell, with the bytes that each host got."""
    bars = []
    for name in cell.contenders:
        cold, update = found[name, "cold"], found[name, "v2"]
        wire = " and ".join(f"{spent.wire / MB / cell.hosts:.1f}" for spent in (cold, update))
        bars.append(Bar(name, name in OURS, cold.seconds, update.seconds, f"{wire} MB to each"))
    return Panel(f"{cell}, {cell.size} images", bars)
