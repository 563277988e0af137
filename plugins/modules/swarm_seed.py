#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_seed
short_description: Offer the layers of bundles to hosts that then feed each other
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Starts a tracker and, for each site, a seed of the layers that hosts lack. M(airlift.registry.swarm_member) lets hosts take part.
  - Sites never meet, as the torrent of each is another, and each has a limit of its own for the bytes that go to it.
  - Tracker and seeds listen on O(address) only. The tracker knows the torrents of this run and no others. Whoever can reach the address, and
    knows a torrent, can get the layers in it; torrents travel over Ansible's connection only.
  - All of it ends with the run of Ansible that started it, after O(lifetime), or with O(state=absent).
  - Runs where the bundles are. Usually that is the Ansible controller.
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._identity
attributes:
  check_mode:
    support: full
    details:
      - Starts nothing, and returns no torrents.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Each run with O(state=present) is a swarm of its own, so it is a change. A second O(state=absent) changes nothing.
options:
  state:
    description:
      - V(present) starts it, and stops what ran in O(directory) before. V(absent) stops it and removes O(directory).
    type: str
    choices: [present, absent]
    default: present
  directory:
    description:
      - A directory for what is seeded. Layers of a bundle that is a directory on the same file system are linked, those of another are copied there.
    type: path
    required: true
  path:
    description:
      - The bundles, as in M(airlift.registry.image_preload). Needed for O(state=present).
    type: list
    elements: path
    default: []
  allowed_signers:
    description:
      - A file with the public keys that may sign bundles. Needed for O(state=present).
    type: path
    default: ""
  blobs:
    description:
      - The digests of the layers to offer. Those that are in none of the bundles are left out.
    type: list
    elements: str
    default: []
  sites:
    description:
      - The names of the sites, each a swarm of its own.
    type: list
    elements: str
    default: [fleet]
  address:
    description:
      - The address to listen on, by which the hosts reach this machine. Needed for O(state=present).
    type: str
    default: ""
  tracker_port:
    description:
      - The port of the tracker.
    type: int
    default: 6969
  port:
    description:
      - The port of the first site's seed. Each further site has the next one.
    type: int
    default: 6881
  upload_limit:
    description:
      - The most bytes per second that go to one site. V(0) is no limit.
    type: int
    default: 0
  lifetime:
    description:
      - The most seconds that it runs, whatever happens.
    type: int
    default: 3600
requirements:
  - C(aria2), C(mktorrent) and C(opentracker).
seealso:
  - module: airlift.registry.swarm_member
  - ref: preload role <ansible_collections.airlift.registry.preload_role>
    description: Uses both, with C(preload_transport=swarm).
"""

EXAMPLES = r"""
- name: Offer two layers to the hosts of two sites, with at most 1 MB/s to each
  airlift.registry.swarm_seed:
    directory: /var/tmp/airlift-swarm
    path: [/media/stick/2026-11.tar]
    allowed_signers: /etc/airlift/allowed_signers
    blobs:
      - sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      - sha256:1d5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
    sites: [harbour, terminal]
    address: 192.0.2.10
    upload_limit: 1000000

- name: Stop
  airlift.registry.swarm_seed:
    state: absent
    directory: /var/tmp/airlift-swarm
"""

RETURN = r"""
torrents:
  description: The torrent of each site, in Base64.
  returned: O(state=present), and not in check mode
  type: dict
  sample: {"fleet": "ZDg6YW5ub3VuY2U..."}
