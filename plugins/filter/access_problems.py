# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: access_problems
short_description: What is wrong with the users and rules of a registry.
version_added: 1.0.0
author: The airlift.registry authors (@airlift)
description:
  - Names each user, group, pattern and right that cannot be meant.
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
- name: Refuse what cannot be meant
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join('; ') }}"
  vars:
    problems: "{{ registry_users | airlift.registry.access_problems(registry_rules) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each problem; none when all is well.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils import _access_check


class FilterModule:
    """The filter under its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"access_problems": _access_check.problems}
