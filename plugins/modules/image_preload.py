#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_preload
short_description: Bring the images of a bundle onto a host, sending only what it lacks
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Compares a verified bundle on the controller with what the host's engine has, sends the layers that are missing, loads them,
    and reports success only after the engine, asked again, shows the expected images with all their layers.
  - The images are loaded under temporary names. A name means the new image only when that is proven, so a load that fails or is
    killed never takes a name away from a good image.
  - Needs nothing from the host but an engine, Python, and the Docker SDK. The bytes travel over Ansible's own connection, or from a registry that
    the host reaches.
  - A transfer that was cut goes on where it stopped, in the same run or in the next.
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._engine
  - airlift.registry._identity
  - airlift.registry._trust
attributes:
  async:
    description: Can be run with the keyword C(async).
    support: none
    details:
      - It sends from the controller. The keyword C(timeout) bounds the time of a host.
  check_mode:
    support: full
    details:
      - Shows the plan. What the host has is read, and nothing is written.
  diff_mode:
    support: full
    details:
      - Shows which image ID each name means, before and after, and which images are removed.
  idempotent:
    support: full
options:
  path:
    description:
      - The bundles, each a directory or a tar on the controller. Of a tar in parts, or of one that is encrypted, the path of the tar itself, as
        V(app.tar) for C(app.tar.001), C(app.tar.age) or C(app.tar.age.001).
      - With an incremental bundle give also the bundles that it was made against, in any order, or leave out those whose layers the hosts have.
    type: list
    elements: path
    required: true
  images:
    description:
      - The names of the images to preload. All of the bundles' images when this is empty.
    type: list
    elements: str
    default: []
  transport:
    description:
      - How blobs reach the host.
      - V(push) sends them over Ansible's own connection.
      - V(registry) lets the host's engine pull the images by digest from O(registry). What does not come, for whatever reason, is sent as with V(push), with
        a warning.
      - V(auto) is V(registry) when O(registry) is set, the host reaches it, and the pull costs no more bytes than V(push); else it is V(push). Docker with
        overlay2 pulls layers again that came by V(push), and what it would pull is estimated before.
    type: str
    choices: [auto, push, registry]
    default: auto
  registry:
    description:
      - A registry to which the bundles were published, as V(HOST[:PORT][/NAMESPACE]), see M(airlift.registry.registry_publish).
      - The engine must trust it, and uses the credentials with which the user of the task has logged in there; the role P(airlift.registry.client#role)
        does both. The digests are those of the signed bundles, so what is pulled is what was signed.
    type: str
    default: ""
  swarm:
    description:
      - What a swarm has brought into O(staging_path) before, for the result to tell. Nothing is done by it; what is in staging is used in any case.
      - The role P(airlift.registry.preload#role) gives what M(airlift.registry.swarm_member) said.
    type: dict
    default: {}
    suboptions:
      reason:
        description: Why there was a swarm, or none.
        type: str
        default: ""
      arrived:
        description: The digests of the layers that came.
        type: list
        elements: str
        default: []
      bytes:
        description: How many bytes these have.
        type: int
        default: 0
      bytes_wasted:
        description: How many bytes came and were of no use.
        type: int
        default: 0
  bandwidth_limit:
    description:
      - The most bytes per second that are sent to one host. V(0) is no limit.
    type: int
    default: 0
  events:
    description:
      - A file on the controller to which what happens is appended while it happens, one JSON object on each line. All hosts of a run may have the same
        file. The guide on preloading has the format.
      - Check mode is told of too; each line says which it is.
    type: path
    default: ""
  deltas:
    description:
      - Whether a layer may come as a delta from one that the host's engine has, when the bundle has such a delta. The engine gives the base out through its
        API to save images, the host applies the delta with C(xdelta3), and what comes out must have the digest that was signed.
      - V(auto) takes a delta when that is faster than to send the layer, by O(link_speed) and an estimate of the work on the host; whenever the delta is
        smaller if no speed is known; and when the bundles at hand have nothing but the delta.
      - V(always) takes each delta that the host can apply, V(never) none. Where a host lacks what it takes (C(xdelta3), memory, disk, the base), or a
        delta fails, the layer itself is sent, or made on the controller if the bundle with the base is given too.
    type: str
    choices: [auto, always, never]
    default: auto
  link_speed:
    description:
      - Bytes per second that reach the host, for O(deltas=auto). V(0) takes O(bandwidth_limit), or else what was measured when blobs were last sent to
        this host.
    type: int
    default: 0
  staging_path:
    description:
      - A directory on the host for blobs that are on their way. It belongs to the user of the task and nobody else may write to it, or it is refused.
    type: path
    default: /var/lib/airlift/staging
  platform:
    description:
      - The platform whose images to take, as C(docker --platform) has it, for example V(linux/arm64) or V(linux/arm/v7).
      - Without it these are the images that the engine's machine runs. An image that has none for it is a reason to refuse the host.
      - An engine with the containerd image store unpacks what its machine does not run only if it can be told to, which Docker can from version 28 on (API
        1.48). Older ones are refused.
    type: str
    default: ""
  downgrade:
    description:
      - What to do when an image would come from a bundle that is older than the bundle that it last came from, and is another image than that. So
        a bundle is noticed that somebody has kept and now gives out as a new one.
      - How old a bundle is, is the time C(created) in its signed lock. The host's clock has no part in it.
      - V(warn) preloads it and returns a warning, V(refuse) fails before anything is changed, V(allow) says nothing.
    type: str
    choices: [allow, warn, refuse]
    default: warn
  replaced:
    description:
      - What becomes of the image that a name meant before, when the name now means another one.
      - V(keep) leaves it in the engine, without that name. V(remove) removes it once the new image is proven and has its name, unless another name means it
        or a container uses it, running or not. The engine decides; nothing is forced, and an engine's refusal is no failure but a RV(images) entry.
      - Of a run that was killed after it moved the name nobody knows what the name meant before, so the image stays; M(airlift.registry.image_prune) removes
        such images.
    type: str
    choices: [keep, remove]
    default: keep
  record_path:
    description:
      - A file on the host in which the module notes for each image the bundle that it last came from. It is written, with mode 0600, after everything
        else has succeeded; that alone is no change.
      - Beside it, in a file whose name ends in C(.link), lies the speed at which blobs last came.
    type: path
    default: /var/lib/airlift/preloaded.json
  _request:
    description:
      - What the action plugin asks of the host. Playbooks leave it out.
    type: dict
seealso:
  - module: airlift.registry.bundle
  - ref: preload role <ansible_collections.airlift.registry.preload_role>
    description: The same with a report for the fleet.
"""

EXAMPLES = r"""
- name: Bring all images of the bundle onto the host
  airlift.registry.image_preload:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
  become: true

- name: Bring one image, and no faster than 1 MB/s
  airlift.registry.image_preload:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
    images:
      - app:1.4
    bandwidth_limit: 1000000
  become: true

- name: Let the host pull what it lacks from the site's registry, and send it what does not come
  airlift.registry.image_preload:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
    registry: registry.example.com
  become: true

- name: Refuse a bundle that is older than what the host has
  airlift.registry.image_preload:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
    downgrade: refuse
  become: true

- name: Remove the images whose names move to the new ones
  airlift.registry.image_preload:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
    replaced: remove
  become: true

- name: Bring images for 64 bit ARM onto a host that emulates it
  airlift.registry.image_preload:
    path: /media/stick/2026-11.tar
    allowed_signers: /etc/airlift/allowed_signers
    platform: linux/arm64
  become: true
"""

RETURN = r"""
to_do:
  description:
    - Whether there is, or was, anything to do on the host. That is more than C(changed) where only something is put in order that does not show in the
      images, such as blobs of a killed run.
    - When a run in check mode says no, a run without it can be left out.
  returned: success
  type: bool
  sample: true
reasons:
  description:
    - All the reasons why the host cannot take the images, or the one why it failed to, each with its C(kind), the C(images) that it is about (none when
      it is about the host), the C(problem), and the C(next_step).
    - Before anything is changed the kinds are C(engine), C(platform), C(compression), C(layers), C(disk), C(record), C(downgrade); and what keeps a
      bundle or a host from being looked at, C(signature), C(bundle), C(input), C(host), C(transport) when it is not reached.
  returned: always, empty on success
  type: list
  elements: dict
  sample:
    - kind: disk
      images: []
      problem: "The disk of staging is too small: /var/lib/airlift/staging has 1048576 bytes free and 48211002 are needed"
      next_step: Make room there (docker image prune, or a larger disk) and run this again; nothing was changed.
images:
  description:
    - Each image, what was done, and why. C(transport) is how it was brought, or would be, C(push), C(registry) or C(swarm), and empty when the engine
      had it.
    - Each of its C(layers) has an C(action), C(present), C(staged), C(delta) or C(send), and the C(reason), with what was weighed when there is a delta.
    - C(reference) names the image for good, whatever becomes of its tag, with no registry in reach. It is the repository with the registry's digest where
      the engine keeps that (C(by_digest)), as the containerd image store and podman do. It is the image ID elsewhere, since a graph driver knows no digest
      of an image that was loaded and not pulled.
    - C(replaced) is the image that the name meant before, if it meant another one. It has its C(id), the C(action) V(keep) or V(remove), the C(reason), and
      C(bytes_freed) by the engine's own count, which is V(null) in check mode, when it was kept, and when the engine does not count (podman 4 does not).
  returned: success
  type: list
  elements: dict
  sample:
    - name: docker.io/library/app:1.4
      id: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      by_digest: false
      reference: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      before: null
      action: load
      reason: the engine has no image sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      transport: push
      layers: []
      replaced: null
images_by_name:
  description: The same by name, full and short, with C(id), C(digest) and C(reference) only.
  returned: success
  type: dict
  sample:
    app:1.4:
      id: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      digest: sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      reference: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
bytes:
  description: Bytes of compressed layers that were C(present) in the engine, C(staged) by an earlier try, that came as a C(delta), and that the host
    lacked otherwise (C(send)).
  returned: success
  type: dict
  sample: {"present": 48211002, "staged": 0, "delta": 0, "send": 1804311}
bytes_sent:
  description: Bytes of layers that were sent in this run, and arrived. Also of a run that failed, like RV(bytes_pulled) and RV(bytes_wasted).
  returned: always
  type: int
  sample: 1804311
bytes_pulled:
  description: Bytes of layers that the host's engine pulled from O(registry) in this run, as it counts them.
  returned: always
  type: int
  sample: 0
bytes_swarm:
  description: Bytes of layers that came from a swarm before, as O(swarm) tells.
  returned: always
  type: int
  sample: 0
bytes_wasted:
  description:
    - Bytes that came to nothing. Those that O(swarm) tells of; those of C(bytes_pulled) that belong to images which could not be pulled to the end; and
      what was sent beside C(bytes_sent) because the connection broke, which is counted from above, since nobody tells how much of a part was under way
      then.
  returned: always
  type: int
  sample: 0
transport_reason:
  description: Why this transport.
  returned: success
  type: str
  sample: no registry is named
resumed_bytes:
  description: Bytes of layers that an earlier try had already sent.
  returned: success
  type: int
  sample: 0
engine:
  description: The engine, with its version and image store.
  returned: success
  type: dict
  sample: {"product": "docker", "version": "28.5.2", "store": "graph", "driver": "overlay2", "platform": "linux/amd64"}
signers:
  description: Who signed the bundles, as O(allowed_signers) names them.
  returned: success
  type: list
  elements: str
  sample: [release@example.com]
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 3.2
"""

import fcntl
import os
import typing as t
from contextlib import contextmanager, suppress

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._archive import ArchiveImage, thin_archive
from ansible_collections.airlift.registry.plugins.module_utils._engine_pull import PullingEngine, knock, pull_images
from ansible_collections.airlift.registry.plugins.module_utils._engine_storage import EngineStorage
from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError, HostError
from ansible_collections.airlift.registry.plugins.module_utils._host_deltas import ability, restore_layers
from ansible_collections.airlift.registry.plugins.module_utils._link_speed import note_link_speed, read_link_speed
from ansible_collections.airlift.registry.plugins.module_utils._listener import end_when_nobody_listens
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    ENGINE_ARGUMENTS,
    IDENTITY_ARGUMENTS,
    program_runner,
    run_module,
)
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of
from ansible_collections.airlift.registry.plugins.module_utils._plan import temporary_name
from ansible_collections.airlift.registry.plugins.module_utils._platform import platform_to_unpack
from ansible_collections.airlift.registry.plugins.module_utils._preloaded import (
    DEFAULT_RECORD,
    is_writable,
    note_preloaded,
    read_preloaded,
)
from ansible_collections.airlift.registry.plugins.module_utils._proof import prove
from ansible_collections.airlift.registry.plugins.module_utils._removal import remove_unused
from ansible_collections.airlift.registry.plugins.module_utils._replaced import KEEP, REMOVE
from ansible_collections.airlift.registry.plugins.module_utils._staging import DEFAULT_PATH, Staging, disk


class Preloader:
    """The host's half of a preload. The controller's half is the action plugin of the same name."""

    def __init__(self, module: AnsibleModule) -> None:
        self.engine = EngineStorage(module.params["docker_host"], module.params["docker_timeout"])
        self.timeout = module.params["docker_timeout"]
        self.registry = module.params["registry"] if module.params["transport"] != "push" else ""
        self.staging = Staging(module.params["staging_path"])
        self.record_path = module.params["record_path"]
        self.replaced = module.params["replaced"]
        self._run = program_runner(module)

    def snapshot(self) -> dict[str, t.Any]:
        """What this host has: its engine, images, staged blobs, free disk, and what it noted of earlier bundles."""
        self.staging.check()
        engine = self.engine.description()
        return {
            "engine": engine,
            "images": self.engine.images(),
            "containers": self.engine.containers() if self.replaced == REMOVE else None,
            "staged": self.staging.blobs(),
            "disk": disk(self.staging.path, engine["storage_path"]),
            "deltas": {**ability(self.staging, self._run), "link_speed": read_link_speed(self.record_path)},
            # Why it is not reached.
            "registry": knock(self.registry) if self.registry else "",
            "record": {
                "path": self.record_path,
                "writable": is_writable(self.record_path),
                "images": read_preloaded(self.record_path, self.engine.host),
            },
        }

    def carry_out(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the controller asks for: pull images, or load what is in staging."""
        if "pull" in request:
            engine = PullingEngine(self.engine.host, self.timeout)
            return {"changed": True, "pulled": pull_images(engine, request["pull"])}
        return self.load(request)

    def load(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        """Carry out a plan whose blobs are in staging now; of one that is not the last of a run only what comes before the names."""
        with self._lock():
            planned = _by_id(image for image in request["images"] if image["action"] == "load")
            loads = {image_id: image for image_id, image in planned.items() if not self._is_there(image)}
            # Of an image with several names only the first may have them.
            deltas = [delta for image in request["images"] for delta in image.get("deltas", ())]
            restore_layers(self.engine, self.staging, deltas if loads else [], self._run)
            self._verify(loads)
            self._load(loads)
            if not request["is_last"]:
                return {"changed": True, "replaced": {}}
            for image in request["images"]:
                if image["action"] != "present":
                    self._tag(image["id"], image["name"])
            for name in [*(temporary_name(image_id) for image_id in loads), *request["leftovers"]["tags"]]:
                self.engine.untag(name)
            if request["record"]:
                note_preloaded(self.record_path, self.engine.host, request["record"])
            if request["link_speed"]:
                note_link_speed(self.record_path, request["link_speed"])
            staged = [digest for image in planned.values() for digest in image["include"]]
            replaced = {image_id: remove_unused(self.engine, image_id) for image_id in request["replaced"]}
        self.staging.remove({*staged, *(delta["blob"] for delta in deltas), *request["leftovers"]["blobs"]})
        return {"changed": True, "replaced": replaced}

    def _is_there(self, image: dict[str, t.Any]) -> bool:
        """Whether another run has loaded it since this one was planned, and taken its blobs from staging."""
        found = self.engine.inspect(image["id"])
        return found is not None and found["whole"] and found["layers"] == image["diff_ids"]

    def _verify(self, loads: t.Mapping[str, dict[str, t.Any]]) -> None:
        """No byte goes to the engine before its digest is known to be the one that was signed."""
        for image in loads.values():
            for kind in ("index", "manifest", "config"):
                if kind in image and digest_of(image[kind].encode()) != image[f"{kind}_digest"]:
                    raise HostError(f"The {kind} of {image['name']} arrived damaged", "Run this again.")
            for digest in image["include"]:
                self.staging.verify(digest, image["name"])

    def _load(self, loads: t.Mapping[str, dict[str, t.Any]]) -> None:
        try:
            for platform, together in self._archives(loads):
                self.engine.load(self._archive(together), platform)
            for image_id, image in loads.items():
                prove(self.engine, temporary_name(image_id), image_id, image["diff_ids"], image["name"])
        except EngineError:
            # If the engine cannot do that now, the next run does: it takes them for leftovers.
            with suppress(EngineError):
                for image_id in loads:
                    self.engine.untag(temporary_name(image_id))
            raise

    def _archives(self, loads: t.Mapping[str, dict[str, t.Any]]) -> list[tuple[str, dict[str, dict[str, t.Any]]]]:
        """The images that go into one archive, with the platform that the engine must be told: all that need the same, but of an archive of several images
        podman reads docker's face, and so never learns under which digests it has the layers."""
        engine = self.engine.description()
        if engine["product"] == "podman":
            return [("", {image_id: image}) for image_id, image in loads.items()]
        groups: dict[str, dict[str, dict[str, t.Any]]] = {}
        for image_id, image in loads.items():
            groups.setdefault(platform_to_unpack(image["platform"], engine), {})[image_id] = image
        return list(groups.items())

    def _archive(self, loads: t.Mapping[str, dict[str, t.Any]]) -> t.Iterator[bytes]:
        images = [
            ArchiveImage(
                temporary_name(image_id),
                image["manifest"].encode(),
                image["config"].encode(),
                image.get("index", "").encode(),
            )
            for image_id, image in loads.items()
        ]
        layers = {digest: self.staging.file_of(digest) for image in loads.values() for digest in image["include"]}
        contents = {digest: diff_id for image in loads.values() for digest, diff_id in image["contents"].items()}
        return thin_archive(images, layers, contents)

    def _tag(self, image_id: str, name: str) -> None:
        self.engine.tag(image_id, name)
        found = self.engine.inspect(name)
        if not found or found["id"] != image_id:
            raise EngineError(f"{name} does not mean {image_id} after it was tagged", "Run this again.")

    @contextmanager
    def _lock(self) -> t.Iterator[None]:
        """Two controllers may want the same host at the same time; the second waits."""
        os.makedirs(self.staging.path, mode=0o700, exist_ok=True)
        self.staging.check()
        handle = os.open(self.staging.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _by_id(images: t.Iterable[dict[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    """An image that has several names is loaded once."""
    return {image["id"]: image for image in images}


SWARM_ARGUMENTS: dict[str, t.Any] = {
    "reason": {"type": "str", "default": ""},
    "arrived": {"type": "list", "elements": "str", "default": []},
    "bytes": {"type": "int", "default": 0},
    "bytes_wasted": {"type": "int", "default": 0},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "list", "elements": "path", "required": True},
            "images": {"type": "list", "elements": "str", "default": []},
            "allowed_signers": {"type": "path", "required": True},
            "transport": {"type": "str", "choices": ["auto", "push", "registry"], "default": "auto"},
            "registry": {"type": "str", "default": ""},
            "swarm": {"type": "dict", "default": {}, "options": SWARM_ARGUMENTS},
            "bandwidth_limit": {"type": "int", "default": 0},
            "events": {"type": "path", "default": ""},
            "deltas": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "link_speed": {"type": "int", "default": 0},
            "staging_path": {"type": "path", "default": DEFAULT_PATH},
            "platform": {"type": "str", "default": ""},
            "downgrade": {"type": "str", "choices": ["allow", "warn", "refuse"], "default": "warn"},
            "replaced": {"type": "str", "choices": [KEEP, REMOVE], "default": KEEP},
            "record_path": {"type": "path", "default": DEFAULT_RECORD},
            **IDENTITY_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            # Nothing for a snapshot, or the plan to carry out.
            "_request": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    request = module.params["_request"]
    end_when_nobody_listens()
    run_module(module, lambda: Preloader(module).carry_out(request) if request else Preloader(module).snapshot())


if __name__ == "__main__":
    main()
