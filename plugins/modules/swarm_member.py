#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_member
short_description: Let a host get layers from, and give them to, the other hosts of its site
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Takes part in a swarm of M(airlift.registry.swarm_seed). First all hosts become members with O(state=present), then they wait for their
    layers with O(state=complete), then they leave with O(state=absent).
  - What has arrived goes into staging only after its sha256 has been found to be the one that was asked for. M(airlift.registry.image_preload) finds it
    there, and sends what is lacking.
  - A member that nobody tells to leave ends, and its files go, a minute after the last listener in O(lives_with) has gone, or after O(lifetime).
extends_documentation_fragment:
  - airlift.registry._attributes
attributes:
  check_mode:
    support: full
    details:
      - Starts, waits for and removes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) starts to get the layers, and to give what is there. V(complete) waits until all have arrived and puts them into staging; the
        host goes on giving. V(absent) stops it and removes all that is not in staging.
    type: str
    choices: [present, complete, absent]
    default: present
  torrent:
    description:
      - The torrent of the host's site, in Base64, as M(airlift.registry.swarm_seed) returns it. Needed for O(state=present).
    type: str
    default: ""
  blobs:
    description:
      - The digests of the layers that the host lacks. Those that the torrent does not have are left out.
    type: list
    elements: str
    default: []
  staging_path:
    description:
      - The staging directory, as in M(airlift.registry.image_preload).
    type: path
    default: /var/lib/airlift/staging
  address:
    description:
      - The host's address to listen on, by which the other hosts of the site reach it. Needed for O(state=present).
    type: str
    default: ""
  port:
    description:
      - The port to listen on.
    type: int
    default: 6881
  upload_limit:
    description:
      - The most bytes per second that the host gives. V(0) is no limit.
    type: int
    default: 0
  download_limit:
    description:
      - The most bytes per second that the host takes. V(0) is no limit.
    type: int
    default: 0
  patience:
    description:
      - How many seconds O(state=complete) goes on without a byte that arrives. Then it puts into staging what is whole.
    type: int
    default: 60
  lives_with:
    description:
      - Listeners of the seed's machine, as C(ADDRESS:PORT). When for a minute none of them accepts a connection, the member ends. Needed for O(state=present).
    type: list
    elements: str
    default: []
  lifetime:
    description:
      - The most seconds that the member runs, whatever happens.
    type: int
    default: 3600
requirements:
  - C(aria2).
seealso:
  - module: airlift.registry.swarm_seed
"""

EXAMPLES = r"""
- name: Take part in the swarm of the site
  airlift.registry.swarm_member:
    torrent: "{{ seed.torrents.fleet }}"
    lives_with: "{{ seed.listeners.fleet }}"
    blobs: ["sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6"]
    address: "{{ ansible_host }}"

- name: Wait for the layers
  airlift.registry.swarm_member:
    state: complete
    blobs: ["sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6"]

- name: Leave the swarm
  airlift.registry.swarm_member:
    state: absent
"""

RETURN = r"""
arrived:
  description: The layers that are in staging now.
  returned: O(state=complete)
  type: list
  elements: str
  sample: ["sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6"]
missing:
  description: The layers that have not arrived. They are to be sent in another way.
  returned: O(state=complete)
  type: list
  elements: str
  sample: []
bytes:
  description: How many bytes of layers came from the swarm.
  returned: O(state=complete)
  type: int
  sample: 48211002
bytes_wasted:
  description: How many bytes came of layers that did not arrive whole, which are removed with O(state=absent), and of pieces that were wrong.
  returned: O(state=complete)
  type: int
  sample: 0
said:
  description: The last that aria2 said, when layers are missing.
  returned: O(state=complete)
  type: str
  sample: ""
