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
  - Tells which images a bundle has, with their platforms, layers, history and sizes, what they share, and who signed it.
  - Compares it with another bundle, or with the lock file of one.
  - Verifies the signature, the index, the manifests and the configs. For the content of the layers use M(airlift.registry.bundle_verify).
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._bundle
  - airlift.registry._identity
  - airlift.registry._trust
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    support: full
    details:
      - With O(compare_to), shows the digest of each name and platform in that bundle and in this one.
  idempotent:
    support: full
options:
  compare_to:
    description:
      - An earlier bundle, or its C(bundle.lock.yml) alone. What this bundle has that the earlier one has not, and the other way round, is in
        RV(comparison).
      - A bundle is verified like the one at O(path). A lock file alone is not signed; it is taken for what it says.
    type: path
    default: ""
seealso:
  - module: airlift.registry.bundle_verify
"""

EXAMPLES = r"""
- name: Look into the bundle
  airlift.registry.bundle_info:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
  register: bundle

- name: Show how each layer of an image came about, as docker history does
  ansible.builtin.debug:
    msg: "{{ bundle.images | selectattr('name', '==', 'docker.io/library/app:1.4') | map(attribute='history') }}"

- name: Look what is new since last month
  airlift.registry.bundle_info:
    path: /media/stick/2026-11.tar
    compare_to: /srv/bundles/2026-10.lock.yml
    allowed_signers: /etc/airlift/allowed_signers
"""

RETURN = r"""
signer:
  description: Who signed the bundle, as O(allowed_signers) names them.
  returned: success
  type: str
  sample: release@example.com
id:
  description: The ID of the bundle, the digest of its lock file.
  returned: success
  type: str
  sample: sha256:4d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
created:
  description:
    - The date of the bundle, as its lock says and its signature covers, by default that of the newest image in it. SSH signatures carry no time, so nobody can
      tell when the bundle was signed.
  returned: success
  type: str
  sample: "2026-11-20T08:00:00Z"
bases:
  description: The bundles that have what this one left out, each with C(id) and C(name); none for a full bundle.
  returned: success
  type: list
  elements: dict
  sample: []
images:
  description:
    - The images, one for each name and platform, with their layers from the base up. Sizes are in bytes.
    - C(index) is the digest of the index that the name means, or nothing when it means the one manifest.
    - C(history) has the steps of the build, the first one first; a step that made no layer has no C(digest).
  returned: success
  type: list
  elements: dict
  sample:
    - name: docker.io/library/app:1.4
      digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      index: null
      config: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      platform: linux/amd64
      created: "2026-11-20T08:00:00Z"
      size: 48211002
      layers:
        - digest: sha256:2d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          diff_id: sha256:3d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          size: 48200000
          images: 1
      history:
        - created: "2026-11-20T08:00:00Z"
          created_by: COPY app /usr/local/bin/
          author: ""
          comment: ""
          digest: sha256:2d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          diff_id: sha256:3d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          size: 48200000
size:
  description: Bytes of all blobs that are in this bundle, each counted once.
  returned: success
  type: int
  sample: 48211002
left_out:
  description: Bytes of the layers that were left out, because C(bases) have them or C(deltas) restore them.
  returned: success
  type: int
  sample: 0
deltas:
  description:
    - The deltas of layers, each with the digest and size of its layer, C(base) (the diffID of the layer that it starts from), C(delta_size), C(memory) (bytes
      that applying it needs) and C(restore) (how the layer is compressed again; empty when that cannot be repeated).
  returned: success
  type: list
  elements: dict
  sample: []
shared:
  description: Bytes that are saved because images share blobs.
  returned: success
  type: int
  sample: 0
comparison:
  description: The names that are C(added), C(changed), C(gone) and C(unchanged) since O(compare_to), and the layers that came and went, with their bytes.
  returned: when O(compare_to) is given
  type: dict
  sample:
    added: [docker.io/library/worker:1.4]
    changed: [docker.io/library/app:current]
    gone: []
    unchanged: []
    layers_added: 2
    bytes_added: 1804311
    layers_gone: 0
    bytes_gone: 0
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, blob_users, load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._compare import as_diff, compare
from ansible_collections.airlift.registry.plugins.module_utils._deltas import delta_data
from ansible_collections.airlift.registry.plugins.module_utils._history import history
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, entry_data, is_lock, read_lock
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    BUNDLE_ARGUMENTS,
    IDENTITY_ARGUMENTS,
    program_runner,
    run_module,
    unlocker,
)
from ansible_collections.airlift.registry.plugins.module_utils._oci import MAX_DOCUMENT


class Describer:
    """Tells what is in one bundle."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params = module.params
        self.run = program_runner(module)
        self.unlock = unlocker(module)

    def describe(self) -> dict[str, t.Any]:
        """The module's result."""
        bundle = self._load(self.params["path"])
        result = describe(bundle)
        if self.params["compare_to"]:
            before = self._lock_of(self.params["compare_to"])
            result.update(comparison=compare(before, bundle.lock), diff=as_diff(before, bundle.lock))
        return result

    def _load(self, path: str) -> Bundle:
        return load_bundle(path, self.params["allowed_signers"], self.run, self.unlock)

    def _lock_of(self, path: str) -> Lock:
        return read_lock(path) if is_lock(path) else self._load(path).lock


def describe(bundle: Bundle) -> dict[str, t.Any]:
    """What is in a bundle, as plain data."""
    users = blob_users(bundle)
    sizes = bundle.files.sizes()
    size = sum(sizes.get(name, 0) for name in users)
    deltas = bundle.deltas
    left_out = sum(blob.size for blob in bundle.lock.blobs if blob.base or blob.digest in deltas.instead)
    needed = size - sum(delta.delta_size for delta in deltas.deltas)
    return {
        "changed": False,
        "id": bundle.id,
        "created": bundle.lock.created,
        "bases": [entry_data(base) for base in bundle.lock.bases],
        "signer": bundle.signer,
        "images": [_describe_image(bundle, image, users) for image in bundle.images],
        "size": size,
        "left_out": left_out,
        "deltas": [delta_data(delta) for delta in deltas.deltas],
        "shared": sum(image.size for image in bundle.images) - needed - left_out,
    }


def _describe_image(bundle: Bundle, image: Image, users: t.Mapping[str, t.Sequence[str]]) -> dict[str, t.Any]:
    config = bundle.files.read(blob_name(image.config.digest), MAX_DOCUMENT)
    return {
        "name": image.name,
        "digest": image.manifest.digest,
        "index": image.index.digest if image.index else None,
        "config": image.config.digest,
        "platform": image.platform,
        "created": image.created,
        "size": image.size,
        "layers": [
            {
                "digest": layer.blob.digest,
                "diff_id": layer.diff_id,
                "size": layer.blob.size,
                "images": len(users.get(blob_name(layer.blob.digest), ())),
            }
            for layer in image.layers
        ],
        "history": history(config, image.layers, f"The config of {image.name}"),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={**BUNDLE_ARGUMENTS, **IDENTITY_ARGUMENTS, "compare_to": {"type": "path", "default": ""}},
        supports_check_mode=True,
    )
    run_module(module, lambda: Describer(module).describe())


if __name__ == "__main__":
    main()
