# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: swarm_choice
short_description: Which hosts of a fleet feed each other with which layers, and why.
version_added: 1.0.0
author: The airlift.registry authors (@airlift)
description:
  - The rule by which the role P(airlift.registry.preload#role) chooses the transport C(swarm). The guide on large fleets has it in words.
positional: _input, hosts, size
options:
  _input:
    description:
      - By host, what it wishes. Its C(transport) (the option O(airlift.registry.preload#role:main:preload_transport) of the role), its C(site), the C(address)
        by which other hosts reach it, and the C(layers) that it lacks, bytes by digest.
    type: dict
    required: true
  hosts:
    description: How many hosts of a site must lack the same layers, where the transport is V(auto).
    type: int
    required: true
  size:
    description: How many bytes these layers must have together, where the transport is V(auto).
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Choose
  ansible.builtin.set_fact:
    choice: "{{ wishes | airlift.registry.swarm_choice(4, 33554432) }}"
  vars:
    wishes:
      ship1: {transport: auto, site: harbour, address: 192.0.2.1, layers: {"sha256:0c5b1a3d": 48211002}}
"""

RETURN = r"""
_value:
  description: By host the C(blobs), digests, that it is to get by the swarm, and the C(reason) for that or for none.
  type: dict
"""

import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils import _transport_swarm


class FilterModule:
    """The filter under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"swarm_choice": _transport_swarm.choose}
