# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that Ansible and ssh read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lab.inventory import Host, Lab, inventory, known_hosts, ssh_config
from lab.topology import HostSpec


@pytest.fixture
def lab() -> Lab:
    return Lab(
        "demo",
        Path("/state/demo"),
        "10.213.0.250",
        (
            Host(HostSpec("registry1", ("registry", "site")), "10.213.0.11", "ssh-ed25519 AAAA root@registry1\n"),
            Host(HostSpec("fleet1", ("fleet",)), "10.213.0.12", "ssh-ed25519 BBBB root@fleet1\n"),
            Host(HostSpec("bare"), "10.213.0.13", "ssh-ed25519 CCCC root@bare\n"),
        ),
    )


def test_inventory_groups_and_variables(lab: Lab) -> None:
    everything = yaml.safe_load(inventory(lab))["all"]
    assert everything["vars"] == {"lab_name": "demo", "lab_virtual_ip": "10.213.0.250", "lab_interface": "eth0"}
    assert set(everything["hosts"]) == {"registry1", "fleet1", "bare"}
    assert {group: set(content["hosts"]) for group, content in everything["children"].items()} == {
        "registry": {"registry1"},
        "site": {"registry1"},
        "fleet": {"fleet1"},
    }


def test_inventory_hosts_are_reached_by_address_and_key(lab: Lab) -> None:
    host = yaml.safe_load(inventory(lab))["all"]["hosts"]["fleet1"]
    assert host["ansible_host"] == "10.213.0.12"
    assert host["ansible_user"] == "ops"
    assert host["ansible_ssh_private_key_file"] == "/state/demo/id_ed25519"
    assert host["ansible_python_interpreter"] == "/usr/bin/python3"
    assert (
        "-o UserKnownHostsFile=/state/demo/known_hosts -o StrictHostKeyChecking=yes" in host["ansible_ssh_common_args"]
    )


def test_inventory_does_not_compress(lab: Lab) -> None:
    for host in yaml.safe_load(inventory(lab))["all"]["hosts"].values():
        assert "-C" not in host["ansible_ssh_args"].split()
        assert "Compression=no" in host["ansible_ssh_args"]


def test_inventory_without_groups_is_valid(lab: Lab) -> None:
    alone = Lab("demo", lab.state, lab.virtual_ip, lab.hosts[2:])
    assert yaml.safe_load(inventory(alone))["all"]["children"] == {}


def test_known_hosts_has_address_and_name_and_no_comment(lab: Lab) -> None:
    assert known_hosts(lab.hosts).splitlines()[0] == "10.213.0.11,registry1 ssh-ed25519 AAAA"
    assert len(known_hosts(lab.hosts).splitlines()) == 3


def test_ssh_config_is_strict(lab: Lab) -> None:
    text = ssh_config(lab)
    assert "Host fleet1\n  HostName 10.213.0.12\n  User ops\n" in text
    assert text.count("StrictHostKeyChecking yes") == 3
