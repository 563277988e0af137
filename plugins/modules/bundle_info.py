#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_info
short_description: Tell what is in a bundle
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Tells which images a bundle has, with their layers, sizes and platforms, what they share, and who signed it.
  - Verifies the signature, the index, the manifests and the configs. For the content of the layers use M(airlift.registry.bundle_verify).
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
  - module: airlift.registry.bundle_verify
"""

EXAMPLES = r"""
- name: Look into the bundle
  airlift.registry.bundle_info:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
  register: bundle
"""

RETURN = r"""
signer:
  description: Who signed the bundle, as O(allowed_signers) names them.
  returned: success
  type: str
  sample: release@example.com
images:
  description: The images, each with its layers from the base up. Sizes are in bytes.
  returned: success
  type: list
  elements: dict
  sample:
    - name: docker.io/library/app:1.4
      digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      config: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      platform: linux/amd64
      created: "2026-11-20T08:00:00Z"
      size: 48211002
      layers:
        - digest: sha256:2d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          diff_id: sha256:3d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          size: 48200000
          images: 1
size:
  description: Bytes of all blobs, each counted once.
  returned: success
  type: int
  sample: 48211002
shared:
  description: Bytes that are saved because images share blobs.
  returned: success
  type: int
  sample: 0
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, blob_users, load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    BUNDLE_ARGUMENTS,
    program_runner,
    run_module,
)


def describe(bundle: Bundle) -> dict[str, t.Any]:
    """What is in a bundle, as plain data."""
    users = blob_users(bundle)
    size = sum(bundle.files.sizes()[name] for name in users)
    return {
        "changed": False,
        "signer": bundle.signer,
        "images": [_describe_image(image, users) for image in bundle.images],
        "size": size,
        "shared": sum(image.size for image in bundle.images) - size,
    }


def _describe_image(image: Image, users: t.Mapping[str, t.Sequence[str]]) -> dict[str, t.Any]:
    return {
        "name": image.name,
        "digest": image.manifest.digest,
        "config": image.config.digest,
        "platform": image.platform,
        "created": image.created,
        "size": image.size,
        "layers": [
            {
                "digest": layer.blob.digest,
                "diff_id": layer.diff_id,
                "size": layer.blob.size,
                "images": len(users[blob_name(layer.blob.digest)]),
            }
            for layer in image.layers
        ],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=BUNDLE_ARGUMENTS,
        supports_check_mode=True,
    )
    params = module.params
    run_module(module, lambda: describe(load_bundle(params["path"], params["allowed_signers"], program_runner(module))))


if __name__ == "__main__":
    main()
