# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry as a client sees it: over HTTPS, from outside."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

MAX_BODY = 16 * 1024 * 1024
MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Registry:
    """A name, an address, an authority to trust, and users with their passwords."""

    fqdn: str
    address: str
    ca: Path
    passwords: dict[str, str]

    def tls(self) -> ssl.SSLContext:
        """TLS that trusts the authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca))

    def _connection(self) -> http.client.HTTPSConnection:
        """A connection to the address by the registry's name, as if a name server had said so."""
        connection = http.client.HTTPSConnection(self.fqdn, timeout=10, context=self.tls())
        plain = socket.create_connection((self.address, 443), timeout=10)
        connection.sock = self.tls().wrap_socket(plain, server_hostname=self.fqdn)
        return connection

    def ask(self, path: str, user: str = "", password: str = "", method: str = "GET", accept: str = "") -> Answer:
        """One request as it is, by a user or by nobody."""
        connection = self._connection()
        connection.putrequest(method, path)
        connection.putheader("Accept", MANIFESTS)
        if user:
            secret = f"{user}:{password or self.passwords[user]}"
            connection.putheader("Authorization", f"Basic {base64.b64encode(secret.encode()).decode()}")
        if accept:
            connection.putheader("Accept", accept)
        connection.endheaders()
        with contextlib.closing(connection):
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read(MAX_BODY))
