# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers of a bundle to hosts behind equal links, by a swarm: from the first that joins to the last layer of the last, over what one link takes for them.

Machines are network namespaces of this one, so the links are shaped, and the processors are shared by all of them.
`make bench ARGS="-k behind_equal_links"` runs it, in about five minutes. What modules and Ansible add to the transport is in it; test_swarm_alone.py has the transport alone.
"""

from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Task, task
from ansible_collections.airlift.registry.tests.integration.support.site import site
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images

MEGABITS = 10
LAYERS, SIZE = 3, 31_000_000
ON_SEED: Task = {"delegate_to": "machine0", "run_once": True}
NOW: Task = {"ansible.builtin.command": "date +%s.%N", **ON_SEED}


def tasks(offer: dict[str, t.Any]) -> list[Task]:
    member = {"staging_path": "{{ staging }}", "blobs": offer["blobs"]}
    of_seed = {"torrent": "{{ seed.torrents.fleet }}", "lives_with": "{{ seed.listeners.fleet }}"}
    return [
        {**task("swarm_seed", offer, **ON_SEED), "register": "seed"},
        NOW,
        task("swarm_member", {**member, **of_seed, "address": "{{ address }}"}),
        task("swarm_member", {**member, "state": "complete"}),
        NOW,
        task("swarm_member", {"staging_path": "{{ staging }}", "state": "absent"}),
        task("swarm_seed", {"directory": offer["directory"], "state": "absent"}, **ON_SEED),
    ]


@pytest.mark.parametrize("hosts", [4, 16])
def test_hosts_behind_equal_links(hosts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_FORKS", str(hosts))
    signer = bundles.make_signer(tmp_path, "bench")
    layers = [images.tar([images.Member("data", os.urandom(SIZE))]) for _number in range(LAYERS)]
    bundles.make_bundle(tmp_path / "app.tar", signer, {"docker.io/library/app:v1": layers})
    bundle = load_bundle(str(tmp_path / "app.tar"), str(signer.allowed_signers), run_program)
    sizes = {layer.blob.digest: layer.blob.size for layer in bundle.images[0].layers}
    for name in ("site", "plays"):
        (tmp_path / name).mkdir()
    with site(f"airlift-bench-{os.getpid()}", hosts + 1, tmp_path / "site") as made:
        made.shape(MEGABITS)
        offer = {
            "directory": str(tmp_path / "seed"),
            "path": [str(tmp_path / "app.tar")],
            "allowed_signers": str(signer.allowed_signers),
            "blobs": list(sizes),
            "address": made.address(0),
        }
        ansible = Ansible(made.inventory(sys.executable), tmp_path / "plays")
        _seed, begin, _join, complete, end, *_rest = ansible.play("all:!machine0", tasks(offer))
        assert not any(result["missing"] for result in complete.values()), complete
        took = float(end["machine1"]["stdout"]) - float(begin["machine1"]["stdout"])
        total = sum(sizes.values())
        print(
            f"\n  {hosts} hosts, {total / 1e6:.0f} MB over {MEGABITS} Mbit/s: {took:.0f} s, "
            f"{took * MEGABITS * 1e6 / 8 / total:.2f} times the link; the seed sent {made.sent(0) / total:.2f} copies"
        )