"""

import base64
import binascii
import os
import shutil
import time
import typing as t
from contextlib import suppress

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils import _daemon, _swarm, _unpack
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._listener import end_when_nobody_listens
from ansible_collections.airlift.registry.plugins.module_utils._module import program_runner, run_module
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of
from ansible_collections.airlift.registry.plugins.module_utils._staging import DEFAULT_PATH, Staging

_DIRECTORY = "swarm"
_TORRENT = "torrent"
_HOOK = "hook"
_COMPLETE = "complete"
_INTERVAL = 0.5  # seconds between two looks at what has arrived
_GRACE = 60  # seconds without the seed's machine
_HURRY = 1.0  # seconds to end by itself, when nobody listens any more


class SwarmMember:
    """A host's part in a swarm, in a directory below its staging."""

    def __init__(self, module: AnsibleModule) -> None:
        self.options = module.params
        self.check_mode = module.check_mode
        self.run = program_runner(module)
        self.staging = Staging(module.params["staging_path"])
        self.directory = os.path.join(self.staging.path, _DIRECTORY)

    def present(self) -> dict[str, t.Any]:
        """Start to get the layers that the torrent has."""
        if not self.options["address"]:
            raise InputError("address is not set", "Set it to the address by which the other hosts reach this one.")
        torrent = self._torrent()
        changed = not self._takes_part(torrent)
        if changed and not self.check_mode:
            self._remove()
            try:
                self._start(torrent)
            except Exception:
                self._remove()
                raise
        return {"changed": changed}

    def complete(self) -> dict[str, t.Any]:
        """Wait, and put into staging what has arrived whole."""
        if not self.check_mode:
            self._wait_while_asked()
        there = self.staging.blobs()
        arrived = [digest for digest in self.options["blobs"] if not self.check_mode and self._take(digest, there)]
        missing = [digest for digest in self.options["blobs"] if digest not in arrived]
        return {
            "changed": bool(arrived),
            "arrived": arrived,
            "missing": missing,
            "bytes": sum(os.path.getsize(self.staging.file_of(digest)) for digest in arrived),
            "bytes_wasted": sum(_swarm.bytes_of(self._file(digest)) for digest in missing) + self._wrong(),
            "said": _daemon.last_words(self.directory) if missing else "",
        }

    def absent(self) -> dict[str, t.Any]:
        """Leave the swarm, and leave nothing of it."""
        changed = os.path.isdir(self.directory)
        if changed and not self.check_mode:
            self._remove()
        return {"changed": changed}

    def _takes_part(self, torrent: bytes) -> bool:
        """Whether it runs, and not for the torrent of an earlier run that was interrupted."""
        try:
            with open(os.path.join(self.directory, _TORRENT), "rb") as stream:
                return stream.read(len(torrent) + 1) == torrent and _daemon.is_running(self.directory)
        except FileNotFoundError:
            return False

    def _start(self, content: bytes) -> None:
        self.staging.check()
        os.makedirs(self.directory, mode=0o700)
        self.staging.check()
        torrent = self._write(_TORRENT, content)
        hook = self._write(_HOOK, b'#!/bin/sh\n: > "${0%/*}/complete"\n', 0o700)
        indices = _swarm.read_torrent(torrent, self.run).indices
        wanted = sorted(indices[digest] for digest in self.options["blobs"] if digest in indices)
        if not wanted:
            self._remove()
            return
        options = self.options
        member = _swarm.Member(
            self.directory, options["address"], options["port"], options["upload_limit"], options["download_limit"]
        )
        command = member.counted(torrent, wanted, hook)
        others = [_listener(place) for place in options["lives_with"]]
        lasting = _daemon.while_reached(others, _GRACE, options["lifetime"], self.directory, command)
        _daemon.start(self.directory, lasting, self.run)
        _daemon.wait_for_port(self.directory, member.address, member.port)

    def _torrent(self) -> bytes:
        try:
            return base64.b64decode(self.options["torrent"], validate=True)
        except binascii.Error:
            raise InputError("torrent is not Base64", "Give what swarm_seed returns.") from None

    def _write(self, name: str, data: bytes, mode: int = 0o600) -> str:
        path = os.path.join(self.directory, name)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(data)
        return path

    def _wait_while_asked(self) -> None:
        try:
            self._wait()
        except SystemExit:  # nobody listens any more
            self._remove(_HURRY)
            raise

    def _wait(self) -> None:
        """Until all has arrived, aria2 has ended, or nothing arrives any more."""
        size, since = -1, time.monotonic()
        while _daemon.is_running(self.directory) and not os.path.exists(os.path.join(self.directory, _COMPLETE)):
            # Of the layers alone: what aria2 says about a tracker that is gone grows as well.
            now = _swarm.size_on_disk(os.path.join(self.directory, _swarm.NAME))
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > self.options["patience"]:
                return
            time.sleep(_INTERVAL)

    def _wrong(self) -> int:
        """Bytes of wrong pieces. None came to who takes no part."""
        try:
            return _swarm.wrong_bytes(_daemon.log_of(self.directory), os.path.join(self.directory, _TORRENT))
        except FileNotFoundError:
            return 0

    def _file(self, digest: str) -> str:
        return os.path.join(self.directory, _swarm.NAME, hex_of(digest))

    def _take(self, digest: str, there: t.Mapping[str, int]) -> bool:
        """Put a layer into staging, if it has arrived whole."""
        path, target = self._file(digest), self.staging.file_of(digest)
        # A layer that is still being filled can have its size already, and holes.
        if not os.path.exists(path) or _unpack.digest_of(path) != digest:
            return False
        if digest in there:
            os.unlink(target)
        os.link(path, target)
        return True

    def _remove(self, patience: float = _daemon.STOP_TIMEOUT) -> None:
        _daemon.stop(self.directory, patience)
        with suppress(FileNotFoundError):
            shutil.rmtree(self.directory)
        self.staging.remove([])


def _listener(place: str) -> tuple[str, int]:
    address, _colon, port = place.rpartition(":")
    if not address or not port.isdecimal():
        raise InputError(f"{place} in lives_with is not ADDRESS:PORT", "Give what swarm_seed returns.")
    return address.strip("[]"), int(port)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "complete", "absent"], "default": "present"},
            "torrent": {"type": "str", "default": ""},
            "blobs": {"type": "list", "elements": "str", "default": []},
            "staging_path": {"type": "path", "default": DEFAULT_PATH},
            "address": {"type": "str", "default": ""},
            "port": {"type": "int", "default": 6881},
            "upload_limit": {"type": "int", "default": 0},
            "download_limit": {"type": "int", "default": 0},
            "patience": {"type": "int", "default": 60},
            "lives_with": {"type": "list", "elements": "str", "default": []},
            "lifetime": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    end_when_nobody_listens()
    member = SwarmMember(module)
    states = {"present": member.present, "complete": member.complete, "absent": member.absent}
    run_module(module, states[module.params["state"]])


if __name__ == "__main__":
    main()
