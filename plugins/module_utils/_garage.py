# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The administration API of one Garage node, version 2 (Garage reference manual, "Administration API")."""

from __future__ import annotations

import http.client
import json
import re
import time
import typing as t
from dataclasses import dataclass
from urllib.parse import urlencode

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError, StoreError

_ENDPOINT = re.compile(r"http://([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_MAX_ANSWER = 4 * 1024 * 1024
_PAUSE = 0.5  # seconds from one look at the cluster to the next; it tells nobody when it changes
_PERMISSIONS = {"read": True, "write": True, "owner": False}


@dataclass(frozen=True)
class Node:
    """A node as it should be: its ID, where its RPC answers (HOST:PORT), and its place in the layout. I(capacity) is in bytes."""

    node_id: str
    address: str
    zone: str
    capacity: int

    def role(self) -> dict[str, t.Any]:
        """The node as a layout has it."""
        return {"id": self.node_id, "zone": self.zone, "capacity": self.capacity, "tags": []}


class Garage:
    """A node's administration API. I(timeout) is in seconds, for each part of an answer."""

    def __init__(self, endpoint: str, token: str, timeout: int = 30) -> None:
        if not _ENDPOINT.fullmatch(endpoint):
            raise InputError(f"{endpoint} is no endpoint of Garage", "Write it as http://HOST:PORT.")
        self._endpoint = endpoint
        self._netloc = endpoint.partition("//")[2]
        self._token = token
        self._timeout = timeout

    def get(self, name: str, absent: bool = False, **query: str) -> t.Any:
        """What the API answers to a question; nothing if I(absent) says that what is asked for need not be there."""
        return self._ask("GET", f"{name}?{urlencode(query)}" if query else name, None, absent)

    def post(self, name: str, body: t.Any) -> t.Any:
        """Change something."""
        return self._ask("POST", name, body, False)

    def connect(self, nodes: t.Sequence[Node], seconds: float) -> None:
        """Introduce the nodes to each other, and wait until all of them are seen."""
        end = time.monotonic() + seconds
        unseen = list(nodes)
        while unseen:
            self.post("ConnectClusterNodes", [f"{node.node_id}@{node.address}" for node in unseen])
            unseen = self.unseen(nodes)
            if unseen and time.monotonic() > end:
                raise StoreError(
                    f"{self._endpoint} does not reach {', '.join(node.address for node in unseen)} within {seconds:.0f} s",
                    "Check that Garage runs there with the same rpc_secret, and that the nodes reach each other at this port.",
                )
            time.sleep(_PAUSE if unseen else 0)

    def unseen(self, nodes: t.Sequence[Node]) -> list[Node]:
        """The nodes that this one is not connected with."""
        up = self.nodes_up()
        return [node for node in nodes if node.node_id not in up]

    def nodes_up(self) -> set[str]:
        """IDs of the nodes that are seen now."""
        return {str(entry["id"]) for entry in self.get("GetClusterStatus")["nodes"] if entry["isUp"]}

    def change_layout(self, changes: t.Sequence[dict[str, t.Any]], version: int) -> None:
        """Make a new layout. Nodes that are dead are not waited for, as long as what they had is elsewhere."""
        self.post("RevertClusterLayout", {})
        self.post("UpdateClusterLayout", {"roles": list(changes)})
        self.post("ApplyClusterLayout", {"version": version + 1})
        gone = {str(change["id"]) for change in changes if change.get("remove")}
        if gone - self.nodes_up():
            self.post("ClusterLayoutSkipDeadNodes", {"version": version + 1, "allowMissingData": False})

    def await_quorum(self, seconds: float) -> None:
        """Wait until all that the cluster keeps can be read and written."""
        end = time.monotonic() + seconds
        while (health := self.get("GetClusterHealth"))["partitionsQuorum"] < health["partitions"]:
            if time.monotonic() > end:
                raise StoreError(
                    f"{self._endpoint} sees {health['storageNodesUp']} of {health['storageNodes']} nodes, too few to read and write",
                    "Start Garage on the hosts where it does not run, or remove those from the nodes.",
                )
            time.sleep(_PAUSE)

    def allow(self, bucket_id: str, access_key: str) -> None:
        """Let a key read and write in a bucket."""
        self.post("AllowBucketKey", {"bucketId": bucket_id, "accessKeyId": access_key, "permissions": _PERMISSIONS})

    def _ask(self, method: str, path: str, body: t.Any, absent: bool) -> t.Any:
        name = path.partition("?")[0]
        status, text = self._send(method, path, None if body is None else json.dumps(body))
        if status == 404 and absent:
            return None
        if status >= 300:
            raise StoreError(
                f"Garage at {self._endpoint} answers {status} to {name}: {_said(text)}",
                "Check the nodes, their capacity and the replication factor; a layout needs at least as many nodes as copies.",
            )
        try:
            return json.loads(text or b"null")
        except ValueError as error:
            raise self._silence(name, error) from error

    def _send(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        """One request on a connection of its own; status and body. (urllib would read the host's authorities for each.)"""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self._netloc, timeout=self._timeout)
        try:
            connection.request(method, f"/v2/{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise self._silence(path.partition("?")[0], error) from error
        finally:
            connection.close()

    def _silence(self, name: str, error: Exception) -> StoreError:
        return StoreError(
            f"Garage at {self._endpoint} does not answer to {name}: {error}",
            "Check with `docker logs` that Garage runs on this host.",
        )


def _said(text: bytes) -> str:
    """The message of an error, which is JSON mostly."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200].decode(errors="replace")


def layout_changes(roles: t.Sequence[t.Mapping[str, t.Any]], nodes: t.Sequence[Node]) -> list[dict[str, t.Any]]:
    """What makes the I(roles) of a layout those of I(nodes): new or changed roles, and removals."""
    present = {str(role["id"]): (role["zone"], role["capacity"]) for role in roles}
    wanted = {node.node_id for node in nodes}
    changed = [node.role() for node in nodes if present.get(node.node_id) != (node.zone, node.capacity)]
    return changed + [{"id": node_id, "remove": True} for node_id in sorted(set(present) - wanted)]


def may_use(bucket: t.Mapping[str, t.Any], access_key: str) -> bool:
    """Whether a key may read and write in a bucket, as GetBucketInfo tells of it."""
    for key in bucket["keys"]:
        if key["accessKeyId"] == access_key:
            return bool(key["permissions"].get("read") and key["permissions"].get("write"))
    return False
