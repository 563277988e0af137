# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A swarm of 4 to 64 hosts behind equal links, without modules and engines; and a model of larger fleets, fitted to that.

`make bench ARGS="-k alone"` prints the tables, in about five minutes, and leaves the figures in `.cache/swarm-figures.json`. The links are so slow that two
processors serve 64 members: the column *processors* says what part of their time was used, by everything on the machine.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ansible_collections.airlift.registry.tests.bench import swarm_model
from ansible_collections.airlift.registry.tests.bench.support import ROOT
from ansible_collections.airlift.registry.tests.bench.swarm_alone import measure

MEGABITS, SIZE = 4, 20_000_000
HOSTS = (4, 16, 32, 64)


def test_alone(tmp_path: Path) -> None:
    print(
        f"\n  {SIZE / 1e6:.0f} MB over {MEGABITS} Mbit/s\n  hosts  first piece  last host  over the link  seed's copies  processors"
    )
    figures = []
    for hosts in HOSTS:
        place = tmp_path / str(hosts)
        place.mkdir()
        found = measure(hosts, SIZE, MEGABITS, place)
        figures.append(found)
        print(
            f"  {hosts:5} {found.first:10.1f} s {found.last:8.1f} s {found.ratio:14.2f} {found.copies:14.2f} {found.busy:11.2f}",
            flush=True,
        )
    known = {"link": figures[0].link, "hosts": [dataclasses.asdict(found) for found in figures]}
    (ROOT / ".cache").mkdir(exist_ok=True)
    (ROOT / ".cache" / "swarm-figures.json").write_text(json.dumps(known, indent=1) + "\n")
    print(swarm_model.table(known, swarm_model.SIZES))
