#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Pack container images into a signed bundle
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Packs images from container engines, registries, docker archives and OCI layouts into one bundle, which carries them across an air gap.
  - A bundle is an OCI image layout and a docker archive over the same blobs, with a lock file, SHA-256 checksums and an SSH signature.
    C(skopeo), C(docker load), C(sha256sum -c) and C(ssh-keygen -Y verify) read it with nothing of this collection installed.
  - The same images make the same bundle, byte for byte (with an Ed25519 or RSA key; ECDSA signatures differ each time).
  - Runs on the host that has the engine, and that reaches the registries. Usually that is the Ansible controller.
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._engine
  - airlift.registry._identity
  - airlift.registry._image_files
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows each image's name with the digest by which its source knows it.
  idempotent:
    support: full
options:
  path:
    description:
      - Where the bundle shall be. It is one tar if this ends in V(.tar), a directory otherwise.
      - With O(part_size) the tar V(app.tar) is C(app.tar.001) and so on, encrypted it is C(app.tar.age). All that reads bundles wants V(app.tar) all the same.
      - A bundle that is there is replaced when its images, its content or its signer differ. Anything else that is there is never touched.
    type: path
    required: true
  images:
    description:
      - The images, each as a source in skopeo's syntax, or as a mapping.
      - Sources are V(docker://HOST/REPOSITORY:TAG) (a registry), V(docker-daemon:REPOSITORY:TAG) (an engine, Docker or podman),
        V(docker-archive:PATH) (a file that C(docker save) or another tool wrote in its format, also compressed with gzip, bzip2, xz or zstd),
        V(oci:PATH) (a directory with an OCI image layout) and V(oci-archive:PATH) (a tar of one, not compressed).
      - In a file with several images, C(PATH:REFERENCE) is the one with that name, C(PATH:@0) the first one, and C(PATH:sha256:HEX) the one with
        that image ID, or in an OCI layout with that manifest or index.
      - Images of registries and OCI layouts keep their digests. Those of engines and docker archives have none, so their manifests are made here.
      - V(bundle:PATH) takes over all images of another bundle, V(bundle:PATH:REFERENCE) one of them on all its platforms. They keep their bytes
        and what the lock says of their source. Layers that one bundle left out are taken from the others in the list. Of two bundles with the
        same name the later one counts, and an image that is named counts more. Encrypted ones are opened with O(identity).
      - A mapping has C(source), and optionally C(name) (the full reference in the bundle, by default the one of the source) and
        C(platforms) (a list of platforms, or of the one word C(all); by default O(platform)).
      - A name with one platform means that platform's manifest. With V(all), or with every platform that its index has, it means the index
        as it was served, attestations included. With some of several it means an index without the others, which has another
        digest; the digests of its manifests stay.
      - At least one of this, O(lock), O(compose_files) and O(kubernetes_files) is required.
    type: list
    elements: raw
    default: []
  platform:
    description:
      - The platform to take of an image that has several, where O(images) names none.
    type: str
    default: linux/amd64
  parallel:
    description:
      - How many images to fetch from registries at once. Layers that images share are fetched once whatever it is.
    type: int
    default: 4
  compression:
    description:
      - How the layers of images from engines and docker archives are compressed. Layers that are compressed already stay as they are.
      - V(gzip) is read by every engine.
      - V(zstd) is smaller and faster, but Docker 20.10 cannot load it (it says C(unexpected EOF)), and neither can anything else that is older than
        Docker 23.0. The module warns when it is used. It wants the Python library C(zstandard) (Debian's C(python3-zstandard)).
    type: str
    choices: [gzip, zstd]
    default: gzip
  layer_reuse:
    description:
      - Which layers are the same. The manifest of an image from an engine or a docker archive is made here, so it may name the blob of
        another image of the bundle, or of one in O(base).
      - With V(content) it does if what is inside is equal (the diffID), whatever compressed it; layers are stored once. Layers
        compressed with zstd are only used so if O(compression=zstd).
      - With V(digest) only equal blobs are stored once.
    type: str
    choices: [content, digest]
    default: content
  base:
    description:
      - The bundles that whoever gets this one has already, each as the bundle or as its C(bundle.lock.yml) alone. Their layers are left out;
        the lock names the bundle that has each. Manifests and configs are never left out.
      - Bundles are verified with O(allowed_signers), and opened with O(identity) when they are encrypted. A lock file alone is not signed, and is taken
        for what it says.
      - A base may be incremental itself; of what it left out this bundle names the home too.
    type: list
    elements: path
    default: []
  deltas:
    description:
      - Whether a layer that has changed against one in O(base) is also packed as a delta. A base that is a lock file alone cannot be used for this.
      - With V(instead) the layer itself is left out where the delta restores it to the byte, as is verified while the bundle is made. That works for layers
        that this collection compressed (of engines and docker archives) or that are not compressed. Others are packed beside their delta.
      - Whoever preloads or publishes such a bundle gives the base bundle too, and has C(xdelta3) installed there.
    type: str
    choices: [none, beside, instead]
    default: none
  delta_limit:
    description:
      - A delta is kept when it is smaller than this share of its layer.
    type: float
    default: 0.5
  allowed_signers:
    description:
      - A file with the public keys that may sign the bundles in O(base) and O(images), in the format that ssh-keygen(1) describes under
        ALLOWED SIGNERS. Required with such bundles.
    type: path
    default: ""
  signing_key:
    description:
      - The SSH private key that signs the bundle. It has no passphrase, or C(ssh-agent) holds it.
    type: path
    required: true
  authfile:
    description:
      - A file with credentials for registries (see containers-auth.json(5)). By default the one of C(skopeo login) or C(docker login).
    type: path
    default: ""
  cert_dir:
    description:
      - A directory with the CA (C(*.crt)) and client certificates for registries. By default those below C(/etc/containers/certs.d)
        and C(/etc/docker/certs.d).
    type: path
    default: ""
  part_size:
    description:
      - Writes the tar in parts of this size, C(NAME.tar.001) and so on, with their checksums in C(NAME.tar.SHA256SUMS).
        C(sha256sum -c) checks each alone, C(cat NAME.tar.[0-9]*) joins them. Nothing of this collection needs them joined.
      - Bytes with a unit (V(700MiB), V(25GB), V(4GiB-1)), V(fat32) for the largest file of that file system, or V(dvd). No parts when empty.
    type: str
    default: ""
  parity:
    description:
      - Adds parity of so many percent of the bundle's size, made by C(par2). M(airlift.registry.bundle_verify) rebuilds lost and damaged parts from it.
      - A lost part is rebuilt if the parity is as large as a part. The module warns when it is not.
    type: int
    default: 0
  encrypt_to:
    description:
      - Encrypts the tar with C(age) so that each of these can read it. They are public keys of C(age) (V(age1...)) or SSH (V(ssh-ed25519 ...), V(ssh-rsa ...)).
      - What was encrypted differs each time, and the maker need not be able to read it. So a record beside it, C(NAME.tar.age.record),
        tells whether a second run would make the same; without the private O(signing_key) it tells nothing.
        With a key whose signatures differ each time (ECDSA, hardware keys) it cannot, and the bundle is made anew in each run.
    type: list
    elements: str
    default: []
  work_path:
    description:
      - The directory for what is not finished yet. By default the one of O(path).
      - Layers lie there as they are, also those of a bundle that will be encrypted. So give a directory of the host when O(path) is on the medium.
    type: path
    default: ""
  referrers:
    description:
      - Whether what registries have attached to the images comes along - signatures of cosign and notation, SBOMs, attestations - and what refers to
        these in turn (four steps).
      - It is found by the referrers API of OCI 1.1, by the tag that takes its place (C(sha256-HEX)), and by the tags of cosign
        (C(sha256-HEX.sig), C(.att), C(.sbom)).
      - A signature of an index is about all its platforms. When only some of them are taken it stays behind, and this module warns of that.
      - Images that are taken from bundles bring what these bundles have. Engines, docker archives and OCI layouts have nothing to find.
    type: bool
    default: false
  require_signatures:
    description:
      - Public keys of cosign. Unless each image that they are for is signed by one of them, the bundle is not made.
      - C(cosign verify) is asked, for the digest that is taken. The transparency log is not asked.
      - Images that are taken from bundles are not checked again.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description:
          - The file with the public key.
        type: path
        required: true
      images:
        description:
          - Patterns such as V(registry.example.com/team/*) of the full names in the bundle that the key is for.
          - An image that no pattern fits need not be signed. One that several keys are for needs a signature of one of them.
        type: list
        elements: str
        default: ["*"]
requirements:
  - C(cosign) 3, for O(require_signatures). cosign 2 knows the signatures of its own time only.
  - C(xdelta3) and C(prlimit) of util-linux, with O(deltas). Making a delta takes up to 384 MiB of memory, applying one 128 MiB.
  - C(age), for O(encrypt_to).
  - C(par2), for O(parity).
  - C(skopeo) 1.9 or later, for images from registries.
  - C(ssh-keygen) of OpenSSH 8.3 or later.
  - The Python library C(zstandard) (Debian's C(python3-zstandard)), for O(compression=zstd) and for docker archives that were compressed with zstd.
seealso:
  - module: airlift.registry.bundle_verify
  - module: airlift.registry.image_preload
"""

EXAMPLES = r"""
- name: Pack an image for a stick with FAT32, in parts of which one may get lost, for two sites to read
  airlift.registry.bundle:
    path: /media/stick/2026-11.tar
    signing_key: ~/.ssh/airlift
    images: ["docker-daemon:app:1.4"]
    part_size: fat32
    parity: 30
    encrypt_to:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
      - "{{ lookup('ansible.builtin.file', 'keys/shop1.pub') }}"
    work_path: /var/tmp

- name: Pack two images of the local engine and one of a registry
  airlift.registry.bundle:
    path: /srv/bundles/2026-11.tar
    signing_key: ~/.ssh/airlift
    images:
      - docker-daemon:app:1.4
      - docker-daemon:worker:1.4
      - source: docker://registry.example.com/tools/backup:7
        name: backup:7

- name: Make the same bundle again, on another day and machine
  airlift.registry.bundle:
    path: /srv/bundles/again.tar
    signing_key: ~/.ssh/airlift
    lock: /srv/git/site/bundle.lock.yml

- name: Pack what a site runs, one image of it from elsewhere
  airlift.registry.bundle:
    path: /srv/bundles/site.tar
    signing_key: ~/.ssh/airlift
    compose_files: [/srv/git/site/compose.yml]
    compose_variables:
      VERSION: "1.4"
    kubernetes_files: [/srv/git/site/manifests.yml]
    images:
      - source: docker-daemon:app:1.4
        name: registry.example.com/app:1.4

- name: Pack only what is new since last month's bundle, of which the lock file is enough
  airlift.registry.bundle:
    path: /srv/bundles/2026-12.tar
    signing_key: ~/.ssh/airlift
    base:
      - /srv/bundles/2026-11.lock.yml
    images:
      - docker-daemon:app:1.5

- name: Make one full bundle of both
  airlift.registry.bundle:
    path: /srv/bundles/all.tar
    signing_key: ~/.ssh/airlift
    allowed_signers: /etc/airlift/allowed_signers
    images:
      - bundle:/srv/bundles/2026-11.tar
      - bundle:/srv/bundles/2026-12.tar

- name: Pack an image with its signatures and SBOMs, if its maker has signed it
  airlift.registry.bundle:
    path: /srv/bundles/2026-11.tar
    signing_key: ~/.ssh/airlift
    images:
      - source: docker://registry.example.com/team/app:1.4
        platforms: [all]
    referrers: true
    require_signatures:
      - key: /etc/airlift/team.pub
        images: ["registry.example.com/team/*"]
"""

RETURN = r"""
path:
  description: Where the bundle is.
  returned: success
  type: str
  sample: /srv/bundles/2026-11.tar
files:
  description: The files that the bundle at RV(path) consists of now. Of one that is a directory, only that.
  returned: success
  type: list
  elements: str
  sample: [/srv/bundles/2026-11.tar]
reasons:
  description: Why a bundle was made; empty when the one that is there was kept.
  returned: success
  type: list
  elements: str
  sample: ["there is no bundle at /srv/bundles/2026-11.tar"]
images:
  description: What the lock file says of each image; empty in check mode when a bundle would be made.
  returned: success
  type: list
  elements: dict
  sample:
    - name: docker.io/library/app:1.4
      digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      config: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      platform: linux/amd64
      size: 48211002
      created: "2026-11-20T08:00:00Z"
      source: docker-daemon:app:1.4
      source_id: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
bases:
  description: The bundles that have what was left out, each with C(id) and C(name); empty in check mode when a bundle would be made.
  returned: success
  type: list
  elements: dict
  sample:
    - id: sha256:4d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      name: 2026-11.tar
deltas:
  description:
    - The deltas, each with the digest and size of its layer, C(base) (the diffID of the layer that it starts from), C(delta_size), C(memory) (bytes that
      applying it needs) and C(restore) (how the layer is compressed again; empty when that cannot be repeated).
    - Empty in check mode when a bundle would be made.
  returned: success
  type: list
  elements: dict
  sample:
    - digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      size: 21335672
      base: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      delta_size: 69942
      memory: 134217728
      restore: gzip
left_out:
  description: Bytes of the layers that were left out; 0 in check mode when a bundle would be made.
  returned: success
  type: int
  sample: 0
referrers:
  description: What the lock file says of each manifest that is about an image, such as a signature; empty in check mode when a bundle would be made.
  returned: success
  type: list
  elements: dict
  sample:
    - digest: sha256:4d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      subject: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      type: application/vnd.dev.sigstore.bundle.v0.3+json
"""

import functools
import os
import tempfile
import typing as t
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer, _pack
from ansible_collections.airlift.registry.plugins.module_utils._assemble import share_layers
from ansible_collections.airlift.registry.plugins.module_utils._attached import Attachments
from ansible_collections.airlift.registry.plugins.module_utils._bases import (
    Bases,
    base_differences,
    combine,
    reuse_differences,
)
from ansible_collections.airlift.registry.plugins.module_utils._blobs import GZIP, ZSTD, BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle, verify_blobs
from ansible_collections.airlift.registry.plugins.module_utils._delta_maker import make_deltas
from ansible_collections.airlift.registry.plugins.module_utils._deltas import NO_DELTAS, Deltas, delta_data
from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._form import (
    files_of_bundle,
    form_differences,
    parity_warnings,
    parse_form,
)
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, entry_data, is_lock
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    ENGINE_ARGUMENTS,
    IDENTITY_ARGUMENTS,
    IMAGE_FILE_ARGUMENTS,
    program_runner,
    run_module,
    unlocker,
)
from ansible_collections.airlift.registry.plugins.module_utils._policy import check_signed, parse_rules
from ansible_collections.airlift.registry.plugins.module_utils._private import PrivateDirectory
from ansible_collections.airlift.registry.plugins.module_utils._reasons import (
    differences,
    noted_options,
    option_differences,
    taken_differences,
)
from ansible_collections.airlift.registry.plugins.module_utils._record import facts, record_differences, write_record
from ansible_collections.airlift.registry.plugins.module_utils._registry_access import Accesses
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.module_utils._reuse import CONTENT, DIGEST, stand_ins
from ansible_collections.airlift.registry.plugins.module_utils._signature import NAMESPACE, Run
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo
from ansible_collections.airlift.registry.plugins.module_utils._source import (
    SourceKind,
    Wanted,
    identify_all,
)
from ansible_collections.airlift.registry.plugins.module_utils._source_archive import ArchiveSource
from ansible_collections.airlift.registry.plugins.module_utils._source_bundle import (
    BundleSource,
    read_base,
    split_portions,
)
from ansible_collections.airlift.registry.plugins.module_utils._source_engine import DaemonSource
from ansible_collections.airlift.registry.plugins.module_utils._source_layout import LayoutSource
from ansible_collections.airlift.registry.plugins.module_utils._source_registry import RegistrySource
from ansible_collections.airlift.registry.plugins.module_utils._wanted import check_locked, wanted_images

ZSTD_WARNING = (
    "compression=zstd: Docker before 23.0 (Debian 12 has 20.10) cannot load images from engines and docker archives of this bundle; "
    "it says 'unexpected EOF'. Use gzip unless every engine is newer."
)

# The manifests of these images are made here, so they may use layers of others.
_MADE_HERE = ("docker-daemon", "docker-archive")


class BundleMaker:
    """Makes one bundle, if the one that is there is not already what is wanted."""

    def __init__(self, module: AnsibleModule) -> None:
        params = module.params
        self.check_mode = module.check_mode
        self.path: str = params["path"]
        self.signing_key: str = params["signing_key"]
        self.run: Run = program_runner(module)
        self.params = params
        self.form = parse_form(self.path, params["part_size"], params["parity"], params["encrypt_to"])
        self.warn = module.warn
        self.base: list[str] = params["base"]
        self.allowed_signers: str = params["allowed_signers"]
        self.unlock = unlocker(module)
        self.private = PrivateDirectory(module.tmpdir)
        self.restorer = Restorer(os.path.join(self.private.path, "restored"), self.run)
        self.delta_mode: str = params["deltas"]
        self.delta_limit: float = params["delta_limit"]
        self._load = functools.lru_cache(maxsize=None)(self._load_bundle)
        self.portions, images = split_portions(params["images"])
        self.wanted, self.locked = wanted_images({**params, "images": images}, bool(self.portions))
        self.compression: str = params["compression"]
        self.layer_reuse: str = params["layer_reuse"]
        self.options = noted_options(params)
        if self.compression == ZSTD:
            module.warn(ZSTD_WARNING)
        self.parallel = max(1, params["parallel"])
        self.rules = parse_rules(params["require_signatures"])
        self.scratch: str = module.tmpdir
        self.accesses = Accesses(params["authfile"], params["cert_dir"], self.scratch)
        skopeo = Skopeo(self.run, params["authfile"], params["cert_dir"])
        self.attachments = Attachments(params["referrers"], skopeo, self.accesses.registry)
        connect = functools.lru_cache(maxsize=1)(lambda: Engine(params["docker_host"], params["docker_timeout"]))
        self.kinds: dict[str, SourceKind] = {
            "docker": RegistrySource(skopeo, self.parallel),
            "docker-daemon": DaemonSource(connect, self._base_bundles),
            "docker-archive": ArchiveSource(),
            "oci": LayoutSource(),
            "oci-archive": LayoutSource(),
        }

    def make(self) -> dict[str, t.Any]:
        """Make the bundle if there is a reason to; the module's result."""
        _bundle_writer.check_replaceable(self.path, self.form)
        public_key = _public_key(self.signing_key, self.run)
        bases = self._bases()
        taken = BundleSource(self.portions, self._load, self.restorer)
        taken.check([entry.name for entry in self.wanted], bases.homes)
        ids = identify_all(self.kinds, self.wanted, self.parallel)
        check_signed(ids, self.rules, self.accesses.access, self.run, self.scratch)
        made_of = [*facts(self.params, ids, taken.locked, bases.names, public_key), *self._noted_referrers(ids, taken)]
        before, reasons = self._current(public_key, made_of)
        if before:
            reasons += self._reasons(before, ids, taken, bases)
        if before and not reasons and self.attachments.differ(before.lock, taken):
            reasons = ["what refers to its images has changed"]
        lock, deltas = (before.lock, before.deltas) if before and not reasons else (Lock(""), NO_DELTAS)
        if reasons and not self.check_mode:
            lock, deltas = self._write(ids, taken, bases, made_of)
        for warning in (*parity_warnings(self.path, self.form), *self.attachments.warnings(lock.images, taken)):
            self.warn(warning)
        return {
            "changed": bool(reasons),
            "path": self.path,
            "files": [self.path] if os.path.isdir(self.path) else files_of_bundle(self.path),
            "reasons": reasons,
            "images": [entry_data(entry) for entry in lock.images],
            "bases": [entry_data(entry) for entry in lock.bases],
            "deltas": [delta_data(delta) for delta in deltas.deltas],
            "referrers": [entry_data(entry) for entry in lock.referrers],
            "left_out": sum(blob.size for blob in lock.blobs if blob.base),
            "diff": {
                "before": {entry.name: entry.source_id for entry in (before.lock.images if before else ())},
                "after": dict(
                    sorted(
                        [
                            *((wanted.name, source_id) for wanted, source_id in ids.items()),
                            *((entry.name, entry.source_id) for entry in taken.locked),
                        ]
                    )
                ),
            },
        }

    def _load_bundle(self, path: str) -> Bundle:
        if not self.allowed_signers:
            raise InputError(
                f"Nobody is named who may have signed bundle {path}",
                "Set allowed_signers to a file with their public keys.",
            )
        return load_bundle(path, self.allowed_signers, self.run, self.unlock)

    def _bases(self) -> Bases:
        for path in self.base:
            if os.path.realpath(path) == os.path.realpath(self.path):
                raise InputError(f"{path} cannot be its own base", "Give the new bundle another path.")
        return combine([read_base(path, self._load) for path in self.base])

    def _asked_deltas(self) -> Deltas:
        """What deltas.json says of how they were asked for."""
        if self.delta_mode == "none":
            return NO_DELTAS
        return Deltas(self.delta_mode, self.delta_limit, tuple(sorted(bundle.id for bundle in self._base_bundles())))

    def _base_bundles(self) -> list[Bundle]:
        return [self._load(path) for path in self.base if not is_lock(path)]

    def _current(self, public_key: str, made_of: t.Any) -> tuple[Bundle | None, list[str]]:
        """The bundle that is there, and why it does not count. Of an encrypted one nobody here can tell more than its record."""
        if self.form.recipients:
            return None, record_differences(self.path, self.form, made_of, self.signing_key, self.run)
        with tempfile.NamedTemporaryFile("w", prefix="airlift-", suffix=".signers") as signers:
            signers.write(f'maker namespaces="{NAMESPACE}" {public_key}\n')
            signers.flush()
            reasons: list[str] = []
            try:
                reasons = form_differences(self.path, self.form)
                bundle = load_bundle(self.path, signers.name, self.run)
            except InputError:
                return None, reasons or [f"there is no bundle at {self.path}"]
            except BundleError as error:
                return None, [error.problem]
        problems = verify_blobs(bundle)
        if problems:
            return None, [problems[0].problem]
        return bundle, reasons

    def _reasons(self, before: Bundle, ids: t.Mapping[Wanted, str], taken: BundleSource, bases: Bases) -> list[str]:
        """Why the bundle that is there is not what is wanted."""
        names = {entry.name for entry in taken.locked}
        reasons = differences([entry for entry in before.lock.images if entry.name not in names], ids)
        reasons += taken_differences(before.lock.images, taken.locked)
        reasons += base_differences(before.lock, [layer for image in before.images for layer in image.layers], bases)
        if replace(before.deltas, deltas=()) != self._asked_deltas():
            reasons.append("its deltas were asked for in another way, or from other bases")
        options = option_differences(before.lock.options, self.options)
        reasons += options
        # Which layers another option would have reused needs no reason of its own.
        if options or self.layer_reuse != CONTENT:
            return reasons
        ours = {wanted.name for wanted in ids if wanted.source.transport in _MADE_HERE}
        others = [layer for image in before.images if image.name not in ours for layer in image.layers]
        chosen = stand_ins([*others, *bases.layers], self.compression == ZSTD)
        return reasons + reuse_differences(
            {image.name: image.layers for image in before.images if image.name in ours}, chosen
        )

    def _noted_referrers(self, ids: t.Mapping[Wanted, str], taken: BundleSource) -> list[t.Any]:
        """What the record of an encrypted bundle knows of referrers: its lock cannot be read to compare them."""
        return self.attachments.around(ids, taken) if self.form.recipients else []

    def _write(
        self, ids: t.Mapping[Wanted, str], taken: BundleSource, bases: Bases, made_of: t.Any
    ) -> tuple[Lock, Deltas]:
        with _bundle_writer.work_directory(self.path, self.params["work_path"]) as work:
            elsewhere = stand_ins(bases.layers, self.compression == ZSTD) if self.layer_reuse == CONTENT else {}
            store = BlobStore(work, self.compression, bases.homes, elsewhere)
            packed = taken.fetch(store)
            for transport, kind in self.kinds.items():
                wanted = [entry for entry in self.wanted if entry.source.transport == transport]
                if wanted:
                    packed += kind.fetch(wanted, ids, store)
            if self.layer_reuse == CONTENT:
                packed = share_layers(packed, bases.layers, self.compression == ZSTD, store)
            check_locked(self.locked, packed)
            layers = [layer for entry in packed for layer in entry.image.layers]
            deltas = make_deltas(store, layers, self._asked_deltas(), self._base_bundles(), self.run)
            referrers = self.attachments.fetch(_pack.make_lock(packed).images, taken, store)
            _bundle_writer.write_bundle(
                store, packed, self.path, self.signing_key, self.run, self.options, bases, deltas, self.form, referrers
            )
            if self.form.recipients:
                write_record(self.form.base(self.path), made_of, self.signing_key, self.run)
        return _pack.make_lock(packed, options=self.options, bases=bases, referrers=referrers), deltas


def _public_key(signing_key: str, run: Run) -> str:
    code, out, err = run(["ssh-keygen", "-y", "-P", "", "-f", signing_key], None)
    if code != 0:
        try:
            # A key with a passphrase, which ssh-agent holds.
            with open(f"{signing_key}.pub", encoding="utf-8") as stream:
                return stream.read().strip()
        except OSError:
            raise InputError(
                f"{signing_key} cannot be used as a signing key: {(err or out).strip()}",
                f"Make one with: ssh-keygen -t ed25519 -f {signing_key}",
            ) from None
    return out.strip()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "images": {"type": "list", "elements": "raw", "default": []},
            **IMAGE_FILE_ARGUMENTS,
            "platform": {"type": "str", "default": "linux/amd64"},
            "parallel": {"type": "int", "default": 4},
            "compression": {"type": "str", "choices": [GZIP, ZSTD], "default": GZIP},
            "layer_reuse": {"type": "str", "choices": [CONTENT, DIGEST], "default": CONTENT},
            "base": {"type": "list", "elements": "path", "default": []},
            "deltas": {"type": "str", "choices": ["none", "beside", "instead"], "default": "none"},
            "delta_limit": {"type": "float", "default": 0.5},
            "allowed_signers": {"type": "path", "default": ""},
            "signing_key": {"type": "path", "required": True, "no_log": False},
            "authfile": {"type": "path", "default": ""},
            "cert_dir": {"type": "path", "default": ""},
            "referrers": {"type": "bool", "default": False},
            "require_signatures": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "key": {"type": "path", "required": True, "no_log": False},
                    "images": {"type": "list", "elements": "str", "default": ["*"]},
                },
            },
            "part_size": {"type": "str", "default": ""},
            "parity": {"type": "int", "default": 0},
            "encrypt_to": {"type": "list", "elements": "str", "default": []},
            "work_path": {"type": "path", "default": ""},
            **IDENTITY_ARGUMENTS,
            **ENGINE_ARGUMENTS,
        },
        required_one_of=[("images", "lock", "compose_files", "kubernetes_files")],
        supports_check_mode=True,
    )
    run_module(module, lambda: BundleMaker(module).make())


if __name__ == "__main__":
    main()
