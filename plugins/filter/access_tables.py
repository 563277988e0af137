# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: access_tables
short_description: The tables in which HAProxy looks up who may do what.
version_added: 1.0.0
author: The airlift.registry authors (@airlift)
description:
  - Makes of the users and rules of a registry the tables that the role P(airlift.registry.load_balancer#role) gives to HAProxy.
positional: _input, rules
options:
  _input:
    description: Users, as the option O(airlift.registry.load_balancer#role:main:load_balancer_users) of the role describes them.
    type: list
    elements: dict
    required: true
  rules:
    description: Rules, as the option O(airlift.registry.load_balancer#role:main:load_balancer_rules) of the role describes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what HAProxy is told
  ansible.builtin.debug:
    msg: "{{ registry_users | airlift.registry.access_tables(registry_rules) }}"
"""

RETURN = r"""
_value:
  description: The tables C(classes), C(expiry), C(exact) and C(beginnings), each a text with one entry a line.
  type: dict
"""

import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils import _access


class FilterModule:
    """The filter under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"access_tables": _access.tables}
