#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_publish
short_description: Publish the images of a bundle to a registry
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Puts the images of a verified bundle into a registry. Digests stay as they are in the bundle, and layers that the registry has
    are not sent again.
  - An image of several platforms is published as it is in the bundle, with its index. Then come its signatures, SBOMs and attestations, if the bundle has
    them (see O(airlift.registry.bundle#module:referrers)), where the registry shows them to other tools; what others attached to the image there stays.
  - After the upload the registry is asked again, and success is reported only when it shows the digest of the bundle under each name.
  - Runs on the host that has the bundle and that reaches the registry. Usually that is the Ansible controller.
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._identity
  - airlift.registry._trust
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows which digest each name has in the registry, before and after.
  idempotent:
    support: full
options:
  path:
    description:
      - The bundles, each a directory or a tar. Of a tar in parts, or of one that is encrypted, the path of the tar itself, as
        V(app.tar) for C(app.tar.001), C(app.tar.age) or C(app.tar.age.001).
      - With an incremental bundle give also the ones that it was made against, in any order, unless the
        registry has their layers in the same repository.
    type: list
    elements: path
    required: true
  registry:
    description:
      - The registry, as V(HOST) or V(HOST:PORT).
    type: str
    required: true
  namespace:
    description:
      - Where in the registry the images go. V(mirror) makes V(docker.io/library/app:1) to V(HOST/mirror/library/app:1).
      - By default the repository stays and only the host changes, to V(HOST/library/app:1), so that the registry can be a mirror.
    type: str
    default: ""
  images:
    description:
      - The names of the images to publish. All of the bundles' images when this is empty.
    type: list
    elements: str
    default: []
  username:
    description:
      - The user who may push.
    type: str
    default: ""
  password:
    description:
      - The password of O(username). It is handed on in a file that only this user can read, never on a command line.
    type: str
    default: ""
  ca_path:
    description:
      - The certificate of the CA that the registry's certificate is from. By default the host's trusted CAs.
    type: path
    default: ""
requirements:
  - C(skopeo).
seealso:
  - module: airlift.registry.bundle
"""

EXAMPLES = r"""
- name: Publish a bundle to the site's registry
  airlift.registry.registry_publish:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
    registry: registry.example.com
    username: publisher
    password: "{{ vault_publisher_password }}"
    ca_path: /etc/airlift/ca.crt
"""

RETURN = r"""
images:
  description:
    - Each name, where it is in the registry, what was done, and why.
    - C(digest) is that of the index when the name means one. C(referrers) are the signatures and other manifests that are about the image.
  returned: success
  type: list
  elements: dict
  sample:
    - name: docker.io/library/app:1.4
      destination: registry.example.com/library/app:1.4
      digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      platforms: [linux/amd64]
      before: null
      action: publish
      reason: the registry has no such tag
      bytes_missing: 1804311
      referrers:
        - digest: sha256:4d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          type: application/vnd.dev.sigstore.bundle.v0.3+json
          subject: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
          tag: ""
          action: publish
bytes_missing:
  description:
    - Bytes of blobs that the repositories lacked. They are sent, unless the registry can take them over from another repository.
  returned: success
  type: int
  sample: 1804311
signers:
  description: Who signed the bundles, as O(allowed_signers) names them.
  returned: success
  type: list
  elements: str
  sample: [release@example.com]
"""

import os
import shutil
import typing as t
from contextlib import ExitStack

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._medium import naming_parts
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    IDENTITY_ARGUMENTS,
    program_runner,
    run_module,
    unlocker,
)
from ansible_collections.airlift.registry.plugins.module_utils._pool import Pool, choose_images
from ansible_collections.airlift.registry.plugins.module_utils._private import PrivateDirectory
from ansible_collections.airlift.registry.plugins.module_utils._publication import Publication, publications, published
from ansible_collections.airlift.registry.plugins.module_utils._publish import Plan, make_plan, needs, send
from ansible_collections.airlift.registry.plugins.module_utils._reference import Reference
from ansible_collections.airlift.registry.plugins.module_utils._registry import Access, Registry
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo, write_authfile


class Publisher:
    """Publishes bundles to one registry."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params = module.params
        self.check_mode = module.check_mode
        self.run = program_runner(module)
        self.unlock = unlocker(module)
        self.private = PrivateDirectory(module.tmpdir)
        self.restorer = Restorer(os.path.join(self.private.path, "restored"), self.run)
        access = Access(self.params["username"], self.params["password"], self.params["ca_path"])
        self.registry = Registry(self.params["registry"], access)

    def publish(self) -> dict[str, t.Any]:
        """Publish what the registry lacks; the module's result."""
        bundles = [
            load_bundle(path, self.params["allowed_signers"], self.run, self.unlock) for path in self.params["path"]
        ]
        images, pool = choose_images(bundles, self.params["images"]), Pool(bundles, self.restorer)
        todo = [
            (publication, make_plan(self.registry, publication))
            for publication in publications(images, bundles, self._place)
        ]
        for publication, plan in todo:
            pool.check(needs(publication, plan), self._destination(publication))
        if not self.check_mode:
            with ExitStack() as stack:
                for path in self.params["path"]:
                    stack.enter_context(naming_parts(path))
                self._send([(publication, plan) for publication, plan in todo if plan.lacking], pool)
        shown = [self._describe(publication, plan) for publication, plan in todo]
        return {
            "changed": any(plan.lacking for _publication, plan in todo),
            "images": shown,
            "bytes_missing": sum(entry["bytes_missing"] for entry in shown),
            "signers": sorted({bundle.signer for bundle in bundles}),
            "diff": {
                "before": {entry["destination"]: entry["before"] for entry in shown},
                "after": {entry["destination"]: entry["digest"] for entry in shown},
            },
        }

    def _place(self, name: str) -> Reference:
        return published(name, self.params["registry"], self.params["namespace"])

    def _describe(self, publication: Publication, plan: Plan) -> dict[str, t.Any]:
        return {
            "name": publication.name,
            "destination": self._destination(publication),
            "digest": publication.target.digest,
            "platforms": list(publication.platforms),
            "before": plan.before,
            "action": "publish" if plan.lacking else "present",
            "reason": _reason(publication, plan),
            "bytes_missing": sum(plan.missing.values()),
            "referrers": [
                {
                    "digest": item.manifest.digest,
                    "type": item.referrer.artifact_type,
                    "subject": item.referrer.subject,
                    "tag": item.tag,
                    "action": "publish" if item in plan.lacking else "present",
                }
                for item in publication.items
                if item.referrer
            ],
        }

    def _destination(self, publication: Publication) -> str:
        return f"{self.registry.host}/{publication.repository}:{publication.tag}"

    def _send(self, todo: t.Sequence[tuple[Publication, Plan]], pool: Pool) -> None:
        if not todo:
            return
        work = os.path.join(self.private.path, "publish")
        os.mkdir(work)
        try:
            skopeo = Skopeo(self.run, self._authfile(work), self._cert_dir(work))
            for publication, plan in todo:
                send(self.registry, skopeo, publication, plan, pool, work)
        finally:
            shutil.rmtree(work)

    def _authfile(self, work: str) -> str:
        if not self.params["username"]:
            return ""
        path = os.path.join(work, "auth.json")
        write_authfile(path, self.registry.host, self.params["username"], self.params["password"])
        return path

    def _cert_dir(self, work: str) -> str:
        if not self.params["ca_path"]:
            return ""
        directory = os.path.join(work, "certs")
        os.mkdir(directory)
        shutil.copyfile(self.params["ca_path"], os.path.join(directory, "ca.crt"))
        return directory


def _reason(publication: Publication, plan: Plan) -> str:
    if plan.before is None:
        return "the registry has no such tag"
    if plan.before != publication.target.digest:
        return f"the name means another image, {plan.before}"
    if not plan.lacking:
        return "the registry has this image under this name"
    if all(item.referrer for item in plan.lacking):
        return "what refers to the image is lacking"
    return "a platform of the image is lacking"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "list", "elements": "path", "required": True},
            "allowed_signers": {"type": "path", "required": True},
            **IDENTITY_ARGUMENTS,
            "registry": {"type": "str", "required": True},
            "namespace": {"type": "str", "default": ""},
            "images": {"type": "list", "elements": "str", "default": []},
            "username": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "ca_path": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: Publisher(module).publish())


if __name__ == "__main__":
    main()
