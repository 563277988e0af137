# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: swarm_told
short_description: A plan of image_preload that also tells of the swarm.
version_added: 1.0.0
author: The airlift.registry authors (@airlift)
description:
  - M(airlift.registry.image_preload) knows of one host alone when it is asked in check mode. This adds what was chosen for it among others, to
    C(transport) of the images and to C(transport_reason).
positional: _input, choice
options:
  _input:
    description: What M(airlift.registry.image_preload) said in check mode.
    type: dict
    required: true
  choice:
    description: What P(airlift.registry.swarm_choice#filter) says of the host.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell of the swarm
  ansible.builtin.set_fact:
    preload_result: "{{ preload_result | airlift.registry.swarm_told(choice[inventory_hostname]) }}"
"""

RETURN = r"""
_value:
  description: The same with what was chosen.
  type: dict
"""

import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils._transport_swarm import Brought


def _told(result: t.Mapping[str, t.Any], choice: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return Brought(choice["reason"], choice["blobs"]).told(result)


class FilterModule:
    """The filter under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"swarm_told": _told}
