# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab consists of: the spec file, checked, and the addresses of its hosts."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import LabError
from .recipes import ENGINES

NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
GROUP = re.compile(r"[a-z_][a-z0-9_]*")
SUBNETS = tuple(f"10.213.{third}.0/24" for third in range(256))
FIRST_HOST = 11
LAST_HOST = 199
VIRTUAL_IP = 250


@dataclass(frozen=True)
class HostSpec:
    """One host as the spec file wants it."""

    name: str
    groups: tuple[str, ...] = ()
    shared: bool = False
    engine: str | None = None


def check_lab_name(name: str) -> str:
    """Refuse names that could not be a container's, a network's and a directory's."""
    if not NAME.fullmatch(name):
        raise LabError(
            f"{name!r} is not a lab name. Use a letter, then up to 29 letters, digits and hyphens, all lower case."
        )
    return name


def read_spec(path: Path) -> tuple[HostSpec, ...]:
    """Read and check a spec file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LabError(f"the spec {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise LabError(f"the spec {path} is not JSON: {error}.") from error
    try:
        return parse_spec(content)
    except LabError as error:
        raise LabError(f"the spec {path} is wrong: {error}") from error


def parse_spec(content: Any) -> tuple[HostSpec, ...]:
    """Check a spec and give its hosts in the order of the file."""
    hosts = content.get("hosts") if isinstance(content, dict) else None
    if not isinstance(hosts, dict) or not hosts:
        raise LabError('it needs {"hosts": {NAME: {"groups": [...]}, ...}} with at least one host.')
    _refuse_unknown("the spec", content, ("hosts",))
    if len(hosts) > LAST_HOST - FIRST_HOST + 1:
        raise LabError(f"{len(hosts)} hosts are too many, a lab has room for {LAST_HOST - FIRST_HOST + 1}.")
    return tuple(_parse_host(name, host) for name, host in hosts.items())


def _parse_host(name: str, host: Any) -> HostSpec:
    if not NAME.fullmatch(name):
        raise LabError(
            f"{name!r} is not a host name. Use a letter, then up to 29 letters, digits and hyphens, all lower case."
        )
    if not isinstance(host, dict):
        raise LabError(f'host {name} must be an object such as {{"groups": ["fleet"]}}.')
    _refuse_unknown(f"host {name}", host, ("groups", "shared", "engine"))
    groups = host.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) and GROUP.fullmatch(group) for group in groups):
        raise LabError(f"host {name}: groups must be a list of group names (lower case letters, digits, underscores).")
    reserved = {"all", "ungrouped", name} & set(groups)
    if reserved:
        raise LabError(
            f"host {name}: a group cannot be called {', '.join(sorted(reserved))} here, Ansible needs that name."
        )
    shared = host.get("shared", False)
    if not isinstance(shared, bool):
        raise LabError(f"host {name}: shared must be true or false.")
    engine = host.get("engine")
    if engine is not None and engine not in ENGINES:
        raise LabError(f"host {name}: no engine is called {engine!r}. There are: {', '.join(ENGINES)}.")
    return HostSpec(name, tuple(groups), shared, engine)


def _refuse_unknown(where: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise LabError(f"{where} has the unknown key {', '.join(unknown)}. Known: {', '.join(known)}.")


def free_subnets(used: Iterable[str]) -> Iterator[str]:
    """The lab's subnets that overlap with none of the networks in use."""
    taken = [ipaddress.ip_network(network) for network in used]
    for subnet in SUBNETS:
        if not any(ipaddress.ip_network(subnet).overlaps(network) for network in taken):
            yield subnet


def address(subnet: str, number: int) -> str:
    """The subnet's address of that number."""
    return str(ipaddress.ip_network(subnet)[number])


def virtual_ip(subnet: str) -> str:
    """The address that no host gets, for the services to move about."""
    return address(subnet, VIRTUAL_IP)


def assign_addresses(names: Iterable[str], subnet: str, existing: Mapping[str, str]) -> dict[str, str]:
    """Hosts keep the address that they have; new ones get the lowest free."""
    taken = set(existing.values())
    free = (
        candidate for number in range(FIRST_HOST, LAST_HOST + 1) if (candidate := address(subnet, number)) not in taken
    )
    return {name: existing.get(name) or next(free) for name in names}
