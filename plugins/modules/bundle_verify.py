#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_verify
short_description: Verify a bundle, every byte of it
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Verifies the signature, the checksums, the index, the manifests, and the content of every blob. Fails when anything is wrong.
  - The content is streamed on all cores; nothing is unpacked and no space is needed.
  - Runs on the host that has the bundle. Usually that is the Ansible controller.
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._bundle
  - airlift.registry._trust
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: airlift.registry.bundle
"""

EXAMPLES = r"""
- name: Verify the bundle on the stick before anything is done with it
  airlift.registry.bundle_verify:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
"""

RETURN = r"""
signer:
  description: Who signed the bundle, as O(allowed_signers) names them.
  returned: success
  type: str
  sample: release@example.com
images:
  description: The images of the bundle.
  returned: success
  type: list
  elements: dict
  sample:
    - name: docker.io/library/app:1.4
      digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      platform: linux/amd64
      size: 48211002
problems:
  description: Everything that is wrong with the content, one sentence each. The message names the first.
  returned: failure
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle, verify_blobs
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    BUNDLE_ARGUMENTS,
    failure,
    program_runner,
    run_module,
)


def verify(module: AnsibleModule) -> dict[str, t.Any]:
    """Verify all of the bundle; the module's result."""
    bundle = load_bundle(module.params["path"], module.params["allowed_signers"], program_runner(module))
    problems = verify_blobs(bundle)
    if problems:
        module.fail_json(problems=[error.problem for error in problems], **failure(problems[0]))
    images = [
        {"name": image.name, "digest": image.manifest.digest, "platform": image.platform, "size": image.size}
        for image in bundle.images
    ]
    return {"changed": False, "signer": bundle.signer, "images": images}


def main() -> None:
    module = AnsibleModule(
        argument_spec=BUNDLE_ARGUMENTS,
        supports_check_mode=True,
    )
    run_module(module, lambda: verify(module))


if __name__ == "__main__":
    main()
