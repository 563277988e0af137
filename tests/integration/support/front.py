# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lets people into a registry: TLS and passwords in front of a real one, on an address that the lab's hosts reach. It misbehaves when a test wants it."""

from __future__ import annotations

import base64
import ssl
import typing as t
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.registries import Registry
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate, make_certificate
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import Handler, serving

PEOPLE = {"fleet": "secret"}
_CHUNK = 64 * 1024
_PASSED_ON = ("Content-Type", "Content-Length", "Docker-Content-Digest")
Fault = t.Callable[["FrontHandler", str, str], bool]


def nothing_wrong(_handler: FrontHandler, _kind: str, _reference: str) -> bool:
    return False


@dataclass
class Front:
    """Where it is, and what goes wrong: I(fault) sees each request after the password was checked (C(manifests) or C(blobs), and the reference), and
    says whether it has answered."""

    host: str
    certificate: Certificate
    behind: Registry
    fault: Fault = nothing_wrong

    @property
    def authfile(self) -> dict[str, t.Any]:
        """What C(docker login) leaves."""
        return {"auths": {self.host: {"auth": _encoded("fleet")}}}


class FrontHandler(Handler):
    front: Front

    def do_GET(self) -> None:
        kind, reference = self.path.split("/")[-2:]
        given = self.headers.get("Authorization", "")
        if given not in {f"Basic {_encoded(name)}" for name in PEOPLE}:
            self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', WWW_Authenticate='Basic realm="here"')
        elif not self.front.fault(self, kind, reference):
            self.pass_on()

    do_HEAD = do_GET

    def pass_on(self, limit: int = -1) -> bool:
        """What the registry answers, cut after I(limit) bytes; whether it was cut."""
        asked = urllib.request.Request(f"https://{self.front.behind.host}{self.path}", method=self.command)
        # Engines say Accept several times.
        asked.headers = {
            name: ", ".join(self.headers.get_all(name) or []) for name in ("Accept", "Range") if name in self.headers
        }
        context = ssl.create_default_context(cafile=str(self.front.behind.ca))
        try:
            found = urllib.request.urlopen(asked, context=context, timeout=10)
        except urllib.error.HTTPError as error:
            found = error
        with found:
            self.send_response(found.status)
            for name in _PASSED_ON:
                if name in found.headers:
                    self.send_header(name, found.headers[name])
            self.end_headers()
            left = limit
            while self.command != "HEAD" and left and (chunk := found.read(min(_CHUNK, left) if left > 0 else _CHUNK)):
                self.wfile.write(chunk)
                left -= len(chunk) if left > 0 else 0
            self.close_connection = self.close_connection or limit >= 0
            return left == 0


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A host that does not trust the certificate hangs up; that is what is tested."""


@contextmanager
def fronted(directory: Path, address: str, behind: Registry) -> t.Iterator[Front]:
    """A front on I(address) while it is up."""
    certificate = make_certificate(directory, address)
    front = Front("", certificate, behind)
    server = _QuietServer((address, 0), type("BoundFrontHandler", (FrontHandler,), {"front": front}))
    front.host = f"{address}:{server.server_address[1]}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield front


def _encoded(name: str) -> str:
    return base64.b64encode(f"{name}:{PEOPLE[name]}".encode()).decode()
