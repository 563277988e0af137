#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Tell what images an engine has, what they share, and how they differ from a lock
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Tells of each image of a host's engine its names, layers with diffIDs and chainIDs, its history with sizes, which other images share each layer,
    how many bytes are its own, and which containers use it.
  - Compares the images with what the locks of bundles say that they should be.
  - Asks the engine's API only. What an engine does not tell is V(null) in the answer, never a guess.
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._engine
  - airlift.registry._locks
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  images:
    description:
      - The images to tell of, each by a name, by C(REPOSITORY@DIGEST), or by its image ID or the first twelve digits of it. All when this is empty.
      - One that is not there is not in the answer.
      - What is shared is always told in view of all images of the engine.
    type: list
    elements: str
    default: []
notes:
  - An image ID is the digest of the config on graph drivers (as overlay2) and in podman, and on the containerd image store the digest of the manifest or of
    the index that the name means. A lock has all of them, so the comparison works everywhere.
seealso:
  - module: airlift.registry.image_prune
  - module: airlift.registry.bundle_info
    description: The same of images in a bundle.
"""

EXAMPLES = r"""
- name: Look at all images of the host
  airlift.registry.image_info:
  become: true
  register: storage

- name: Show what would be free if an image went alone
  ansible.builtin.debug:
    msg: "{{ storage.images | items2dict(key_name='id', value_name='unique_size') }}"

- name: Compare the host with what it should have
  airlift.registry.image_info:
    locks: [/srv/bundles/2026-11.lock.yml, /srv/bundles/stack.lock.yml]
  become: true
  register: storage
  failed_when: storage is failed or not storage.drift.matches
"""

RETURN = r"""
engine:
  description: The engine, with its version, image store, driver, and platform.
  returned: success
  type: dict
  sample: {"version": "28.5.2", "api_version": "1.51", "store": "graph", "driver": "overlay2", "platform": "linux/amd64"}
images:
  description:
    - The images. Sizes are in bytes. Layers are told from the base up, and the history from the first step on, as M(airlift.registry.bundle_info) has them.
    - C(size) is that of all unpacked layers, C(unique_size) of those that no other image has, C(shared_size) of the others. C(engine_size) is what
      C(docker images) shows; with the containerd image store it has the compressed blobs too.
    - C(whole) is false for an image that the engine lists and cannot run because some of it is missing.
    - C(digests) are the references by digest that the engine knows. A graph driver knows them for images that were pulled or pushed, not for loaded ones.
    - The sizes of layers come from the history. When several steps have no bytes, it may not tell which of them made a layer; C(size) of such layers, and
      C(empty_layer) and C(diff_id) of such steps, are V(null) then.
  returned: success
  type: list
  elements: dict
  sample:
    - id: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      tags: [docker.io/library/app:1.4]
      digests: []
      created: "2026-11-20T08:00:00Z"
      platform: linux/amd64
      whole: true
      engine_size: 98971088
      size: 98971088
      unique_size: 1712532
      shared_size: 97258556
      layers:
        - diff_id: sha256:3d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          chain_id: sha256:3d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          size: 97258556
          shared_with: [docker.io/library/app:1.3]
      history:
        - created: "2026-11-20T08:00:00Z"
          created_by: COPY app /usr/local/bin/
          comment: buildkit.dockerfile.v0
          size: 1712532
          empty_layer: false
          diff_id: sha256:3d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      containers:
        - id: 5f1b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          name: app
          state: running
totals:
  description:
    - All images of the engine together, whatever O(images) selects. C(size) has the bytes of their unpacked layers, each layer once; C(saved) those that are
      not needed because images share layers; C(unknown) the number of layers whose size the engine does not tell, which are in no sum.
  returned: success
  type: dict
  sample: {"images": 2, "layers": 4, "size": 100683538, "saved": 97258556, "unknown": 0}
drift:
  description:
    - The images of O(locks) for the engine's platform, each with its C(state). V(present) is the very image with all its layers, V(missing) a name that
      means nothing here, V(different) a name that means another image, V(incomplete) an image of which layers are missing.
    - C(id) is the image ID that the name means now. C(extra) has the images with names that no lock has, C(matches) tells whether all images are present
      and none is extra.
  returned: when O(locks) is given
  type: dict
  sample:
    matches: false
    images:
      - lock: /srv/bundles/2026-11.lock.yml
        name: docker.io/library/app:1.4
        platform: linux/amd64
        id: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
        state: present
        reason: the name means the lock's image, and the engine has all its layers
    extra:
      - id: sha256:7d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
        names: [docker.io/library/app:1.3]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._drift import drift
from ansible_collections.airlift.registry.plugins.module_utils._engine_storage import EngineStorage
from ansible_collections.airlift.registry.plugins.module_utils._local_images import describe, totals
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    run_module,
)


class Observer:
    """Tells what one engine has. The locks are read by the action plugin of the same name, on the controller."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params = module.params
        self.engine = EngineStorage(module.params["docker_host"], module.params["docker_timeout"])

    def observe(self) -> dict[str, t.Any]:
        """The module's result."""
        engine, images = self.engine.description(), self.engine.local_images()
        result = {
            "changed": False,
            "engine": engine,
            "images": describe(images, self.engine.containers(), self.params["images"]),
            "totals": totals(images),
        }
        if self.params["locks"]:
            result["drift"] = drift(self.params["_locked"], images, engine["platform"])
        return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "default": []},
            **LOCK_ARGUMENTS,
            **ENGINE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: Observer(module).observe())


if __name__ == "__main__":
    main()
