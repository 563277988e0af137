# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One registry host with a directory of its own: what it was given it has, also after a loss of power."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

FILES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache" / "molecule" / "single"
FQDN = "registry.example.com"
APP = "airlift-lab/app:v1"
REFERENCE = f"{FQDN}/{APP}"
LAB_HOST = "airlift-molecule-single-registry1"
RETURN_SECONDS = 120


def host(name: str) -> Host:
    """A host of the scenario, as root."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={FILES / 'inventory.yml'}", sudo=True)


@pytest.fixture(scope="module")
def fleet() -> Host:
    """The host that pulls, and has pushed the app."""
    fleet, password = host("fleet1"), (FILES / "passwords/publisher").read_text().strip()
    login = "docker --config /root/publisher login --username publisher --password-stdin"
    fleet.check_output(f"printf %s {password} | {login} {FQDN}")
    fleet.check_output(f"docker tag {APP} {REFERENCE}")
    fleet.check_output(f"docker --config /root/publisher push --quiet {REFERENCE}")
    return fleet


def pull(fleet: Host) -> None:
    """Pull the app with all its layers, and put it back under its own name."""
    fleet.check_output(f"docker images --quiet {APP} | xargs docker image rm --force")
    fleet.check_output(f"docker pull --quiet {REFERENCE}")
    assert fleet.check_output(f"docker run --rm {REFERENCE}") == "app v1"
    fleet.check_output(f"docker tag {REFERENCE} {APP}")


def test_what_was_pushed_can_be_pulled(fleet: Host) -> None:
    pull(fleet)


def test_the_data_is_where_it_was_wanted(fleet: Host) -> None:
    assert host("registry1").file("/srv/images/docker/registry/v2/repositories/airlift-lab/app").is_directory


def test_a_host_that_is_alone_speaks_vrrp_to_nobody() -> None:
    """VRRP is IP's protocol 112 (hexadecimal 70); to speak it takes a raw socket of that number."""
    assert ":0070 " not in host("registry1").check_output("cat /proc/net/raw /proc/net/raw6")


def serves(fleet: Host) -> bool:
    # So testinfra says that a host which is starting does not answer yet.
    with contextlib.suppress(RuntimeError):
        return fleet.run(f"curl --silent --max-time 5 https://{FQDN}/v2/ --output /dev/null --insecure").rc == 0
    return False


def test_it_serves_again_after_a_loss_of_power(fleet: Host) -> None:
    subprocess.run(["docker", "kill", LAB_HOST], check=True, capture_output=True)
    subprocess.run(["docker", "start", LAB_HOST], check=True, capture_output=True)
    end = time.monotonic() + RETURN_SECONDS
    while not serves(fleet) and time.monotonic() < end:
        time.sleep(0.5)
    pull(fleet)
