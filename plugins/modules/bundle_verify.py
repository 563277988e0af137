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
  - The content is streamed on all cores; nothing is unpacked and no space is needed, except for an encrypted bundle.
  - A bundle in parts is read twice, the parts alone and what they hold. A part that is lost, swapped, damaged or of another bundle is named.
  - Runs on the host that has the bundle. Usually that is the Ansible controller.
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._bundle
  - airlift.registry._identity
  - airlift.registry._trust
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing, unless O(repair) is set and something is damaged.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  repair:
    description:
      - Rebuilds what is lost or damaged with C(par2), if the bundle was made with parity, and verifies it again.
      - Needs room for what is rebuilt beside the bundle, so on a medium that can be written.
    type: bool
    default: false
requirements:
  - C(age), for an encrypted bundle.
  - C(par2), for O(repair).
seealso:
  - module: airlift.registry.bundle
"""

EXAMPLES = r"""
- name: Verify the bundle on the stick before anything is done with it
  airlift.registry.bundle_verify:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers

- name: Verify a bundle in parts that is encrypted, and rebuild a part that was lost
  airlift.registry.bundle_verify:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
    identity: ~/.ssh/id_ed25519
    repair: true
"""

RETURN = r"""
rebuilt:
  description: What was damaged and is rebuilt, or would be in check mode, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["Part 2026-11.tar.002 of 3 of bundle /media/stick/2026-11.tar is missing"]
signer:
  description: Who signed the bundle, as O(allowed_signers) names them. Empty in check mode when something would be rebuilt.
  returned: success
  type: str
  sample: release@example.com
images:
  description: The images of the bundle. Empty in check mode when something would be rebuilt.
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

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils import _parity
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle, verify_blobs
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._medium import base_path, find_medium
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    BUNDLE_ARGUMENTS,
    IDENTITY_ARGUMENTS,
    failure,
    program_runner,
    run_module,
    unlocker,
)


class Damaged(Exception):
    """All that is wrong with a bundle."""

    def __init__(self, problems: t.Sequence[BundleError]) -> None:
        super().__init__(str(problems[0]))
        self.problems = problems


class Verifier:
    """Verifies one bundle, and rebuilds what is lost of it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path: str = module.params["path"]
        self.run = program_runner(module)
        self.unlock = unlocker(module)

    def verify(self) -> dict[str, t.Any]:
        """Verify all of the bundle; the module's result."""
        rebuilt: list[str] = []
        bundle: Bundle | None
        try:
            bundle = self._whole()
        except Damaged as damage:
            if not self.module.params["repair"]:
                self._fail(damage)
            rebuilt = [error.problem for error in damage.problems]
            bundle = self._rebuilt(damage)
        images = bundle.images if bundle else ()
        return {
            "changed": bool(rebuilt),
            "rebuilt": rebuilt,
            "signer": bundle.signer if bundle else "",
            "images": [
                {"name": image.name, "digest": image.manifest.digest, "platform": image.platform, "size": image.size}
                for image in images
            ],
        }

    def _whole(self) -> Bundle:
        """The bundle, when every byte of it is right."""
        try:
            medium = None if os.path.isdir(self.path) else find_medium(self.path)
            # What the parts hold is looked at first: it can be named, and holes between the blobs are seen nowhere else.
            problems = medium.problems() if medium else []
            if not problems:
                bundle = load_bundle(self.path, self.module.params["allowed_signers"], self.run, self.unlock)
                problems = verify_blobs(bundle)
        except BundleError as error:
            raise Damaged([error]) from error
        if problems:
            raise Damaged(problems)
        return bundle

    def _rebuilt(self, damage: Damaged) -> Bundle | None:
        """The bundle after what par2 can do for it; in check mode nothing, if it would do it."""
        path = os.path.abspath(base_path(self.path))
        try:
            if not _parity.check_repair(path, self.run):
                # The files are as they were made, so what is wrong with them was always wrong.
                self._fail(damage)
        except BundleError as error:
            both = f"{damage.problems[0].problem}. {error.problem}"
            self._fail(Damaged([BundleError(both, error.next_step), *damage.problems[1:]]))
        if self.module.check_mode:
            return None
        _parity.repair(path, self.run)
        try:
            return self._whole()
        except Damaged as still:
            self._fail(still)

    def _fail(self, damage: Damaged) -> t.NoReturn:
        problems = [error.problem for error in damage.problems]
        self.module.fail_json(problems=problems, **failure(damage.problems[0]))
        raise damage  # fail_json does not return


def main() -> None:
    module = AnsibleModule(
        argument_spec={**BUNDLE_ARGUMENTS, **IDENTITY_ARGUMENTS, "repair": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    run_module(module, lambda: Verifier(module).verify())


if __name__ == "__main__":
    main()
