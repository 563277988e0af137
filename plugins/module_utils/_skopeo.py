# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Copies between registries and directories, by skopeo. Credentials go by files, never on a command line."""

from __future__ import annotations

import base64
import json
import os
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

_HINTS = (
    ("unauthorized", "Log in first (skopeo login), or give authfile; check that the account may do this."),
    ("authentication required", "Log in first (skopeo login), or give authfile; check that the account may do this."),
    ("manifest unknown", "Check the repository and the tag; skopeo list-tags shows what is there."),
    ("x509", "Trust the registry's CA: put ca.crt into /etc/containers/certs.d/HOST[:PORT]/, or give ca_path."),
    ("no such host", "Check the name of the registry and this host's DNS."),
)


class Skopeo:
    """skopeo with one set of options. I(authfile) and I(cert_dir) may be empty; then skopeo's own places are used."""

    def __init__(self, run: Run, authfile: str = "", cert_dir: str = "") -> None:
        self._run = run
        self._authfile = authfile
        self._cert_dir = cert_dir

    def manifest_digest(self, location: str, platform: str) -> str:
        """The digest of what a registry has under I(location), an index or a manifest."""
        out = self._skopeo(
            location, ["inspect", "--raw", *self._auth(), *self._certs("")], [f"docker://{location}"], platform
        )
        return digest_of(out.encode())

    def pull(self, location: str, platform: str, directory: str) -> None:
        """Copy the image of one platform from a registry into I(directory), every byte as it was served."""
        options = ["copy", "--quiet", *self._auth(), *self._certs("src-")]
        self._skopeo(location, options, [f"docker://{location}", f"dir:{directory}"], platform)

    def push(self, directory: str, destination: str) -> None:
        """Copy the image in I(directory) to a registry; its digest stays, blobs that are there are not sent."""
        options = ["copy", "--quiet", "--preserve-digests", *self._auth(), *self._certs("dest-")]
        self._skopeo(destination, options, [f"dir:{directory}", f"docker://{destination}"])

    def _skopeo(self, location: str, options: t.Sequence[str], operands: t.Sequence[str], platform: str = "") -> str:
        code, out, err = self._run(["skopeo", *_override(platform), *options, *operands], None)
        if code == 127:
            raise HostError("skopeo is not installed on the host that runs Ansible", "Install the package skopeo.")
        if code != 0:
            problem = (err or out).strip().splitlines()
            raise RegistryError(
                f"skopeo could not {options[0]} docker://{location}: {problem[-1] if problem else code}",
                _next_step(err),
            )
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


def _override(platform: str) -> list[str]:
    if not platform:
        return []
    system, architecture, *variant = platform.split("/")
    return [
        "--override-os",
        system,
        "--override-arch",
        architecture,
        *(["--override-variant", variant[0]] if variant else []),
    ]


def _next_step(err: str) -> str:
    for sign, hint in _HINTS:
        if sign in err.lower():
            return hint
    return "Check that this host reaches the registry, and run this again."
