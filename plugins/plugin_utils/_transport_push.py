# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Transport push: blobs over Ansible's own connection, in parts, each written after what is there."""

from __future__ import annotations

import shlex
import time

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, HostError, TransportError
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Arrivals, Blob, Cargo, Shell

PART = 8 * 1024 * 1024  # bytes in one command: what is sent again, at most, after the connection was cut
_ATTEMPTS = 5  # in a row without a byte of progress
_PAUSE = 1.0  # seconds before the second attempt, doubled before each further one
_NOT_CONNECTED = "ssh: connect to host"  # as ssh says it: not a byte was sent
# What no further attempt changes, as the host's tools say it: what the disk is then, and what to do.
_NO_WAY = {
    "No space left on device": ("full", "Make room there"),
    "Disk quota exceeded": ("full for this user", "Make room there, or have the quota raised"),
    "Read-only file system": ("mounted read-only", "Find out why (dmesg), mount it for writing"),
    "Input/output error": ("broken", "Find out how badly (dmesg), replace it or name another with staging_path"),
}


class Push:
    """Sends at most I(bandwidth_limit) bytes in a second; 0 is no limit."""

    def __init__(self, shell: Shell, bandwidth_limit: int) -> None:
        self._shell = shell
        self._limit = bandwidth_limit

    def bring(self, cargo: Cargo, progress: Progress) -> None:
        if not cargo.blobs:
            return
        path = shlex.quote(cargo.staging_path)
        # The module has looked at it; since then it may have been made by somebody else.
        self._check(f"umask 077 && mkdir -p {path} && [ -O {path} ] && [ ! -L {path} ]", None)
        for blob in cargo.blobs:
            self._send_blob(blob, f"{cargo.staging_path}/{hex_of(blob.digest)}", progress, cargo.arrivals)
            cargo.arrivals.arrived(blob.digest, blob.size - blob.offset)
            cargo.arrivals.go_on()

    def _send_blob(self, blob: Blob, path: str, progress: Progress, arrivals: Arrivals) -> None:
        offset, failures = blob.offset, 0
        if offset == 0:
            name = shlex.quote(path)
            # Another run may be at the same blob. Only what is too long to be its beginning goes.
            self._check(
                f'umask 077 && : >> {name} && {{ [ "$(wc -c < {name})" -le {blob.size} ] || : > {name}; }}', None
            )
        while offset < blob.size:
            arrivals.go_on()
            arrived = self._send_part(blob, offset, path, progress)
            if arrived > offset:
                progress.advance(arrived - offset)
                offset, failures = arrived, 0
            else:
                failures += 1
                self._pause(failures, path)

    def _send_part(self, blob: Blob, offset: int, path: str, progress: Progress) -> int:
        """Append one part; how many bytes the file has then."""
        # Never more at once than a second's worth.
        length = min(PART, self._limit or PART, blob.size - offset)
        part = b"".join(blob.files.chunks(blob_name(blob.digest), offset, length))
        name = shlex.quote(path)
        started = time.monotonic()
        try:
            # Each part goes to its own place, and only when all before it is there. So it does no harm when it comes twice: its answer
            # may have got lost, or another run sends the same blob.
            place = f"dd bs=1 count=0 seek={offset} 2>/dev/null"
            self._check(f'[ "$(wc -c < {name})" -ge {offset} ] && {{ {place}; cat; }} 1<> {name}', part)
        except TransportError as error:
            arrived = self._size(name, offset)
            # How much of the rest was under way nobody tells.
            progress.waste(0 if _NOT_CONNECTED in error.problem else max(0, offset + length - max(offset, arrived)))
            return arrived
        if self._limit:
            time.sleep(max(0.0, length / self._limit - (time.monotonic() - started)))
        return offset + length

    def _size(self, name: str, otherwise: int) -> int:
        try:
            return int(self._check(f"wc -c < {name}", None))
        except (TransportError, ValueError):
            return otherwise

    def _check(self, command: str, data: bytes | None) -> str:
        try:
            # What is said of a full disk must be understood below.
            code, out, err = self._shell(f"LC_ALL=C; export LC_ALL; {command}", data)
        except AirliftError:
            raise
        except Exception as error:  # each connection plugin has errors of its own
            raise TransportError(
                f"The connection failed: {error}", "Run this again; what has arrived is kept."
            ) from error
        for said, (problem, step) in _NO_WAY.items():
            if said in err:
                raise HostError(
                    f"The disk of staging is {problem} ({err.strip()})",
                    f"{step} and run this again; what has arrived is kept.",
                )
        if code != 0:
            raise TransportError(
                f"Writing to staging failed: {err.strip() or out.strip() or code}",
                "Run this again; what has arrived is kept.",
            )
        return out.strip()

    def _pause(self, failures: int, path: str) -> None:
        if failures >= _ATTEMPTS:
            raise TransportError(
                f"{path} got no more bytes in {_ATTEMPTS} attempts",
                "Check the connection to the host and run this again; what has arrived is kept.",
            )
        time.sleep(_PAUSE * 2 ** (failures - 1))
