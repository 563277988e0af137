# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Credentials and certificates for registries from where skopeo has them: containers-auth.json(5) and containers-certs.d(5)."""

from __future__ import annotations

import base64
import glob
import json
import os
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of
from ansible_collections.airlift.registry.plugins.module_utils._reference import Reference, parse_reference
from ansible_collections.airlift.registry.plugins.module_utils._registry import Access, Registry

_CERTS_D = ("/etc/containers/certs.d", "/etc/docker/certs.d")
_DOCKER_HUB = ("docker.io", "index.docker.io", "https://index.docker.io/v1/")


def find_access(host: str, repository: str, authfile: str, cert_dir: str, ca_path: str) -> Access:
    """What the registry at I(host) wants. I(authfile) and I(cert_dir) may be empty; several CAs are joined in the file I(ca_path)."""
    username, password = find_credentials(host, repository, [authfile] if authfile else _authfiles(os.environ))
    directories = [cert_dir] if cert_dir else [os.path.join(place, host) for place in _CERTS_D]
    directory = next((place for place in directories if os.path.isdir(place)), "")
    authorities = sorted(glob.glob(os.path.join(glob.escape(directory), "*.crt"))) if directory else []
    with open(ca_path, "wb") as target:
        for path in authorities:
            with open(path, "rb") as source:
                target.write(source.read() + b"\n")
    clients = sorted(glob.glob(os.path.join(glob.escape(directory), "*.cert"))) if directory else []
    certificate = clients[0] if clients else ""
    key = f"{certificate[: -len('.cert')]}.key" if certificate else ""
    return Access(username, password, ca_path if authorities else "", certificate, key)


def find_credentials(host: str, repository: str, authfiles: t.Sequence[str]) -> tuple[str, str]:
    """User name and password of the first file that has some for I(host), or for a part of I(repository) there; else two empty texts."""
    path = f"{host}/{repository}".split("/")
    places = ["/".join(path[:length]) for length in range(len(path), 0, -1)]
    places += _DOCKER_HUB if host == "docker.io" else ()
    for file in authfiles:
        entries = _entries(file)
        for place in places:
            if place in entries:
                return _decode(entries[place], file, place)
    return "", ""


def _authfiles(environment: t.Mapping[str, str]) -> list[str]:
    named = environment.get("REGISTRY_AUTH_FILE")
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    home = os.path.expanduser("~")
    own = [os.path.join(runtime, "containers/auth.json"), os.path.join(home, ".config/containers/auth.json")]
    return [named] if named else [*own, os.path.join(home, ".docker/config.json")]


def _entries(file: str) -> dict[str, t.Any]:
    try:
        with open(file, "rb") as stream:
            entries = json.loads(stream.read()).get("auths") or {}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{file} is no file with credentials", "Make it with: skopeo login --authfile FILE") from error
    return entries if isinstance(entries, dict) else {}


def _decode(entry: t.Any, file: str, place: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (ValueError, KeyError, TypeError):
        colon = ""
    if not colon:
        raise InputError(
            f"{file} has no user and password for {place}",
            "Log in to that registry with skopeo login --authfile; helpers of Docker's are not asked.",
        )
    return username, password


class Accesses:
    """What each registry wants, found once for each repository. Joined CAs lie in the directory I(scratch)."""

    def __init__(self, authfile: str, cert_dir: str, scratch: str) -> None:
        self._authfile = authfile
        self._cert_dir = cert_dir
        self._scratch = scratch
        self._registries: dict[str, Registry] = {}

    def access(self, location: str) -> Access:
        """What the registry of an image reference wants."""
        reference = parse_reference(location)
        ca_path = os.path.join(self._scratch, f"{digest_of(reference.domain.encode())[7:]}.crt")
        return find_access(reference.domain, reference.path, self._authfile, self._cert_dir, ca_path)

    def registry(self, reference: Reference) -> Registry:
        """The registry of a repository."""
        if reference.repository not in self._registries:
            self._registries[reference.repository] = Registry(reference.domain, self.access(str(reference)))
        return self._registries[reference.repository]
