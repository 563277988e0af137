# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  allowed_signers:
    description:
      - A file with the public keys that may sign bundles, in the format that ssh-keygen(1) describes under ALLOWED SIGNERS.
      - The namespace of the signatures is V(airlift-bundle).
    type: path
    required: true
requirements:
  - C(ssh-keygen) of OpenSSH 8.3 or later on the host that runs Ansible.
"""
