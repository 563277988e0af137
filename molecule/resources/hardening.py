# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node of the stack lets nobody do: each container and each listener, against a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml
from testinfra.host import Host

ANY, LOOPBACK, NODE = "any", "loopback", "node"
# Ours. On the node's own address listen only those that prove who asks: the registry by certificates, Garage by its shared secret.
LISTENERS = {
    (ANY, 443): "haproxy",
    (LOOPBACK, 8404): "haproxy",
    (NODE, 5000): "registry",
    (LOOPBACK, 5001): "registry",
    (LOOPBACK, 3900): "garage",
    (LOOPBACK, 3901): "haproxy",
    (NODE, 3901): "garage",
    (LOOPBACK, 3903): "garage",
}
PORTS = {port for _kind, port in LISTENERS}
LIMITS = frozenset({"pids_limit", "mem_limit"})
PROGRAMS = {"haproxy", "registry", "garage", "keepalived", "valkey-server"}


@dataclass(frozen=True)
class Allowed:
    """What a service needs beyond nothing."""

    capabilities: frozenset[str] = frozenset()
    # Root in the container, without a capability but those above: what it reads and writes on the host belongs to root alone.
    user: str = ""
    writes: frozenset[str] = frozenset()


SERVICES = {
    # Its processes that speak to clients run as nobody.
    "airlift-load-balancer/haproxy": Allowed(
        frozenset({"NET_BIND_SERVICE", "SETUID", "SETGID", "KILL"}), "0:0", frozenset({"/run/airlift-load-balancer"})
    ),
    "airlift-registry/registry": Allowed(writes=frozenset({"/var/lib/registry"})),
    "airlift-object-store/garage": Allowed(writes=frozenset({"/var/lib/garage"})),
    "airlift-object-store/links": Allowed(user="65534:65534"),
}


def containers(host: Host) -> dict[str, dict[str, Any]]:
    """What the engine says of each running container, by project and service."""
    found = json.loads(host.check_output("docker ps --quiet | xargs docker inspect"))
    return {_name(entry): entry for entry in found}


def _name(container: dict[str, Any]) -> str:
    labels = container["Config"]["Labels"]
    return f"{labels['com.docker.compose.project']}/{labels['com.docker.compose.service']}"


def rights(container: dict[str, Any]) -> dict[str, Any]:
    """What a container may do, as C(expected_rights) has it."""
    host = container["HostConfig"]
    return {
        "user": container["Config"]["User"],
        "capabilities": {name.removeprefix("CAP_") for name in host["CapAdd"] or []},
        "dropped": host["CapDrop"],
        "options": host["SecurityOpt"],
        "read only": host["ReadonlyRootfs"],
        "privileged": host["Privileged"],
        "devices": host["Devices"] or [],
        "writes": {mount["Destination"] for mount in container["Mounts"] if mount["RW"]},
    }


def expected_rights(allowed: Allowed, with_storage: bool = True) -> dict[str, Any]:
    """The same for what is allowed; a registry on a bucket has no directory of its own to write to."""
    return {
        "user": allowed.user,
        "capabilities": set(allowed.capabilities),
        "dropped": ["ALL"],
        "options": ["no-new-privileges:true"],
        "read only": True,
        "privileged": False,
        "devices": [],
        "writes": set(allowed.writes) if with_storage else set(),
    }


def limits(host: Host, project: str) -> dict[str, set[str]]:
    """The limits that each service of a project is written with; an engine without control groups for them leaves them away."""
    written = yaml.safe_load(host.file(f"/etc/airlift/{project}/compose.yml").content_string)
    return {name: {key for key in service if key.endswith("_limit")} for name, service in written["services"].items()}


def listeners(host: Host, address: str) -> set[tuple[str, int, str]]:
    """Where programs of the stack listen for TCP: on which kind of address, port, and who."""
    lines = host.check_output("ss --no-header --listening --tcp --numeric --processes").splitlines()
    found = {_listener(line, address) for line in lines if '(("' in line}
    return {entry for entry in found if entry[2] in PROGRAMS}


def _listener(line: str, address: str) -> tuple[str, int, str]:
    place, port = line.split()[3].rsplit(":", 1)
    kind = {"0.0.0.0": ANY, "[::]": ANY, "*": ANY, address: NODE}.get(place, place)
    return (LOOPBACK if place.startswith("127.") else kind, int(port), line.partition('(("')[2].partition('"')[0])


def expected_listeners(ports: set[int]) -> set[tuple[str, int, str]]:
    """The same of the table, for the ports that a topology has."""
    return {(kind, port, program) for (kind, port), program in LISTENERS.items() if port in ports}
