# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible, ssh and people need to reach the hosts, as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .topology import HostSpec

USER = "ops"
INTERFACE = "eth0"


@dataclass(frozen=True)
class Host:
    """A host that is up."""

    spec: HostSpec
    address: str
    host_key: str


@dataclass(frozen=True)
class Lab:
    """A lab that is up."""

    name: str
    state: Path
    virtual_ip: str
    hosts: tuple[Host, ...]

    @property
    def key(self) -> Path:
        return self.state / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"


def inventory(lab: Lab) -> str:
    """The Ansible inventory."""
    groups = sorted({group for host in lab.hosts for group in host.spec.groups})
    content: dict[str, Any] = {
        "vars": {"lab_name": lab.name, "lab_virtual_ip": lab.virtual_ip, "lab_interface": INTERFACE},
        "hosts": {host.spec.name: _host_variables(lab, host) for host in lab.hosts},
        "children": {group: {"hosts": _members(lab.hosts, group)} for group in groups},
    }
    return f"# Written by the lab; overwritten by the next `lab up {lab.name}`.\n---\n" + _yaml({"all": content})


def _host_variables(lab: Lab, host: Host) -> dict[str, str]:
    return {
        "ansible_host": host.address,
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(lab.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
        # Ansible's own default compresses: layers are compressed already, and bytes sent could not be measured.
        "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s -o Compression=no",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def _members(hosts: Iterable[Host], group: str) -> dict[str, dict[str, str]]:
    return {host.spec.name: {} for host in hosts if group in host.spec.groups}


def _yaml(content: Mapping[str, Any], indent: int = 0) -> str:
    lines = []
    for key, value in content.items():
        head = f"{' ' * indent}{key}:"
        if isinstance(value, dict) and value:
            lines.append(f"{head}\n{_yaml(value, indent + 2)}")
        else:
            # A JSON scalar is a YAML scalar.
            lines.append(f"{head} {json.dumps(value)}\n")
    return "".join(lines)


def known_hosts(hosts: Iterable[Host]) -> str:
    """ssh's known_hosts: keys that came through the engine, and not over the network that they protect."""
    return "".join(f"{host.address},{host.spec.name} {_without_comment(host.host_key)}\n" for host in hosts)


def _without_comment(public_key: str) -> str:
    return " ".join(public_key.split()[:2])


def ssh_config(lab: Lab) -> str:
    """For `ssh -F` and for testinfra."""
    blocks = [_ssh_block(host, lab) for host in lab.hosts]
    return f"# ssh -F {lab.state / 'ssh_config'} HOST\n" + "\n".join(blocks)


def _ssh_block(host: Host, lab: Lab) -> str:
    return (
        f"Host {host.spec.name}\n"
        f"  HostName {host.address}\n"
        f"  User {USER}\n"
        f"  IdentityFile {lab.key}\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {lab.known_hosts}\n"
        "  StrictHostKeyChecking yes\n"
        "  Compression no\n"
    )
