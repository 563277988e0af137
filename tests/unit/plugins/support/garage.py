# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The administration API of a node of Garage, as far as garage_cluster asks for it, with a cluster behind it whose nodes may be dead."""

from __future__ import annotations

import json
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import Handler, serving

TOKEN = "administrator"
Document = dict[str, t.Any]


@dataclass
class ClusterState:
    """A cluster as its first node sees it."""

    running: dict[str, str] = field(default_factory=dict)  # addresses by ID of the nodes that could be connected with
    connected: set[str] = field(default_factory=set)
    slow: int = 0  # how many attempts to connect fail before they succeed
    lacking: int = 0  # how many answers about the health say that there are too few nodes
    copies: int = 1
    roles: dict[str, Document] = field(default_factory=dict)
    staged: list[Document] = field(default_factory=list)
    version: int = 0
    awaited: set[str] = field(default_factory=set)  # removed nodes that the cluster still waits for
    keys: dict[str, str] = field(default_factory=dict)  # secrets by ID
    buckets: dict[str, dict[str, Document]] = field(default_factory=dict)  # permissions by key, by name
    seen: list[str] = field(default_factory=list)  # names of the requests that change something
    raw: bytes | None = None  # an answer to everything

    def up(self) -> set[str]:
        return self.connected & set(self.running)


class Refused(Exception):
    """Garage's error: status, and message."""


class GarageHandler(Handler):
    state: ClusterState

    def handle_request(self) -> None:
        parts = urlsplit(self.path)
        name = parts.path.removeprefix("/v2/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "POST":
            self.state.seen.append(name)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer_json({"code": "AccessDenied", "message": "Forbidden: Invalid Authorization header"}, 403)
        elif self.state.raw is not None:
            self.answer(200, self.state.raw)
        else:
            self._work(name, dict(parse_qsl(parts.query)) if self.command == "GET" else json.loads(body))

    do_GET = do_POST = handle_request

    def _work(self, name: str, given: t.Any) -> None:
        try:
            self.answer_json(getattr(self, f"_{name}")(given))
        except Refused as refused:
            status, message = refused.args
            self.answer_json({"code": "InvalidRequest", "message": message}, status)

    def _GetClusterStatus(self, _query: Document) -> Document:
        up = self.state.up()
        known = self.state.connected | set(self.state.roles)
        return {"nodes": [{"id": node, "isUp": node in up} for node in sorted(known)]}

    def _ConnectClusterNodes(self, nodes: list[str]) -> list[Document]:
        if self.state.slow:
            self.state.slow -= 1
            return [{"success": False, "error": "Netapp error: Connection refused"} for _ in nodes]
        met = {node for node in nodes if node in {f"{key}@{address}" for key, address in self.state.running.items()}}
        self.state.connected |= {node.partition("@")[0] for node in met}
        return [{"success": node in met, "error": None if node in met else "Netapp error"} for node in nodes]

    def _GetClusterHealth(self, _query: Document) -> Document:
        storage = set(self.state.roles)
        whole = not self.state.lacking
        self.state.lacking = max(0, self.state.lacking - 1)
        return {
            "storageNodes": len(storage), "storageNodesUp": len(storage) if whole else 1, "partitions": 256,
            "partitionsQuorum": 256 if whole else 85,
        }  # fmt: skip

    def _GetClusterLayout(self, _query: Document) -> Document:
        return {"version": self.state.version, "roles": list(self.state.roles.values())}

    def _RevertClusterLayout(self, _body: Document) -> None:
        self.state.staged = []

    def _UpdateClusterLayout(self, body: Document) -> None:
        self.state.staged += body["roles"]

    def _ApplyClusterLayout(self, body: Document) -> None:
        if body["version"] != self.state.version + 1:
            raise Refused(400, "Invalid new layout version")
        removed = {change["id"] for change in self.state.staged if change.get("remove")}
        roles = {change["id"]: change for change in self.state.staged if not change.get("remove")}
        left = {**{key: role for key, role in self.state.roles.items() if key not in removed}, **roles}
        if len(left) < self.state.copies:
            raise Refused(
                500, f"The number of nodes with positive capacity ({len(left)}) is smaller than the replication factor"
            )
        self.state.roles, self.state.version, self.state.staged = left, body["version"], []
        self.state.awaited |= removed - self.state.up()

    def _ClusterLayoutSkipDeadNodes(self, body: Document) -> Document:
        if body["version"] != self.state.version or body["allowMissingData"]:
            raise Refused(400, "not what may be skipped")
        self.state.awaited.clear()
        return {}

    def _GetKeyInfo(self, query: Document) -> Document:
        secret = self.state.keys.get(query["id"])
        if secret is None:
            raise Refused(404, f"Access key not found: {query['id']}")
        return {"accessKeyId": query["id"], "secretAccessKey": secret if query.get("showSecretKey") == "true" else None}

    def _ImportKey(self, body: Document) -> None:
        self.state.keys[body["accessKeyId"]] = body["secretAccessKey"]

    def _GetBucketInfo(self, query: Document) -> Document:
        return self._bucket(query["globalAlias"])

    def _CreateBucket(self, body: Document) -> Document:
        self.state.buckets[body["globalAlias"]] = {}
        return self._bucket(body["globalAlias"])

    def _AllowBucketKey(self, body: Document) -> None:
        name = body["bucketId"].removeprefix("id-of-")
        self.state.buckets[name][body["accessKeyId"]] = body["permissions"]

    def _bucket(self, name: str) -> Document:
        if name not in self.state.buckets:
            raise Refused(404, f"Bucket not found: {name}")
        keys = [{"accessKeyId": key, "permissions": may} for key, may in self.state.buckets[name].items()]
        return {"id": f"id-of-{name}", "keys": keys}


@contextmanager
def garage_server(state: ClusterState) -> t.Iterator[str]:
    """Serve I(state) on loopback; its endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundGarageHandler", (GarageHandler,), {"state": state}))
    server.daemon_threads = True
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"
