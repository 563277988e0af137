# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long deploy takes for three nodes with Garage on their own disks, from a bundle on hosts that have nothing, and again when nothing is to be done.

Nobody else deploys such a stack, so there is no contender; of the second run is shown how often one could have asked the same hosts for a ping. Controller and
hosts share the processors of one machine here. `make bench` runs this.
"""

from __future__ import annotations

from ansible_collections.airlift.registry.tests.bench.support import ROOT, run, timed

SCENARIO = "garage"
FIRST, SECOND = 180, 40  # seconds
INVENTORY = f"-i {ROOT}/.cache/molecule/{SCENARIO}/inventory.yml -i {ROOT}/molecule/{SCENARIO}/variables.yml"


def molecule(*actions: str) -> None:
    for action in actions:
        run(f"cd {ROOT} && env --unset=ANSIBLE_CONFIG molecule {action} --scenario-name {SCENARIO}")


def deploy() -> str:
    return run(f"MOLECULE_PROJECT_DIRECTORY={ROOT} ansible-playbook {INVENTORY} airlift.registry.deploy")


def test_deploy_and_a_second_run() -> None:
    molecule("destroy", "create", "prepare")
    try:
        first, _ = timed(deploy)
        second, said = timed(deploy)
        ping, _ = timed(lambda: run(f"MOLECULE_PROJECT_DIRECTORY={ROOT} ansible registry {INVENTORY} -m ping"))
    finally:
        molecule("destroy")
    print(
        f"\n  deploy of three nodes: {first:.0f} s (goal {FIRST}); a second run: {second:.0f} s (goal {SECOND}), {second / ping:.0f} x a ping"
    )
    assert "changed=0" in said
    assert not any(f"changed={digit}" in said for digit in "123456789")
