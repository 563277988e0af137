# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  lock:
    description:
      - A C(bundle.lock.yml) of another bundle. Exactly its images are packed, with the digests that it names, or the module fails with the list of
        those that have moved or are gone.
      - Images of registries are fetched by digest, so it does not matter whether their tags have moved meanwhile.
    type: path
    default: ""
  compose_files:
    description:
      - Compose files. The image of each of their services is packed.
      - Files that they include or extend are not read.
    type: list
    elements: path
    default: []
  compose_variables:
    description:
      - The variables of O(compose_files), such as V(${VERSION:-1.0}). The environment and C(.env) files are not read. A variable that is not set
        here and has no default is an error.
    type: dict
    default: {}
  kubernetes_files:
    description:
      - Files of Kubernetes manifests. The image of each container in them is packed, whatever the kind of the object.
    type: list
    elements: path
    default: []
  file_transport:
    description:
      - Where the images of O(compose_files) and O(kubernetes_files) come from, their registries or the engine.
      - An image that O(images) or O(lock) has too, under the same name or from the same source, is taken from there.
    type: str
    choices: [docker, docker-daemon]
    default: docker
requirements:
  - The Python library PyYAML (Debian's C(python3-yaml)), for O(compose_files) and O(kubernetes_files).
"""
