# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  identity:
    description:
      - The private key that opens an encrypted bundle, of C(age) or SSH (Ed25519 or RSA, without a passphrase). The path of the file, which is all
        that is ever on a command line.
      - The bundle is decrypted into a temporary file that nobody else can read, on the host that has the bundle, and never on the medium. It takes as much
        room as the bundle, in the directory of Ansible's C(remote_tmp) (of C(local_tmp) for M(airlift.registry.image_preload)).
        It is gone when the module ends, however it ends (for M(airlift.registry.image_preload), when C(ansible-playbook) ends).
    type: path
    default: ""
"""
