# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  locks:
    description:
      - What should be on the host, as one or several C(bundle.lock.yml) files or bundles on the controller say. A relative path is meant from where
        C(ansible-playbook) was started.
      - A bundle is verified, which needs O(allowed_signers). A lock file alone is not signed; it is taken for what it says.
    type: list
    elements: path
    default: []
  allowed_signers:
    description:
      - A file on the controller with the public keys that may sign the bundles of O(locks), in the format that ssh-keygen(1) describes under
        ALLOWED SIGNERS.
    type: path
    default: ""
  identity:
    description:
      - A file on the controller with the private key, of C(age) or SSH, that opens encrypted bundles of O(locks). See M(airlift.registry.image_preload).
    type: path
    default: ""
  _locked:
    description:
      - What the action plugin found in O(locks). Playbooks leave it out.
    type: list
    elements: dict
    default: []
"""
