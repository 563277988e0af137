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
  description: Each image, where it is in the registry, what was done, and why.
  returned: success
  type: list
  elements: dict
  sample:
    - name: docker.io/library/app:1.4
      destination: registry.example.com/library/app:1.4
      digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      before: null
      action: publish
      reason: the registry has no such tag
      bytes_missing: 1804311
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
import tempfile
import typing as t
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils import _layout
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle, verify_file
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError, RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._medium import naming_parts
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    IDENTITY_ARGUMENTS,
    program_runner,
    run_module,
    unlocker,
)
from ansible_collections.airlift.registry.plugins.module_utils._oci import (
    INDEX_TYPES,
    MAX_DOCUMENT,
    Descriptor,
    parse_artifact,
    parse_index,
)
from ansible_collections.airlift.registry.plugins.module_utils._pool import Need, Pool, choose_images
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of, parse_reference
from ansible_collections.airlift.registry.plugins.module_utils._registry import Registry
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo, write_authfile


@dataclass(frozen=True)
class _Publication:
    """What one name means: an image, or one for each platform of an index; the bundle that has the documents, and those that have the layers."""

    images: tuple[Image, ...]
    bundle: Bundle
    pool: Pool

    @property
    def name(self) -> str:
        return self.images[0].name

    @property
    def target(self) -> Descriptor:
        return self.images[0].target

    @property
    def layers(self) -> set[str]:
        """The digests of all layers."""
        return {layer.blob.digest for image in self.images for layer in image.layers}

    def document(self, digest: str) -> bytes:
        return self.bundle.files.read(_layout.blob_name(digest), MAX_DOCUMENT)

    def manifests(self) -> dict[str, bytes]:
        """The manifests by digest, those of the index too that are no image."""
        entries = [image.manifest for image in self.images]
        if self.target.media_type in INDEX_TYPES:
            index = parse_index(self.document(self.target.digest), f"The index of {self.name}")
            entries = [entry.descriptor for entry in index]
        return {entry.digest: self.document(entry.digest) for entry in entries}

    def blobs(self) -> dict[str, int]:
        """The size of each blob that the manifests name, by digest."""
        artifacts = [parse_artifact(data, f"A manifest of {self.name}") for data in self.manifests().values()]
        return {blob.digest: blob.size for artifact in artifacts for blob in artifact.blobs}

    def home(self, digest: str) -> Bundle:
        return self.pool.home(digest) if digest in self.layers else self.bundle


