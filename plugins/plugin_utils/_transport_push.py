# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Transport push: blobs over Ansible's own connection, in parts, each written after what is there.

While one command writes a part, a second one already has the next part under way and waits on the host for its turn, so the link is never idle.
"""

from __future__ import annotations

import contextvars
import shlex
import sys
import threading
import time

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, HostError, TransportError
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress
from ansible_collections.airlift.registry.plugins.plugin_utils._push_parts import Part, Parts
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Arrivals, Cargo, Shell

_ATTEMPTS = 5  # in a row without a byte of progress
_PAUSE = 1.0  # seconds before the second attempt, doubled before each further one
_TURN = 100  # looks at the file, ten in a second, before a command no longer waits for the part before its own
_NOT_CONNECTED = "ssh: connect to host"  # as ssh says it: not a byte was sent
# What no further attempt changes, as the host's tools say it: what the disk is then, and what to do.
_NO_WAY = {
    "No space left on device": ("full", "Make room there"),
    "Disk quota exceeded": ("full for this user", "Make room there, or have the quota raised"),
    "Read-only file system": ("mounted read-only", "Find out why (dmesg), mount it for writing"),
    "Input/output error": ("broken", "Find out how badly (dmesg), replace it or name another with staging_path"),
}


class Push:
    """Sends at most I(bandwidth_limit) bytes in a second; 0 is no limit. I(second) runs commands beside those of I(shell), from another thread."""

    def __init__(self, shell: Shell, bandwidth_limit: int, second: Shell | None = None) -> None:
        self._shell = shell
        self._limit = bandwidth_limit
        self._second = second

    def bring(self, cargo: Cargo, progress: Progress) -> None:
        if not cargo.blobs:
            return
        path = shlex.quote(cargo.staging_path)
        # The module has looked at it; since then it may have been made by somebody else.
        _check(self._shell, f"umask 077 && mkdir -p {path} && [ -O {path} ] && [ ! -L {path} ]", None)
        # Never more at once than a second's worth.
        parts = Parts(cargo.blobs, self._limit)
        beside = self._begin_beside(parts, cargo.staging_path, progress)
        lane = _Lane(self._shell, parts, cargo.staging_path, progress, is_alone=not beside)
        try:
            self._send_parts(parts, lane, cargo.arrivals)
        except Exception as error:
            parts.fail(error)
            raise
        finally:
            # Whoever interrupts the run does not wait for it.
            if beside and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                beside.join()
        parts.raise_failure()
        _tell(parts, cargo.arrivals)

    def _begin_beside(self, parts: Parts, staging_path: str, progress: Progress) -> threading.Thread | None:
        """Send every part that this thread does not come to from another one."""
        if not self._second or self._limit:
            return None
        lane = _Lane(self._second, parts, staging_path, progress, is_alone=False)

        def work() -> None:
            try:
                while part := parts.take():
                    lane.send(part)
                    parts.done(part)
            except Exception as error:
                parts.fail(error)

        # Ansible keeps notes of the task in the context.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        thread.start()
        return thread

    def _send_parts(self, parts: Parts, lane: _Lane, arrivals: Arrivals) -> None:
        _tell(parts, arrivals)
        while part := parts.take():
            started = time.monotonic()
            lane.send(part)
            parts.done(part)
            if self._limit:
                time.sleep(max(0.0, part.length / self._limit - (time.monotonic() - started)))
            _tell(parts, arrivals)


class _Lane:
    """Sends one part after the other. Unless it I(is_alone), another lane may be at the part before its own."""

    def __init__(self, shell: Shell, parts: Parts, staging_path: str, progress: Progress, is_alone: bool) -> None:
        self._shell = shell
        self._parts = parts
        self._staging_path = staging_path
        self._progress = progress
        self._turn = 0 if is_alone else _TURN

    def send(self, part: Part) -> None:
        """Send a part, and what is lacking of it again, as long as that gets any further."""
        path = f"{self._staging_path}/{hex_of(part.blob.digest)}"
        offset, end, failures, seen = part.offset, part.offset + part.length, 0, part.offset
        while offset < end:
            size = self._attempt(part, offset, path, seen)
            if size > offset:
                self._progress.advance(min(size, end) - offset)
                offset, failures = size, 0
            elif size > seen:
                # The other lane still writes the part before this one.
                failures = 0
            else:
                self._parts.raise_failure()
                failures += 1
                _pause(failures, path)
            seen = size

    def _attempt(self, part: Part, offset: int, path: str, seen: int) -> int:
        """Send a part from I(offset) on; the size of the file then, as I(seen) before if nobody knows."""
        end = part.offset + part.length
        data = b"".join(part.blob.files.chunks(blob_name(part.blob.digest), offset, end - offset))
        try:
            _check(self._shell, self._writing(shlex.quote(path), offset, part.blob.size), data)
        except TransportError as error:
            size = self._size(shlex.quote(path), seen)
            # How much of the rest was under way nobody tells.
            self._progress.waste(0 if _NOT_CONNECTED in error.problem else max(0, end - max(offset, size)))
            return size
        return end

    def _writing(self, name: str, offset: int, size: int) -> str:
        """The command that takes a part.

        Each part goes to its own place, and only when all before it is there. So it does no harm when it comes twice: its answer may have got lost, or
        another run sends the same blob.
        """
        has = f'[ "$(wc -c < {name})" -ge {offset} ]'
        write = f"{{ dd bs=1 count=0 seek={offset} 2>/dev/null; cat; }} 1<> {name}"
        if offset == 0:
            # Another run may be at the same blob. Only what is too long to be its beginning goes.
            return f'umask 077 && : >> {name} && {{ [ "$(wc -c < {name})" -le {size} ] || : > {name}; }} && {write}'
        turn = (
            f"n=0; until {has}; do [ $((n += 1)) -le {self._turn} ] || exit 1; sleep 0.1 || sleep 1; done 2>/dev/null"
        )
        return f"{turn}; {write}"

    def _size(self, name: str, otherwise: int) -> int:
        try:
            return int(_check(self._shell, f"wc -c < {name}", None))
        except (TransportError, ValueError):
            return otherwise


def _tell(parts: Parts, arrivals: Arrivals) -> None:
    """Tell which blobs have come, and go on if that is wanted."""
    for blob in parts.whole():
        arrivals.arrived(blob.digest, blob.size - blob.offset)
    arrivals.go_on()


def _check(shell: Shell, command: str, data: bytes | None) -> str:
    """What a command says that succeeds on the host."""
    try:
        # What is said of a full disk must be understood below.
        code, out, err = shell(f"LC_ALL=C; export LC_ALL; {command}", data)
    except AirliftError:
        raise
    except Exception as error:  # each connection plugin has errors of its own
        raise TransportError(f"The connection failed: {error}", "Run this again; what has arrived is kept.") from error
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


def _pause(failures: int, path: str) -> None:
    if failures >= _ATTEMPTS:
        raise TransportError(
            f"{path} got no more bytes in {_ATTEMPTS} attempts",
            "Check the connection to the host and run this again; what has arrived is kept.",
        )
    time.sleep(_PAUSE * 2 ** (failures - 1))
