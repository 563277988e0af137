# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Copies between registries and directories, by skopeo. Credentials go by files, never on a command line."""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
import time
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

_PATIENCE = 120  # seconds; longer than registries ask clients to wait (Retry-After), which skopeo does by itself, for a minute at most
_PAUSES = (1, 3)  # seconds between tries
_SLACK = 64 * 1024 * 1024  # for skopeo's own files
_ULIMIT_UNIT = 512  # bytes (POSIX, ulimit -f)
_ENDED = (143, -15)  # by the guard: 128 + SIGTERM, as a shell says it
_PASSING = re.compile(
    r"unexpected EOF|connection reset|broken pipe|handshake timeout|i/o timeout|toomanyrequests|status.*\b(?:429|50[0234])\b"
)
_GUARD = """
place=$1 patience=$3
ulimit -f "$2"
shift 3
"$@" &
job=$!
(
    still=0 before=
    while [ "$still" -lt "$patience" ] && sleep 1 && kill -0 "$job" && kill -0 "$PPID"; do
        now=$(du -sb "$place")
        if [ "$now" = "$before" ]; then still=$((still + 1)); else still=0; fi
        before=$now
    done
    kill "$job"
) </dev/null >/dev/null 2>&1 &
watch=$!
wait "$job"
code=$?
kill "$watch"
exit "$code"
"""

_HINTS = (
    ("unauthorized", "Log in first (skopeo login), or give authfile; check that the account may do this."),
    ("authentication required", "Log in first (skopeo login), or give authfile; check that the account may do this."),
    ("manifest unknown", "Check the repository and the tag; skopeo list-tags shows what is there."),
    ("x509", "Trust the registry's CA: put ca.crt into /etc/containers/certs.d/HOST[:PORT]/, or give ca_path."),
    ("file too large", "The registry sends more than the manifest says, so it is damaged or lies. Don't use it."),
    ("no space left", "Make room beside the bundle and run this again; what has come is kept."),
    ("no such host", "Check the name of the registry and this host's DNS."),
)


class Skopeo:
    """skopeo with one set of options. I(authfile) and I(cert_dir) may be empty; then skopeo's own places are used.

    I(patience) is how many seconds a registry may be silent. Several threads may use it, if I(run) can be used so.
    """

    def __init__(self, run: Run, authfile: str = "", cert_dir: str = "", patience: int = _PATIENCE) -> None:
        self._run = run
        self._patience = patience
        self._authfile = authfile
        self._cert_dir = cert_dir

    def manifest(self, location: str) -> bytes:
        """What a registry has under I(location), an index or a manifest, byte for byte. Nobody has compared it with a digest yet."""
        return self._inspect(location, ["--raw"])

    def config(self, location: str) -> bytes:
        """The config of the image at I(location), byte for byte."""
        return self._inspect(location, ["--raw", "--config"])

    def _inspect(self, location: str, what: t.Sequence[str]) -> bytes:
        options = ["inspect", *what, *self._auth(), *self._certs("")]
        command = ["skopeo", "--command-timeout", f"{self._patience}s", *options, f"docker://{location}"]
        return self._try("inspect", location, command).encode(errors="surrogateescape")

    def pull(self, location: str, largest: int, blobs: str) -> None:
        """Copy what the manifest at I(location) needs into the directory I(blobs), every byte as it was served.

        Blobs that are there are not fetched. I(largest) is the size of the largest that it names, in bytes: no file may grow far beyond it.
        skopeo makes a manifest and a config of its own of those of Docker's types, and leaves the layers as they are.
        """
        options = ["copy", "--quiet", "--dest-oci-accept-uncompressed-layers", "--dest-shared-blob-dir", blobs]
        with tempfile.TemporaryDirectory(dir=os.path.dirname(blobs), prefix="pull-") as scratch:
            command = [
                "skopeo",
                *options,
                *self._auth(),
                *self._certs("src-"),
                f"docker://{location}",
                f"oci:{scratch}:x",
            ]
            self._try("copy", location, guarded(command, scratch, largest + _SLACK, self._patience))

    def push(self, directory: str, destination: str) -> None:
        """Copy the manifest in I(directory) and its blobs to a registry; its digest stays, blobs that are there are not sent."""
        options = ["copy", "--quiet", "--preserve-digests", *self._auth(), *self._certs("dest-")]
        command = ["skopeo", *options, f"dir:{directory}", f"docker://{destination}"]
        self._check("copy", destination, self._run(command, None))

    def _try(self, verb: str, location: str, command: t.Sequence[str]) -> str:
        """Run skopeo, again when it failed for a reason that may pass: a cut connection, a registry in trouble, a token that expired."""
        for pause in _PAUSES:
            answer = self._run(command, None)
            if answer[0] == 0 or not _may_pass(verb, answer[2]):
                break
            time.sleep(pause)
        else:
            answer = self._run(command, None)
        return self._check(verb, location, answer)

    def _check(self, verb: str, location: str, answer: tuple[int, str, str]) -> str:
        code, out, err = answer
        if code == 127:
            raise HostError("skopeo is not installed on the host that runs Ansible", "Install the package skopeo.")
        if code != 0:
            said = (err or out).strip().splitlines()
            problem = f"nothing came for {self._patience} seconds" if code in _ENDED else said[-1] if said else code
            raise RegistryError(f"skopeo could not {verb} docker://{location}: {problem}", _next_step(err))
        return out

    def _auth(self) -> list[str]:
        return ["--authfile", self._authfile] if self._authfile else []

    def _certs(self, side: str) -> list[str]:
        return [f"--{side}cert-dir", self._cert_dir] if self._cert_dir else []


def write_authfile(path: str, registry: str, username: str, password: str) -> None:
    """A file with one registry's credentials as containers-auth.json(5) has them, for its owner's eyes only."""
    secret = base64.b64encode(f"{username}:{password}".encode()).decode()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
        json.dump({"auths": {registry: {"auth": secret}}}, target)


def guarded(command: t.Sequence[str], place: str, limit: int, patience: int) -> list[str]:
    """The command, ended when nothing in the directory I(place) has changed for I(patience) seconds, or when its parent is gone.

    No file that it writes can become larger than I(limit) bytes.
    """
    return ["sh", "-c", _GUARD, "guard", place, str(limit // _ULIMIT_UNIT + 1), str(patience), *command]


def _may_pass(verb: str, err: str) -> bool:
    # Before a copy its manifest was read, so who is unauthorized now was not a moment ago.
    return bool(_PASSING.search(err)) or (verb == "copy" and "unauthorized" in err)


def _next_step(err: str) -> str:
    for sign, hint in _HINTS:
        if sign in err.lower():
            return hint
    return "Check that this host reaches the registry, and run this again."
