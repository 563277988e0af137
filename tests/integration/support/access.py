# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The users, rules and images of a site where access is tried."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import threading
import typing as t

from ansible_collections.airlift.registry.tests.integration.support.balancer import Balancer, basic, password_of

# Docker's kind, because Distribution gives it to who does not say what he accepts: so none of the tricks fails for want of a header.
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SECRET = b"what only team b may read"
DIGEST = f"sha256:{hashlib.sha256(SECRET).hexdigest()}"
GUESSES = 5


def user(name: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "password": password_of(name), **more}


USERS = [
    user("alice", groups=["a"]),
    user("bob", groups=["b"]),
    user("both", groups=["a", "b"]),
    user("flat"),
    user("auditor"),
    user("admin"),
    user("stranger"),
    user("was-a-robot", groups=["b"], expires="2026-01-31"),
    user("is-a-robot", groups=["b"], expires="2099-01-31T18:00:00Z"),
]
ALL = ["pull", "push", "delete", "list"]
RULES = [
    {"groups": ["a"], "repositories": ["team-a/**"], "allow": ["pull", "push"]},
    {"groups": ["b"], "repositories": ["team-b/**"], "allow": ALL},
    {"users": ["flat"], "repositories": ["shelf/*", "top", "*"], "allow": ["pull", "list"]},
    {"users": ["auditor"], "repositories": ["**"], "allow": ["list"]},
    {"users": ["admin"], "repositories": ["**"], "allow": ALL},
    {"users": ["alice"], "repositories": ["shared/one"], "allow": ["pull"]},
]
# What alice may not read, and what she may.
THEIRS = "/v2/team-b/app/manifests/v1"
MINE = "/v2/team-a/app/manifests/v1"
LOGIN = f"Authorization: {basic('alice')}\r\n"
ANYBODY = [{"anonymous": True, "repositories": ["public/**"], "allow": ["pull"]}]


def push(balancer: Balancer, repository: str) -> None:
    """An image whose only layer is the secret, with the tag v1."""
    begun = balancer.ask("POST", f"/v2/{repository}/blobs/uploads/", "admin")
    done = balancer.ask("PUT", f"{begun.location}&digest={DIGEST}", "admin", SECRET)
    descriptor = {"mediaType": "application/octet-stream", "digest": DIGEST, "size": len(SECRET)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor,
        "layers": [descriptor],
        "annotations": {"of": repository},
    }
    put = balancer.ask(
        "PUT", f"/v2/{repository}/manifests/v1", "admin", json.dumps(manifest).encode(), Content_Type=MANIFEST
    )
    assert (done.status, put.status) == (201, 201)


def index(balancer: Balancer, repository: str, name: str) -> None:
    """An image index without images, with the tag v1: the least that can be pushed, by somebody who may."""
    kind = "application/vnd.oci.image.index.v1+json"
    content = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": []}).encode()
    put = balancer.ask("PUT", f"/v2/{repository}/manifests/v1", name, content, Content_Type=kind)
    assert put.status == 201, put


def smuggle(balancer: Balancer, sent: str) -> bytes:
    """What comes back for bytes that are followed by an honest request, which ends the connection."""
    end = f"\r\n\r\nGET {MINE} HTTP/1.1\r\nHost: localhost\r\n{LOGIN}Connection: close\r\n\r\n"
    received = b""
    with balancer.connect() as connection, contextlib.suppress(TimeoutError, ssl.SSLError, ConnectionError):
        connection.settimeout(3)
        connection.sendall((sent + end).encode())
        while chunk := connection.recv(65536):
            received += chunk
    return received


def connect_h2(balancer: Balancer) -> ssl.SSLSocket:
    """A connection that has agreed on HTTP/2."""
    context = balancer.tls()
    context.set_alpn_protocols(["h2"])
    connection = context.wrap_socket(
        socket.create_connection(("127.0.0.1", balancer.port), timeout=5), server_hostname="localhost"
    )
    assert connection.selected_alpn_protocol() == "h2"
    return connection


class Load(threading.Thread):
    """Asks on a connection that is kept and on new ones, as somebody whose password does not change; the plays beside it want the processor too."""

    def __init__(self, balancer: Balancer) -> None:
        super().__init__()
        self._balancer, self.over, self.statuses = balancer, threading.Event(), list[int | str]()

    def run(self) -> None:
        kept = self._balancer.keep()
        while not self.over.wait(0.03):
            for ask in (self._balancer.ask, kept.ask):
                try:
                    self.statuses.append(ask("GET", THEIRS, "bob").status)
                except OSError as error:
                    self.statuses.append(repr(error))