class Publisher:
    """Publishes bundles to one registry."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params = module.params
        self.check_mode = module.check_mode
        self.run = program_runner(module)
        self.unlock = unlocker(module)
        self.restorer = Restorer(os.path.join(module.tmpdir, "restored"), self.run)
        self.registry = Registry(
            self.params["registry"], self.params["username"], self.params["password"], self.params["ca_path"]
        )

    def publish(self) -> dict[str, t.Any]:
        """Publish what the registry lacks; the module's result."""
        bundles = [
            load_bundle(path, self.params["allowed_signers"], self.run, self.unlock) for path in self.params["path"]
        ]
        pool = Pool(bundles, self.restorer)
        publications = _publications(choose_images(bundles, self.params["images"]), pool)
        plans = [self._plan(publication) for publication in publications]
        for publication, plan in zip(publications, plans):
            missing = [digest for digest in plan["missing"] if digest in publication.layers]
            pool.check([Need(publication.name, digest) for digest in missing], plan["destination"])
        if not self.check_mode:
            todo = [
                (publication, plan) for publication, plan in zip(publications, plans) if plan["action"] == "publish"
            ]
            with ExitStack() as stack:
                for path in self.params["path"]:
                    stack.enter_context(naming_parts(path))
                self._upload(todo)
        shown = [{key: value for key, value in plan.items() if key != "missing"} for plan in plans]
        return {
            "changed": any(plan["action"] == "publish" for plan in plans),
            "images": shown,
            "bytes_missing": sum(plan["bytes_missing"] for plan in plans),
            "signers": sorted({bundle.signer for bundle in bundles}),
            "diff": {
                "before": {plan["destination"]: plan["before"] for plan in plans},
                "after": {plan["destination"]: plan["digest"] for plan in plans},
            },
        }

    def _plan(self, publication: _Publication) -> dict[str, t.Any]:
        repository, tag = self._place(publication.name)
        before = self.registry.manifest_digest(repository, tag)
        present = before == publication.target.digest
        blobs = publication.blobs()
        missing = [] if present else [digest for digest in blobs if not self.registry.has_blob(repository, digest)]
        return {
            "name": publication.name,
            "destination": f"{self.registry.host}/{repository}:{tag}",
            "digest": publication.target.digest,
            "before": before,
            "action": "present" if present else "publish",
            "reason": _reason(before, present),
            "missing": missing,
            "bytes_missing": sum(blobs[digest] for digest in missing),
        }

    def _place(self, name: str) -> tuple[str, str]:
        reference = parse_reference(name)
        namespace = f"{self.params['namespace']}/" if self.params["namespace"] else ""
        # Whoever names the namespace must not be able to leave the registry.
        target = parse_reference(f"{self.params['registry']}/{namespace}{reference.path}:{reference.tag}")
        if target.domain != self.params["registry"]:
            raise InputError(
                f"{self.params['registry']!r} cannot be told from a repository",
                "Write the registry as HOST[:PORT], with a dot or a port in it, for example registry.example.com.",
            )
        return target.path, str(target.tag)

    def _upload(self, todo: t.Sequence[tuple[_Publication, dict[str, t.Any]]]) -> None:
        if not todo:
            return
        work = tempfile.mkdtemp(prefix="airlift-publish-")
        try:
            skopeo = Skopeo(self.run, self._authfile(work), self._cert_dir(work))
            for publication, plan in todo:
                with _directory_with(publication, plan["missing"], work) as directory:
                    skopeo.push(directory, plan["destination"])
                self._prove(publication, plan)
        finally:
            shutil.rmtree(work)

    def _prove(self, publication: _Publication, plan: dict[str, t.Any]) -> None:
        found, expected = self.registry.manifest_digest(*self._place(publication.name)), publication.target.digest
        if found != expected:
            raise RegistryError(
                f"{plan['destination']} has the digest {found} after the upload, and {expected} was expected",
                "Check whether somebody else pushes to that name, and run this again.",
            )

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


def _publications(images: t.Mapping[Image, Bundle], pool: Pool) -> list[_Publication]:
    """The images by their names; raises InputError for a name that means two things."""
    names: dict[str, list[Image]] = {}
    for image in images:
        names.setdefault(image.name, []).append(image)
    for name, found in names.items():
        if len({image.target for image in found}) > 1:
            raise InputError(
                f"{name} means {' and '.join(sorted(image.target.digest for image in found))} in these bundles",
                "Publish the bundles one after the other, or make one bundle with all platforms of that name.",
            )
    return [_Publication(tuple(found), images[found[0]], pool) for found in names.values()]


def _reason(before: str | None, present: bool) -> str:
    if present:
        return "the registry has this image under this name"
    return f"the name means another image, {before}" if before else "the registry has no such tag"


@contextmanager
def _directory_with(publication: _Publication, digests: t.Sequence[str], work: str) -> t.Iterator[str]:
    """What skopeo calls a directory image: index and manifests, and the blobs that it will send, each of them verified.

    An image layout would do for OCI manifests; skopeo before 1.14 does not find those of Docker's type in one.
    """
    directory = tempfile.mkdtemp(dir=work)
    try:
        with open(os.path.join(directory, "version"), "w", encoding="utf-8") as target:
            target.write("Directory Transport Version: 1.1\n")
        documents = {f"{hex_of(digest)}.manifest.json": data for digest, data in publication.manifests().items()}
        documents["manifest.json"] = publication.document(publication.target.digest)
        for name, data in documents.items():
            with open(os.path.join(directory, name), "wb") as manifest:
                manifest.write(data)
        for digest in digests:
            bundle = publication.home(digest)
            verify_file(bundle.files, bundle.sums, _layout.blob_name(digest))
            _provide(bundle.files, _layout.blob_name(digest), os.path.join(directory, hex_of(digest)))
        yield directory
    finally:
        shutil.rmtree(directory)


def _provide(files: _layout.Files, name: str, path: str) -> None:
    """Put a file of the bundle at I(path): a link where it is a file already."""
    if isinstance(files, _layout.DirectoryFiles):
        os.symlink(os.path.join(os.path.abspath(files.path), name), path)
        return
    with open(path, "wb") as target:
        for chunk in files.chunks(name):
            target.write(chunk)


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