listeners:
  description: What listens for each site, as C(ADDRESS:PORT), for O(airlift.registry.swarm_member#module:lives_with).
  returned: O(state=present)
  type: dict
  sample: {"fleet": ["192.0.2.10:6969", "192.0.2.10:6881"]}
offered:
  description: How many layers are offered.
  returned: O(state=present)
  type: int
  sample: 2
bytes:
  description: How many bytes they have.
  returned: O(state=present)
  type: int
  sample: 48211002
"""

import base64
import os
import secrets
import shutil
import typing as t
from contextlib import suppress

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils import _daemon, _swarm, _unpack
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    IDENTITY_ARGUMENTS,
    program_runner,
    run_module,
    unlocker,
)
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of

_TRACKER = "tracker"
_CONTENT = "content"
_ALLOWED = "allowed"
_TORRENT = "torrent"


class Seed:
    """The tracker and the seeds of all sites, in one directory."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.options = module.params
        self.run = program_runner(module)
        self.directory: str = module.params["directory"]
        self.blobs = os.path.join(self.directory, _CONTENT, _swarm.NAME)

    def absent(self) -> dict[str, t.Any]:
        """Stop everything and leave nothing."""
        changed = os.path.isdir(self.directory)
        if changed and not self.module.check_mode:
            self._stop()
        return {"changed": changed}

    def present(self) -> dict[str, t.Any]:
        """Start everything anew; the torrents."""
        if not self.options["address"]:
            raise InputError("address is not set", "Set it to an address of this machine that the hosts reach.")
        homes = self._homes()
        sizes = {digest: bundle.files.sizes()[blob_name(digest)] for digest, bundle in homes.items()}
        answer: dict[str, t.Any] = {
            "changed": bool(homes),
            "offered": len(homes),
            "bytes": sum(sizes.values()),
            "torrents": {},
            "listeners": self._listeners(),
        }
        if homes and not self.module.check_mode:
            self._stop()
            try:
                self._fill(homes)
                answer["torrents"] = self._start(_swarm.piece_exponent(answer["bytes"]))
            except Exception:
                self._stop()
                raise
        return answer

    def _homes(self) -> dict[str, Bundle]:
        """The wanted layers, each with a bundle that has it."""
        signers = self.options["allowed_signers"]
        bundles = [load_bundle(path, signers, self.run, unlocker(self.module)) for path in self.options["path"]]
        wanted = sorted(set(self.options["blobs"]))
        return {digest: bundle for digest in wanted for bundle in reversed(bundles) if blob_name(digest) in bundle.sums}

    def _fill(self, homes: t.Mapping[str, Bundle]) -> None:
        """Put the layers where they are seeded; no byte is offered that is not the one which was signed."""
        # The tracker gives up its rights, and then has to find its list below.
        os.makedirs(self.directory, mode=0o711)
        os.makedirs(self.blobs, mode=0o700)
        for digest, bundle in homes.items():
            name, target = blob_name(digest), os.path.join(self.blobs, hex_of(digest))
            with suppress(OSError):
                os.link(os.path.join(bundle.files.path, name), target, follow_symlinks=False)
            what = f"{name} in bundle {bundle.files.path}"
            if os.path.exists(target):
                _unpack.verify(target, digest, what)
            else:
                _unpack.write_verified(bundle.files.chunks(name), target, digest, what)

    def _start(self, exponent: int) -> dict[str, str]:
        announce = f"http://{_in_url(self.options['address'])}:{self.options['tracker_port']}/announce"
        places = [os.path.join(self.directory, f"seed-{number}") for number in range(len(self.options["sites"]))]
        torrents = {place: self._torrent(place, announce, exponent) for place in places}
        self._start_tracker([torrent.info_hash for torrent in torrents.values()])
        for number, (place, torrent) in enumerate(torrents.items()):
            member = self._member(number)
            command = member.command(os.path.join(place, _TORRENT), sorted(torrent.indices.values()))
            self._keep(place, command, member.port)
        return {site: _encoded(os.path.join(place, _TORRENT)) for site, place in zip(self.options["sites"], places)}

    def _listeners(self) -> dict[str, list[str]]:
        """What a member of each site looks at, to know that this machine is still there."""
        address = _in_url(self.options["address"])
        ports = {site: self.options["port"] + number for number, site in enumerate(self.options["sites"])}
        return {
            site: [f"{address}:{self.options['tracker_port']}", f"{address}:{port}"] for site, port in ports.items()
        }

    def _torrent(self, place: str, announce: str, exponent: int) -> _swarm.Torrent:
        os.mkdir(place, 0o700)
        path = os.path.join(place, _TORRENT)
        # Nobody can guess the torrent of another run.
        _swarm.make_torrent(self.blobs, path, announce, secrets.token_hex(16), exponent, self.run)
        return _swarm.read_torrent(path, self.run)

    def _member(self, number: int) -> _swarm.Member:
        content = os.path.join(self.directory, _CONTENT)
        options = self.options
        return _swarm.Member(content, options["address"], options["port"] + number, options["upload_limit"])

    def _start_tracker(self, hashes: t.Sequence[str]) -> None:
        place = os.path.join(self.directory, _TRACKER)
        os.mkdir(place, 0o711)
        allowed = os.path.join(place, _ALLOWED)
        with open(allowed, "w", encoding="ascii") as stream:
            stream.write("".join(f"{info_hash}\n" for info_hash in hashes))
        os.chmod(allowed, 0o644)
        port = self.options["tracker_port"]
        self._keep(place, _swarm.tracker_command(place, self.options["address"], port, _ALLOWED), port)

    def _keep(self, place: str, command: t.Sequence[str], port: int) -> None:
        _daemon.start(
            place, _daemon.while_alive(_ansible(), self.options["lifetime"], self.directory, command), self.run
        )
        _daemon.wait_for_port(place, self.options["address"], port)

    def _stop(self) -> None:
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(self.directory)):
                _daemon.stop(os.path.join(self.directory, name))
            shutil.rmtree(self.directory)


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _encoded(path: str) -> str:
    with open(path, "rb") as stream:
        return base64.b64encode(stream.read()).decode()


def _ansible() -> int:
    """The process ID of the run of Ansible that this module belongs to: its outermost ancestor that is one; its parent when none is."""
    found, pid = os.getppid(), os.getppid()
    while pid > 1:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = stream.read().split(b"\0")[:2]
        if any(os.path.basename(word).startswith(b"ansible") for word in words):
            found = pid
        with open(f"/proc/{pid}/stat", "rb") as stream:
            pid = int(stream.read().rpartition(b")")[2].split()[1])
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "directory": {"type": "path", "required": True},
            "path": {"type": "list", "elements": "path", "default": []},
            "allowed_signers": {"type": "path", "default": ""},
            "blobs": {"type": "list", "elements": "str", "default": []},
            "sites": {"type": "list", "elements": "str", "default": ["fleet"]},
            "address": {"type": "str", "default": ""},
            "tracker_port": {"type": "int", "default": 6969},
            "port": {"type": "int", "default": 6881},
            "upload_limit": {"type": "int", "default": 0},
            "lifetime": {"type": "int", "default": 3600},
            **IDENTITY_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    seed = Seed(module)
    run_module(module, seed.present if module.params["state"] == "present" else seed.absent)


if __name__ == "__main__":
    main()
