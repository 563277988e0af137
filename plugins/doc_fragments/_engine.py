# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - The address of the engine's API.
    type: str
    default: unix:///var/run/docker.sock
  docker_timeout:
    description:
      - How long to wait for an answer of the engine, in seconds.
    type: int
    default: 60
requirements:
  - The Docker SDK for Python (C(docker), Debian's C(python3-docker)), or its wheels, brought by the playbook C(airlift.registry.prepare).
"""
