#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_check
short_description: Whether a host can become a node of a registry
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Asks the neighbours in the network whether somebody else has a virtual IP (by ARP probes, as RFC 5227 has them), and listens whether somebody
    else advertises the same virtual router.
  - Compares the clock with the controller's, and the size of file systems with what is meant to be kept there.
  - Fails with all that is wrong, and changes nothing.
extends_documentation_fragment:
  - airlift.registry._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  interface:
    description: The interface that carries the virtual IPs.
    type: str
    required: true
  addresses:
    description: The virtual IPs, IPv4, that nobody but a node may have.
    type: list
    elements: str
    default: []
  router_id:
    description: The number of the virtual router that nobody but a node may advertise.
    type: int
    default: 0
  nodes:
    description: The nodes, which may have the addresses and advertise the router.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: The address from which the node advertises.
        type: str
        required: true
      mac:
        description: The hardware address of its interface.
        type: str
        required: true
  seconds:
    description: How long to listen. Virtual routers advertise once in a second by default.
    type: float
    default: 1.3
  controller_time:
    description: The time of the controller in seconds since 1970. With V(0) clocks are not compared.
    type: float
    default: 0
  clock_tolerance:
    description: By how many seconds the clock may differ. How long the task took to begin counts too.
    type: float
    default: 30
  places:
    description: Directories that may not be there yet, and how much the file system must be able to hold in all.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: path
        required: true
      bytes:
        description: The size that the file system must have.
        type: int
        required: true
notes:
  - Needs root, for the raw sockets. Virtual routers that advertise to each other only, by unicast, are not heard; they don't collide either.
"""

EXAMPLES = r"""
- name: Refuse a virtual IP that somebody else has
  airlift.registry.node_check:
    interface: eth0
    addresses: [192.0.2.10]
    router_id: 51
    nodes:
      - {address: 192.0.2.11, mac: "52:54:00:12:34:56"}
    controller_time: "{{ now().timestamp() }}"
    places:
      - {path: /srv/object-store, bytes: 107374182400}
"""

RETURN = r"""
problems:
  description: All that is wrong.
  returned: always
  type: list
  elements: dict
  contains:
    problem:
      description: What is wrong.
      type: str
      sample: The virtual IP 192.0.2.10 belongs to 52:54:00:65:43:21 already
    next_step:
      description: What to do about it.
      type: str
      sample: Choose a free address as registry_virtual_ip, or take it from that machine.
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError
from ansible_collections.airlift.registry.plugins.module_utils._module import failure, run_module
from ansible_collections.airlift.registry.plugins.module_utils._neighbours import Advertisement, Answer, ask


def address_problems(answers: t.Iterable[Answer], macs: t.Collection[str]) -> list[HostError]:
    """Addresses for which somebody answers whose hardware address is none of I(macs)."""
    return [
        HostError(
            f"The virtual IP {found.address} belongs to {found.mac} already",
            "Choose a free address as registry_virtual_ip, or take it from that machine.",
        )
        for found in sorted(answers)
        if found.mac not in macs
    ]


def router_problems(heard: t.Iterable[Advertisement], router_id: int, own: t.Collection[str]) -> list[HostError]:
    """Whether somebody else than I(own) advertises the router."""
    return [
        HostError(
            f"The virtual router {router_id} is advertised by {found.source} already",
            "Set load_balancer_virtual_router_id to a number that nobody in this network uses.",
        )
        for found in sorted(heard)
        if found.router_id == router_id and found.source not in own
    ]


def clock_problems(here: float, controller: float, tolerance: float) -> list[HostError]:
    """Whether the clock differs too much; all in seconds."""
    difference = here - controller
    if not controller or abs(difference) <= tolerance:
        return []
    return [
        HostError(
            f"The clock is {abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'} the controller's",
            "Have both follow the same time server (chrony or systemd-timesyncd).",
        )
    ]


def place_problems(path: str, wanted: int) -> list[HostError]:
    """Whether the file system that will hold a directory is too small; sizes in bytes."""
    there = path
    while not os.path.isdir(there) and there != os.path.dirname(there):
        there = os.path.dirname(there)
    found = os.statvfs(there)
    size = found.f_blocks * found.f_frsize
    if size >= wanted:
        return []
    return [
        HostError(
            f"The file system of {path} (at {there}) has {size / 1e9:.1f} GB, and {wanted / 1e9:.1f} GB are to be kept there",
            "Mount a larger one there, or set a smaller object_store_capacity.",
        )
    ]


class Checker:
    """Checks one host."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

    def check(self) -> dict[str, t.Any]:
        """The result of the task; ends it as failed when there is a problem."""
        found = [*self._clock(), *self._places(), *self._network()]
        result = {
            "changed": False,
            "problems": [{"problem": error.problem, "next_step": error.next_step} for error in found],
        }
        if found:
            error = HostError(
                ". ".join(error.problem for error in found), " ".join(dict.fromkeys(error.next_step for error in found))
            )
            self._module.fail_json(**{**result, **failure(error)})
        return result

    def _clock(self) -> list[HostError]:
        params = self._module.params
        return clock_problems(time.time(), params["controller_time"], params["clock_tolerance"])

    def _places(self) -> list[HostError]:
        return [
            error for place in self._module.params["places"] for error in place_problems(place["path"], place["bytes"])
        ]

    def _network(self) -> list[HostError]:
        params = self._module.params
        if not os.path.isdir(f"/sys/class/net/{params['interface']}"):
            return [HostError(f"There is no interface {params['interface']}", "Set registry_interface for this host.")]
        answers, heard = ask(params["interface"], params["addresses"], params["seconds"])
        macs = [node["mac"].lower() for node in params["nodes"]]
        own = [node["address"] for node in params["nodes"]]
        return [*address_problems(answers, macs), *router_problems(heard, params["router_id"], own)]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "router_id": {"type": "int", "default": 0},
            "nodes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "address": {"type": "str", "required": True},
                    "mac": {"type": "str", "required": True},
                },
            },
            "seconds": {"type": "float", "default": 1.3},
            "controller_time": {"type": "float", "default": 0},
            "clock_tolerance": {"type": "float", "default": 30},
            "places": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "bytes": {"type": "int", "required": True}},
            },
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: Checker(module).check())


if __name__ == "__main__":
    main()
