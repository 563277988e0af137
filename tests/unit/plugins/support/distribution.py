# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry that hands out images as the distribution specification says ("Pull"), and misbehaves when a test wants it."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import Handler, serving


@dataclass
class Distribution:
    """What a registry has: manifests by tag or digest, blobs by digest. Every repository has all of it.

    I(fault) sees each request first (C(manifests) or C(blobs), and the reference); what it answers is True when it has answered.
    """

    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    referrers: dict[str, list[dict[str, t.Any]]] | None = None  # by subject; None is a registry without the API
    forgets: bool = False  # what is pushed is accepted and lost
    fault: t.Callable[[DistributionHandler, str, str], bool] = lambda _handler, _kind, _reference: False
    seen: list[tuple[str, str]] = field(default_factory=list)  # kind or token, and reference
    authorizations: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def add(self, tag: str, layers: t.Sequence[bytes], media_type: str = _oci.OCI_MANIFEST, **changes: t.Any) -> str:
        """Add an image of these uncompressed layers; its digest."""
        config = images.config(layers, **changes)
        blobs = [gzip.compress(layer, mtime=7) for layer in layers]
        is_oci = media_type == _oci.OCI_MANIFEST
        config_type = _oci.OCI_CONFIG if is_oci else _oci.DOCKER_CONFIG
        layer_type = _oci.OCI_LAYER_GZIP if is_oci else "application/vnd.docker.image.rootfs.diff.tar.gzip"
        self.blobs.update({_oci.digest_of(blob): blob for blob in (config, *blobs)})
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": self.describe(config, config_type),
            "layers": [self.describe(blob, layer_type) for blob in blobs],
        }
        return self.put(tag, media_type, json.dumps(document, indent=3).encode())

    def add_index(self, tag: str, digests: t.Mapping[str, str]) -> str:
        """Add an index of these manifests by platform; its digest."""
        entries = [
            {
                **self.describe(self.manifests[digest][1], self.manifests[digest][0]),
                "platform": _oci.split_platform(name),
            }
            for name, digest in digests.items()
        ]
        document = {"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": entries}
        return self.put(tag, _oci.OCI_INDEX, json.dumps(document, indent=3).encode())

    def add_attestation(self, statement: bytes) -> str:
        """Add what builders attach to an image; its digest."""
        config = b"{}"
        self.blobs.update({_oci.digest_of(blob): blob for blob in (config, statement)})
        document = {
            "schemaVersion": 2,
            "mediaType": _oci.OCI_MANIFEST,
            "config": self.describe(config, _oci.OCI_CONFIG),
            "layers": [self.describe(statement, "application/vnd.in-toto+json")],
        }
        return self.put("", _oci.OCI_MANIFEST, json.dumps(document).encode())

    def add_referrer(self, subject: str, kind: str, tag: str = "", content: bytes = b"{}") -> str:
        """Add what is about I(subject), listed by the API or in its place, or under I(tag) of cosign's; its digest."""
        self.blobs[_oci.digest_of(content)] = content
        document: dict[str, t.Any] = {
            "schemaVersion": 2,
            "mediaType": _oci.OCI_MANIFEST,
            "artifactType": kind,
            "config": self.describe(content, "application/vnd.oci.empty.v1+json"),
            "layers": [],
            "annotations": {"kind": kind},
        }
        if tag:
            return self.put(tag, _oci.OCI_MANIFEST, json.dumps(document).encode())
        document["subject"] = {"mediaType": _oci.OCI_MANIFEST, "digest": subject, "size": 7}
        digest = self.put("", _oci.OCI_MANIFEST, json.dumps(document).encode())
        self.list_referrer(subject, self.describe(self.manifests[digest][1], _oci.OCI_MANIFEST))
        return digest

    def list_referrer(self, subject: str, entry: dict[str, t.Any]) -> None:
        if self.referrers is not None:
            self.referrers.setdefault(subject, []).append(entry)
            return
        tag = subject.replace(":", "-")
        entries = json.loads(self.manifests[tag][1])["manifests"] if tag in self.manifests else []
        self.put(tag, _oci.OCI_INDEX, self.listing([*entries, entry]))

    @staticmethod
    def listing(entries: t.Sequence[dict[str, t.Any]]) -> bytes:
        return json.dumps({"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": entries}).encode()

    def put(self, tag: str, media_type: str, data: bytes) -> str:
        self.manifests[_oci.digest_of(data)] = self.manifests[tag or _oci.digest_of(data)] = (media_type, data)
        return _oci.digest_of(data)

    @staticmethod
    def describe(data: bytes, media_type: str) -> dict[str, t.Any]:
        return _oci.Descriptor(media_type, _oci.digest_of(data), len(data)).to_json()

    def count(self, reference: str) -> int:
        """How often a manifest or blob was asked for."""
        return sum(reference == entry[1] for entry in self.seen)


class DistributionHandler(Handler):
    state: Distribution

    def do_GET(self) -> None:
        kind, reference = self.path.split("/")[-2:]
        self.state.seen.append((kind, reference))
        self.state.authorizations.append(self.headers.get("Authorization", ""))
        if self.state.fault(self, kind, reference):
            return
        if self.path == "/v2/":
            self.answer(200)
        elif kind == "manifests" and reference in self.state.manifests:
            media_type, data = self.state.manifests[reference]
            self.answer(200, data, Content_Type=media_type, Docker_Content_Digest=_oci.digest_of(data))
        elif kind == "referrers" and self.state.referrers is not None:
            self.answer(200, self.state.listing(self.state.referrers.get(reference, [])), Content_Type=_oci.OCI_INDEX)
        elif kind == "blobs" and reference in self.state.blobs:
            self.answer(200, self.state.blobs[reference], Content_Type="application/octet-stream")
        else:
            self.answer_json({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}, 404)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        kind, reference = self.path.split("/")[-2:]
        self.state.seen.append((f"put {kind}", reference))
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.state.forgets:
            self.state.put("" if _oci.digest_of(data) == reference else reference, self.headers["Content-Type"], data)
        self.answer(201)

    def cut(self, data: bytes) -> None:
        """Promise all and send half."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def endless(self) -> None:
        """Send until the other side has enough."""
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            while not self.state.ended.is_set():
                self.wfile.write(bytes(1024 * 1024))
        except OSError:
            self.state.ended.set()

    def silent(self, data: bytes) -> None:
        """Promise all, send a little, and fall silent."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:1])
        self.state.ended.wait(60)
        self.close_connection = True


@contextmanager
def distribution(state: Distribution, certificate: Certificate) -> t.Iterator[str]:
    """Serve I(state) on loopback with TLS; its HOST:PORT."""
    handler = type("BoundDistributionHandler", (DistributionHandler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            state.ended.set()
